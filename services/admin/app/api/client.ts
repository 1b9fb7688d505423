import type { Decoder } from "../../../web/app/api/decode";
import { exchanged, type Method, type Options, type Telling } from "../../../web/app/api/exchange";
import { settings } from "../settings";
import { asked } from "../telemetry";
import { texts } from "../texts";
import { Problem, problemOf } from "./problem";
import * as shapes from "./shapes";

const TELLING: Telling = {
  said: texts.problems,
  problem: (sentence, status) => new Problem(sentence, status),
  refusal: (body, status, retryAfter) => problemOf({ ...shapes.problem(body), status }, retryAfter),
};

/** Asks the gateway. Whatever goes wrong is a Problem. `route` is the path without what differs from call to call. */
export function ask<T>(
  method: Method,
  path: string,
  shape: Decoder<T>,
  options: Options = {},
  route = path,
): Promise<T> {
  return asked(`${method} /api/v1/${route.replace(/\?.*/, "")}`, (trace) =>
    exchanged(`${settings().gateway}/api/v1/${path}`, method, shape, options, trace, TELLING),
  );
}
