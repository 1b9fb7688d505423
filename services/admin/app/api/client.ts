import { settings } from "../settings";
import { asked } from "../telemetry";
import { texts } from "../texts";
import { type Decoder, Nonsense } from "./decode";
import { Problem, problemOf } from "./problem";
import * as shapes from "./shapes";

const ANSWER_MS = 10_000;

export type Method = "GET" | "POST" | "DELETE";

export interface Options {
  readonly token?: string;
  readonly body?: unknown;
  readonly keepalive?: boolean;
}

/** Asks the gateway. Whatever goes wrong is a Problem. `route` is the path without what differs from call to call. */
export function ask<T>(
  method: Method,
  path: string,
  shape: Decoder<T>,
  options: Options = {},
  route = path,
): Promise<T> {
  const name = `${method} /api/v1/${route.replace(/\?.*/, "")}`;
  return asked(name, (trace) => answered(method, path, shape, options, trace));
}

async function answered<T>(
  method: Method,
  path: string,
  shape: Decoder<T>,
  options: Options,
  trace: Readonly<Record<string, string>>,
): Promise<T> {
  const headers: Record<string, string> = { ...trace };
  if (options.token) headers.authorization = `Bearer ${options.token}`;
  if (options.body !== undefined) headers["content-type"] = "application/json";
  let status: number;
  let retryAfter: string;
  let answer: string;
  try {
    const response = await fetch(`${settings().gateway}/api/v1/${path}`, {
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
    throw new Problem(slow ? texts.problems.slow : texts.problems.away);
  }
  try {
    const body: unknown = answer ? JSON.parse(answer) : undefined;
    if (status >= 200 && status < 300) return shape(body);
    throw problemOf({ ...shapes.problem(body), status }, retryAfter);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof Nonsense) {
      throw new Problem(status >= 500 ? texts.problems.failed : texts.problems.nonsense, status < 400 ? 0 : status);
    }
    throw error;
  }
}
