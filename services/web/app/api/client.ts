import { settings } from "../settings";
import { asked } from "../telemetry";
import { texts } from "../texts";
import type { Decoder } from "./decode";
import { exchanged, type Method, type Options, type Telling } from "./exchange";
import { Problem, problemOf } from "./problem";
import * as shapes from "./shapes";

const TELLING: Telling = {
  said: texts.problems,
  problem: (sentence, status) => new Problem(sentence, status),
  refusal: (body, status, retryAfter) => problemOf({ ...shapes.problem(body), status }, retryAfter),
};

/** Asks the gateway. Whatever goes wrong is a Problem. */
export function ask<T>(method: Method, path: string, shape: Decoder<T>, options: Options = {}): Promise<T> {
  const route = path.replace(/\?.*/, "").replace(/^transfers\/.*/, "transfers/{request_id}");
  return asked(`${method} /api/v1/${route}`, "http.client", (trace) =>
    exchanged(`${settings().gateway}/api/v1/${path}`, method, shape, options, trace, TELLING),
  );
}
