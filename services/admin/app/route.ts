/** Where somebody is: the hash of the address. */
export const PAGES = ["live", "players", "kyc", "withdrawals", "alerts", "report", "decisions"] as const;
export type Page = (typeof PAGES)[number];

/** `id` is the player's, on the page of one. */
export interface Route {
  readonly page: Page;
  readonly id: string;
}

export function route(): Route {
  const [name = "", id = ""] = location.hash.replace(/^#\//, "").split("/");
  const page = PAGES.find((known) => known === name) ?? "players";
  return { page, id: page === "players" && name ? decoded(id) : "" };
}

/** The address of a player's page. */
export function playerAddress(id: string): string {
  return `#/players/${encodeURIComponent(id)}`;
}

function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
