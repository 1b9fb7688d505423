/**
 * Errors and traces of the pages, sent to the server of these pages, which passes them on.
 *
 * What is reported is said here and by those who call this: the SDK's own instruments would also take what was typed,
 * and a third of the first load.
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
    // Passwords, tokens and amounts are in bodies and headers.
    dataCollection: { userInfo: false, cookies: false, httpHeaders: false, httpBodies: [], urlQueryParams: false },
  });
  Sentry.getCurrentScope().setClient(client);
  client.init();
  on = true;
  setTimeout(() => import("./vitals").then((vitals) => vitals.measure()), 1000);
}

/** Says on which page errors happen from now on. */
export function routed(route: string): void {
  Sentry.setTag("route", route);
  Sentry.addBreadcrumb({ category: "navigation", message: route });
}

/** Says what the player did last. */
export function acted(action: string): void {
  Sentry.setTag("last_action", action);
  Sentry.addBreadcrumb({ category: "ui.click", message: action });
}

/** Runs `work` as a trace of its own that begins with the player's click. `within` makes what it runs part of it. */
export function clicked<T>(action: string, work: (within: <R>(run: () => R) => R) => Promise<T>): Promise<T> {
  acted(action);
  return Sentry.startNewTrace(() =>
    Sentry.startSpan({ name: action, op: "ui.action.click", forceTransaction: true }, (span) =>
      work((run) => Sentry.withActiveSpan(span, run)),
    ),
  );
}

/** Runs `work`, which asks the gateway for `name`, as a span, and gives it the headers that continue the trace there. */
export function asked<T>(
  name: string,
  op: "http.client" | "websocket.client",
  work: (headers: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  if (!on) return work({});
  Sentry.addBreadcrumb({ category: op, message: name });
  return Sentry.startSpan({ name, op }, () => work(headers()));
}

function headers(): Record<string, string> {
  const found = Sentry.getTraceData({ propagateTraceparent: true });
  return Object.fromEntries(Object.entries(found).filter((pair): pair is [string, string] => pair[1] !== undefined));
}
