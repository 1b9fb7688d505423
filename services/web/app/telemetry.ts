/**
 * Errors and traces of the pages, sent to the server of these pages, which passes them on.
 *
 * What is reported is said here and by those who call this: the SDK's own instruments would also take what was typed,
 * and a third of the first load.
 */
import * as Sentry from "@sentry/react";
import type { ErrorInfo } from "react";
import { Problem } from "./api/problem";
import type { Settings } from "./settings";

const TUNNEL = "/telemetry";

/** The page is drawn and answers first. */
const LATER_MS = 1000;

let on = false;
let recording = false;

/** Begins to report; without a DSN nothing is sent. */
export function start(options: Settings): void {
  if (!options.dsn) return;
  const client = new Sentry.BrowserClient({
    dsn: options.dsn,
    tunnel: TUNNEL,
    release: options.release,
    environment: options.environment,
    tracesSampleRate: options.traces_sample_rate,
    // For who agrees to be recorded: a session with an error always is.
    replaysOnErrorSampleRate: 1,
    replaysSessionSampleRate: options.replay_sample_rate,
    propagateTraceparent: true,
    // A message with the stack of who reports it would be shown as an error of that place.
    attachStacktrace: false,
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
  const flags = Object.entries(options.faults).map(([flag, share]) => ({ flag, result: share > 0 }));
  if (flags.length) Sentry.getGlobalScope().setContext("flags", { values: flags });
  later(() => import("./vitals").then((vitals) => vitals.measure()));
}

/** Whether anything is reported at all. */
export function reports(): boolean {
  return on;
}

/** Begins to record the session, or ends that. */
export function record(wanted: boolean): void {
  if (!on || recording === wanted) return;
  recording = wanted;
  later(async () => {
    const replay = await import("./replay");
    if (recording) replay.start();
    else replay.stop();
  });
}

/** What cannot be loaded, or comes too late, is done without. */
function later(work: () => Promise<void>): void {
  setTimeout(() => work().catch(() => undefined), LATER_MS);
}

/** Says on which page errors happen from now on, and in which component. */
export function routed(route: string, component: string): void {
  Sentry.setTags({ route, component });
  Sentry.addBreadcrumb({ category: "navigation", message: route });
}

/** Reports what broke while a component was drawn; the id of the event, "" without one. */
export function broke(component: string, error: unknown, info: ErrorInfo): string {
  if (!on) return "";
  return Sentry.withScope((scope) => {
    scope.setTag("component", component);
    // For the player the page has crashed, although something else is shown in its place.
    const mechanism = { handled: false, type: "auto.function.react.error_boundary" };
    return Sentry.captureReactException(error, info, { mechanism });
  });
}

/** Sends what the player says about an error. */
export function said(message: string, associatedEventId: string): void {
  Sentry.captureFeedback({ message, associatedEventId });
}

/** Reports something that took the page so many milliseconds, which is no error. */
export function happened(what: string, duration: number): void {
  Sentry.captureMessage(what, { level: "warning", contexts: { duration: { milliseconds: Math.round(duration) } } });
}

/** Says that `action` begins a trace, which what happens from now on outside of others belongs to; its id. */
export function newTrace(action: string): string {
  acted(action);
  const traceId = crypto.randomUUID().replaceAll("-", "");
  Sentry.getCurrentScope().setPropagationContext({ traceId, sampleRand: Math.random() });
  return traceId;
}

/** Says what the player did last. */
export function acted(action: string): void {
  Sentry.setTag("last_action", action);
  Sentry.addBreadcrumb({ category: "ui.click", message: action });
}

/** Runs something as part of the trace of what the player did. */
export type Within = <R>(run: () => R) => R;

/** Runs `work` as a trace of its own that begins with the player's click. */
export function clicked<T>(action: string, work: (within: Within, trace: string) => Promise<T>): Promise<T> {
  acted(action);
  return Sentry.startNewTrace(() =>
    Sentry.startSpan({ name: action, op: "ui.action.click", forceTransaction: true }, (span) =>
      work((run) => Sentry.withActiveSpan(span, run), span.spanContext().traceId).catch(refusal(span)),
    ),
  );
}

/** What a service refuses is no failure of it: as Sentry has it, the span was cancelled. */
function refusal(span: Sentry.Span): (error: unknown) => never {
  return (error) => {
    if (error instanceof Problem && !error.unsure) span.setStatus({ code: 2, message: "cancelled" });
    throw error;
  };
}

/** Runs `work`, which asks the gateway for `name`, as a span, and gives it the headers that continue the trace there. */
export function asked<T>(
  name: string,
  op: "http.client" | "websocket.client",
  work: (headers: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  if (!on) return work({});
  Sentry.addBreadcrumb({ category: op, message: name });
  return Sentry.startSpan({ name, op }, (span) => work(headers()).catch(refusal(span)));
}

function headers(): Record<string, string> {
  const found = Sentry.getTraceData({ propagateTraceparent: true });
  return Object.fromEntries(Object.entries(found).filter((pair): pair is [string, string] => pair[1] !== undefined));
}
