/** What the server of these pages tells them at run time: it stands in the page, so that the two are of one release. */
import { type Decoded, flag, maybe, real, record, text, values } from "./api/decode";

const shape = record({
  gateway: text,
  dsn: maybe(text),
  release: text,
  environment: text,
  traces_sample_rate: real,
  replay_sample_rate: real,
  debug_panel: flag,
  sentry_web_url: text,
  faults: values(real),
});

export type Settings = Omit<Decoded<typeof shape>, "gateway"> & { gateway: string };

let loaded: Settings | undefined;

/** Reads them, once. */
export function load(): Settings {
  const found = shape(JSON.parse(document.getElementById("settings")?.textContent ?? ""));
  // Without an address the gateway is where the pages are; its scheme is theirs.
  loaded = { ...found, gateway: `${location.protocol}//${found.gateway || location.host}` };
  return loaded;
}

export function settings(): Settings {
  if (!loaded) throw new Error("the settings are not loaded");
  return loaded;
}
