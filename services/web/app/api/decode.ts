/** Reads JSON of which nothing is believed: a decoder gives a value of its type, or throws Nonsense. */
export type Decoder<T> = (value: unknown) => T;
export type Decoded<D> = D extends Decoder<infer T> ? T : never;

/** An answer that is not what it should be; the message says what was missing, never what was there. */
export class Nonsense extends Error {}

function scalar<T>(kind: string, is: (value: unknown) => value is T): Decoder<T> {
  return (value) => {
    if (!is(value)) throw new Nonsense(`not ${kind}`);
    return value;
  };
}

export const text = scalar("a text", (value): value is string => typeof value === "string");
export const flag = scalar("true or false", (value): value is boolean => typeof value === "boolean");
export const whole = scalar("a whole number", (value): value is number => Number.isSafeInteger(value));
export const real = scalar("a number", (value): value is number => Number.isFinite(value));
export const nothing: Decoder<void> = () => undefined;

export function date(value: unknown): Date {
  const found = new Date(text(value));
  if (Number.isNaN(found.getTime())) throw new Nonsense("not a time");
  return found;
}

export function list<T>(of: Decoder<T>): Decoder<T[]> {
  return (value) => {
    if (!Array.isArray(value)) throw new Nonsense("not a list");
    return value.map(of);
  };
}

export function maybe<T>(of: Decoder<T>): Decoder<T | undefined> {
  return (value) => (value === undefined || value === null ? undefined : of(value));
}

/** An object of any names, whose values are all of one kind. */
export function values<T>(of: Decoder<T>): Decoder<Readonly<Record<string, T>>> {
  return (value) => {
    if (typeof value !== "object" || value === null) throw new Nonsense("not an object");
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, of(each)]));
  };
}

export function record<F extends Record<string, Decoder<unknown>>>(
  fields: F,
): Decoder<{ [K in keyof F]: Decoded<F[K]> }> {
  return (value) => {
    if (typeof value !== "object" || value === null) throw new Nonsense("not an object");
    const found = value as Record<string, unknown>;
    const read = Object.entries(fields).map(([name, decode]) => {
      try {
        return [name, decode(found[name])];
      } catch (error) {
        throw error instanceof Nonsense ? new Nonsense(`${name}: ${error.message}`) : error;
      }
    });
    return Object.fromEntries(read) as { [K in keyof F]: Decoded<F[K]> };
  };
}
