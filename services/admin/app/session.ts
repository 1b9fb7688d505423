/** Who is signed in, in this tab: kept over a reload, gone with the tab. */
import { type Decoder, date, nothing, record, text } from "../../web/app/api/decode";
import type { Method } from "../../web/app/api/exchange";
import { ask } from "./api/client";
import { Problem } from "./api/problem";
import * as shapes from "./api/shapes";
import { texts } from "./texts";

/** `notice` says why nobody is signed in any more. */
export interface State {
  readonly token: string | undefined;
  readonly notice: string;
}

const KEY = "reelback.admin.session";
const kept = record({ token: text, expiresAt: date });

let state: State = { token: read(), notice: "" };
let listener: (state: State) => void = () => undefined;

function read(): string | undefined {
  try {
    const found = kept(JSON.parse(sessionStorage.getItem(KEY) ?? ""));
    return found.expiresAt.getTime() > Date.now() ? found.token : undefined;
  } catch {
    return undefined; // nothing there, something else there, or no storage allowed
  }
}

function store(value: string | undefined): void {
  try {
    if (value === undefined) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, value);
  } catch {
    // Without storage the session lasts until the next reload.
  }
}

function become(next: State): void {
  state = next;
  listener(state);
}

export function current(): State {
  return state;
}

/** Has one listener told of every change; gives what ends that. */
export function follow(told: (state: State) => void): () => void {
  listener = told;
  return () => {
    listener = () => undefined;
  };
}

export async function signIn(email: string, password: string): Promise<void> {
  const found = await ask("POST", "sessions", shapes.token, { body: { email, password } });
  store(JSON.stringify({ token: found.token, expiresAt: found.expires_at }));
  become({ token: found.token, notice: "" });
}

/** Forgets the session at once, whatever the gateway makes of it. */
export function signOut(): void {
  const { token } = state;
  store(undefined);
  become({ token: undefined, notice: texts.sign.out });
  if (token) ask("DELETE", "sessions", nothing, { token, keepalive: true }).catch(() => undefined);
}

/** Asks the gateway as who is signed in; a token that has ended leads to the sign-in. */
export async function askAs<T>(
  method: Method,
  path: string,
  shape: Decoder<T>,
  more: { body?: unknown; route?: string } = {},
): Promise<T> {
  const { token } = state;
  try {
    return await ask(method, path, shape, { ...(token ? { token } : {}), body: more.body }, more.route);
  } catch (error) {
    if (error instanceof Problem && error.status === 401 && state.token === token) {
      store(undefined);
      become({ token: undefined, notice: texts.sign.ended });
    }
    throw error;
  }
}
