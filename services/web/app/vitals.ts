/** How the page loads and feels. In a file of its own, loaded when everything else is there. */
import { browserTracingIntegration, getClient } from "@sentry/react";

/** Begins to measure; what the load was, the browser still knows. */
export function measure(): void {
  getClient()?.addIntegration(
    browserTracingIntegration({ instrumentNavigation: false, traceFetch: false, traceXHR: false }),
  );
}
