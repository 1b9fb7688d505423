/** Whether the player lets this session be recorded: asked once, kept by the browser, and taken back at any time. */
import { useSyncExternalStore } from "react";
import { record } from "./telemetry";

export type Consent = "yes" | "no" | "unknown";

const KEY = "reelback.recording";

/** The browser says for its owner that nothing is to be recorded; then nobody is asked. */
export const refusedByBrowser =
  (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl === true || navigator.doNotTrack === "1";

let consent = read();
const listeners = new Set<() => void>();

// Another tab may have taken it back.
addEventListener("storage", (event) => {
  if (event.key === KEY || event.key === null) become(read());
});

function read(): Consent {
  if (refusedByBrowser) return "no";
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "yes" || kept === "no" ? kept : "unknown";
  } catch {
    return "unknown"; // no storage allowed
  }
}

function become(next: Consent): void {
  if (next === consent) return;
  consent = next;
  record(next === "yes");
  for (const listener of listeners) listener();
}

/** Begins to record if the player has agreed before. */
export function honour(): void {
  if (consent === "yes") record(true);
}

export function decide(answer: "yes" | "no"): void {
  try {
    localStorage.setItem(KEY, answer);
  } catch {
    // Without storage it holds until the next reload, and is asked for again then.
  }
  if (!refusedByBrowser) become(answer);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useConsent(): Consent {
  return useSyncExternalStore(subscribe, () => consent);
}
