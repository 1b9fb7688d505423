/** How the page loads and feels. In a file of its own, loaded when everything else is there. */
import { browserTracingIntegration, getClient } from "@sentry/react";
import { happened } from "./telemetry";

/** A page that does not answer for so long is worth an event, and not only a figure. */
const LONG_TASK_MS = 500;

/** Begins to measure; what the load was, the browser still knows. */
export async function measure(): Promise<void> {
  getClient()?.addIntegration(
    browserTracingIntegration({ instrumentNavigation: false, traceFetch: false, traceXHR: false }),
  );
  if (!PerformanceObserver.supportedEntryTypes.includes("longtask")) return;
  new PerformanceObserver((tasks) => {
    for (const { duration } of tasks.getEntries()) if (duration >= LONG_TASK_MS) happened("long task", duration);
  }).observe({ type: "longtask" });
}
