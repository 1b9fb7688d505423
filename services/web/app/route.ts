import { useEffect, useSyncExternalStore } from "react";
import { routed } from "./telemetry";

export const PAGES = ["play", "wallet", "history", "messages", "account"] as const;
export type Page = (typeof PAGES)[number];

function page(): Page {
  const name = location.hash.replace(/^#\//, "");
  return PAGES.find((known) => known === name) ?? "play";
}

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

/** The page that the address names. */
export function usePage(): Page {
  const found = useSyncExternalStore(subscribe, page);
  useEffect(() => routed(found), [found]);
  return found;
}
