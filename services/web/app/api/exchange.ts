/** One request and its answer. The pages of admin are made of this and of the decoders, too: it knows no other module. */
import { type Decoder, Nonsense } from "./decode";

const ANSWER_MS = 10_000;

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface Options {
  readonly token?: string;
  readonly body?: unknown;
  readonly keepalive?: boolean;
}

/** What goes wrong, as the pages tell it. */
export interface Telling {
  readonly said: { readonly slow: string; readonly away: string; readonly failed: string; readonly nonsense: string };
  readonly problem: (sentence: string, status?: number) => Error;
  /** Of what was refused; throws Nonsense for a body that is none. */
  readonly refusal: (body: unknown, status: number, retryAfter: string) => Error;
}

/** The answer in its shape. Whatever goes wrong is a problem of `telling`. */
export async function exchanged<T>(
  url: string,
  method: Method,
  shape: Decoder<T>,
  options: Options,
  trace: Readonly<Record<string, string>>,
  telling: Telling,
): Promise<T> {
  const { said, problem, refusal } = telling;
  const headers: Record<string, string> = { ...trace };
  if (options.token) headers.authorization = `Bearer ${options.token}`;
  if (options.body !== undefined) headers["content-type"] = "application/json";
  let status: number;
  let retryAfter: string;
  let answer: string;
  try {
    const response = await fetch(url, {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: AbortSignal.timeout(ANSWER_MS),
      keepalive: options.keepalive ?? false,
      credentials: "omit",
      cache: "no-store",
    });
    status = response.status;
    retryAfter = response.headers.get("retry-after") ?? "";
    answer = await response.text();
  } catch (error) {
    const slow = error instanceof DOMException && error.name === "TimeoutError";
    throw problem(slow ? said.slow : said.away);
  }
  try {
    const body: unknown = answer ? JSON.parse(answer) : undefined;
    if (status >= 200 && status < 300) return shape(body);
    throw refusal(body, status, retryAfter);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof Nonsense) {
      // Of a refusal its status alone is enough; a success that cannot be read may have happened.
      throw problem(status >= 500 ? said.failed : said.nonsense, status < 400 ? 0 : status);
    }
    throw error;
  }
}
