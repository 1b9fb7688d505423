/** What the server of these pages tells them at run time. */
import { type Decoded, maybe, real, record, text, values } from "../../web/app/api/decode";

const shape = record({
  gateway: text,
  dsn: maybe(text),
  release: text,
  environment: text,
  traces_sample_rate: real,
  faults: values(real),
});

export type Settings = Decoded<typeof shape>;

const ANSWER_MS = 10_000;
let loaded: Settings | undefined;

/** Loads them, once. */
export async function load(): Promise<Settings> {
  const response = await fetch("/settings.json", { signal: AbortSignal.timeout(ANSWER_MS) });
  if (!response.ok) throw new Error(`settings.json: ${response.status}`);
  const found = shape(await response.json());
  // Without an address the gateway is where the pages are; its scheme is theirs.
  loaded = { ...found, gateway: `${location.protocol}//${found.gateway || location.host}` };
  return loaded;
}

export function settings(): Settings {
  if (!loaded) throw new Error("the settings are not loaded");
  return loaded;
}

/** Whether something is to go wrong on purpose, by the table of faults. */
export function faulty(key: string): boolean {
  return (settings().faults[key] ?? 0) > 0;
}
