/** Who is signed in, in this tab: kept over a reload, gone with the tab. */
import { useSyncExternalStore } from "react";
import { ask } from "./api/client";
import { type Decoder, date, list, nothing, record, text } from "./api/decode";
import type { Method } from "./api/exchange";
import { Problem } from "./api/problem";
import * as shapes from "./api/shapes";
import { texts } from "./texts";

export interface Session {
  readonly token: string;
  readonly playerId: string;
  /** What the player may do beside playing. */
  readonly roles: readonly string[];
}

/** `notice` says why nobody is signed in any more. */
interface State {
  readonly session: Session | undefined;
  readonly notice: string;
}

const KEY = "reelback.session";
const kept = record({ token: text, playerId: text, expiresAt: date, roles: list(text) });

let state: State = { session: read(), notice: "" };
const listeners = new Set<() => void>();

function read(): Session | undefined {
  try {
    const found = kept(JSON.parse(sessionStorage.getItem(KEY) ?? ""));
    return found.expiresAt.getTime() > Date.now()
      ? { token: found.token, playerId: found.playerId, roles: found.roles }
      : undefined;
  } catch {
    return undefined; // nothing there, something else there, or no storage allowed
  }
}

function become(next: State): void {
  state = next;
  for (const listener of listeners) listener();
}

function store(value: string | undefined): void {
  try {
    if (value === undefined) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, value);
  } catch {
    // Without storage the session lasts until the next reload.
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSession(): State {
  return useSyncExternalStore(subscribe, () => state);
}

export async function signIn(email: string, password: string): Promise<void> {
  const found = await ask("POST", "sessions", shapes.token, { body: { email, password } });
  const session = { token: found.token, playerId: found.player_id, roles: found.roles };
  store(JSON.stringify({ ...session, expiresAt: found.expires_at }));
  become({ session, notice: "" });
}

/** Forgets the session at once, whatever the gateway makes of it. */
export function signOut(): void {
  const { session } = state;
  store(undefined);
  become({ session: undefined, notice: texts.sign.out });
  if (session) {
    ask("DELETE", "sessions", nothing, { token: session.token, keepalive: true }).catch(() => undefined);
  }
}

/** The gateway does not know this token any more. */
export function ended(token: string): void {
  if (state.session?.token !== token) return;
  store(undefined);
  become({ session: undefined, notice: texts.sign.ended });
}

/** Asks the gateway as the player; a token that has ended leads to the sign-in. */
export async function askAs<T>(
  session: Session,
  method: Method,
  path: string,
  shape: Decoder<T>,
  body?: unknown,
): Promise<T> {
  try {
    return await ask(method, path, shape, { token: session.token, body });
  } catch (error) {
    if (error instanceof Problem && error.status === 401) ended(session.token);
    throw error;
  }
}
