/**
 * Errors and traces of the pages, sent to the server of these pages, which passes them on.
 *
 * What is reported is said here and by those who call this: names of routes and actions, and never what was typed or
 * who was looked at.
 */
import * as Sentry from "@sentry/react";
import type { Settings } from "./settings";

const TUNNEL = "/telemetry";

let on = false;

/** Begins to report; without a DSN nothing is sent. */
export function start(options: Settings): void {
  if (!options.dsn) return;
  const client = new Sentry.BrowserClient({
    dsn: options.dsn,
    tunnel: TUNNEL,
    release: options.release,
    environment: options.environment,
    tracesSampleRate: options.traces_sample_rate,
    propagateTraceparent: true,
    transport: Sentry.makeFetchTransport,
    stackParser: Sentry.defaultStackParser,
    integrations: [
      Sentry.globalHandlersIntegration(),
      Sentry.linkedErrorsIntegration(),
      Sentry.dedupeIntegration(),
      Sentry.browserSessionIntegration(),
    ],
    // Passwords, tokens and addresses of mail are in bodies and headers.
    dataCollection: { userInfo: false, cookies: false, httpHeaders: false, httpBodies: [], urlQueryParams: false },
  });
  Sentry.getCurrentScope().setClient(client);
  client.init();
  on = true;
}

/** Says on which page errors happen from now on. */
export function routed(route: string): void {
  Sentry.setTag("route", route);
  Sentry.addBreadcrumb({ category: "navigation", message: route });
}

/** Runs `work` as a trace of its own: one that begins with a click, or with a look at what goes on. */
export function traced<T>(action: string, op: "ui.action.click" | "ui.poll", work: () => Promise<T>): Promise<T> {
  if (op === "ui.action.click") {
    Sentry.setTag("last_action", action);
    Sentry.addBreadcrumb({ category: "ui.click", message: action });
  }
  return Sentry.startNewTrace(() => Sentry.startSpan({ name: action, op, forceTransaction: true }, work));
}

/** Runs `work`, which asks the gateway for `name`, as a span, and gives it the headers that continue the trace there. */
export function asked<T>(name: string, work: (headers: Readonly<Record<string, string>>) => Promise<T>): Promise<T> {
  if (!on) return work({});
  return Sentry.startSpan({ name, op: "http.client" }, () => work(headers()));
}

function headers(): Record<string, string> {
  const found = Sentry.getTraceData({ propagateTraceparent: true });
  return Object.fromEntries(Object.entries(found).filter((pair): pair is [string, string] => pair[1] !== undefined));
}
