import { useInsertionEffect, useSyncExternalStore } from "react";
import { routed } from "./telemetry";

export const PAGES = ["play", "wallet", "history", "messages", "account", "debug"] as const;
export type Page = (typeof PAGES)[number];

/** The component of each page, for those who read reports. */
export const COMPONENTS: Readonly<Record<Page, string>> = {
  play: "PlayPage",
  wallet: "WalletPage",
  history: "HistoryPage",
  messages: "MessagesPage",
  account: "AccountPage",
  debug: "DebugPage",
};

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

/** The page that the address names, among those that the player has. */
export function usePage(pages: readonly Page[]): Page {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  const page = pages.find((known) => hash === `#/${known}`) ?? "play";
  useRoute(page, COMPONENTS[page]);
  return page;
}

/** Says where errors happen from now on: before the page can break, hence no effect of the ordinary kind. */
export function useRoute(route: string, component: string): void {
  useInsertionEffect(() => routed(route, component), [route, component]);
}
