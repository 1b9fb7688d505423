// One replay: what somebody saw and did, played by rrweb's player; what failed meanwhile, and the traces of it.

import { h, load, show } from "./dom.js";
import { clock, count, lasted, pageOf, when } from "./format.js";

const MAX_EVENTS = 50_000;

export async function replay(id) {
  const found = await load(`/board/data/replays/${encodeURIComponent(id)}`);
  document.title = `Replay ${id.slice(0, 8)} · Reelback`;
  const start = Date.parse(found.started_at) / 1000;
  const facts = [
    ["Began", when(start)],
    ["Took", lasted(found.duration)],
    ["Release", found.releases.join(", ") || "–"],
    ["User", found.user.id ?? "not said"],
    ["Pages", found.urls.map(pageOf).join(", ") || "–"],
    ["Errors", h("span", { class: found.count_errors ? "bad" : null }, count(found.count_errors))],
    ["Id", h("span", { class: "mono" }, id)],
  ];
  const stage = h("div", { class: "stage" }, h("p", { class: "empty" }, "Loading…"));
  show(
    h("section", { class: "card" }, h("h1", { class: "head" }, `Replay of ${pageOf(found.urls[0])}`),
      h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))))),
    h("section", { class: "card" }, stage),
    h("section", { class: "card" }, h("h2", null, "Errors meanwhile"), found.errors.length ? found.errors.map((error) =>
      h("div", { class: "error" }, h("a", { href: `/issues/${error.issue}` }, error.title), h("span", { class: "soft" }, ` ${clock(error.timestamp)}, ${lasted(Math.max(0, error.timestamp - start))} after the start`)))
      : h("p", { class: "soft" }, found.count_errors ? "They are not kept any more." : "None.")),
    h("section", { class: "card" }, h("h2", null, "Traces"), found.trace_ids.length ? found.trace_ids.map((trace) =>
      h("div", null, h("a", { class: "mono", href: `/trace/${trace}` }, trace))) : h("p", { class: "soft" }, "None.")),
  );
  try {
    await play(id, found, stage);
  } catch (problem) {
    stage.replaceChildren(h("p", { class: "empty" }, problem.message));
  }
}

async function play(id, found, stage) {
  if (!found.segments.length) throw new Error("The recording is not kept any more.");
  let player;
  try {
    player = await import("./player.js");
  } catch {
    throw new Error("rrweb's player is not installed here: PLAYER_FOLDER says where it is.");
  }
  const events = [];
  for (const segment of found.segments) {
    events.push(...(await load(`/board/data/replays/${encodeURIComponent(id)}/${segment}`)).filter(isPlayed));
    if (events.length > MAX_EVENTS) break;
  }
  events.sort((a, b) => a.timestamp - b.timestamp);
  if (events.length < 2) throw new Error("Too little was recorded to be played.");
  document.head.append(h("link", { rel: "stylesheet", href: "/board/player.css" }));
  stage.replaceChildren();
  new player.default({
    target: stage,
    props: { events, autoPlay: false, showController: true, width: stage.clientWidth, height: 520, mouseTail: false, skipInactive: true, UNSAFE_replayCanvas: false },
  });
}

// What the SDK adds of its own, such as spans, has other clocks and nothing to be seen.
const isPlayed = (event) => Number.isInteger(event?.type) && event.type !== 5 && event.timestamp > 1e12;
