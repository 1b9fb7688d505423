// One trace as a waterfall: who called whom, how long it took, where it failed.

import { h, load, show } from "./dom.js";
import { clock, color, milliseconds } from "./format.js";

function flat(nodes, depth = 0) {
  return nodes.flatMap((node) => [{ node, depth }, ...flat(node.children ?? [], depth + 1)]);
}

const about = (node) => node.additional_attributes ?? {};
const failed = (node) => !["ok", "cancelled", "unknown", undefined].includes(about(node)["span.status"]);

export async function trace(id) {
  document.title = `Trace ${id.slice(0, 8)} · Reelback`;
  const found = await load(`/board/data/trace/${encodeURIComponent(id)}`);
  const rows = flat(found);
  const spans = rows.map((row) => row.node).filter((node) => node.event_type === "span");
  const lost = rows.map((row) => row.node).filter((node) => node.event_type === "error");
  if (!rows.length) return show(h("section", { class: "card" }, h("h2", null, "This trace is not here (any more)"),
    h("p", { class: "empty" }, "The newest traces are kept, those with an error longer. Spans arrive about a second after a request: try again, or choose another one on the ", h("a", { href: "/" }, "board"), ".")));
  const start = Math.min(...spans.map((span) => span.start_timestamp));
  const end = Math.max(...spans.map((span) => span.end_timestamp));
  const services = [...new Set(spans.map((span) => about(span)["service.name"] || "unknown"))];
  const tone = (span) => color(services.indexOf(about(span)["service.name"] || "unknown"));
  const errors = spans.flatMap((span) => span.errors).concat(lost);

  const replay = spans.map((span) => about(span)["sentry.replay_id"]).find(Boolean);

  const facts = [
    ["Trace", h("span", { class: "mono" }, id)],
    spans.length > 0 && ["Began", clock(start)],
    spans.length > 0 && ["Took", milliseconds((end - start) * 1000)],
    ["Spans", String(spans.length)],
    ["Errors", h("span", { class: errors.length ? "bad" : null }, String(errors.length))],
    ["Releases", [...new Set(spans.map((span) => about(span).release).filter(Boolean))].sort().join(", ") || "–"],
    replay && ["Replay", h("a", { href: `/replays/${replay}`, class: "mono" }, replay.slice(0, 16))],
  ].filter(Boolean);
  show(
    h("section", { class: "card" }, h("h1", { class: "head" }, spans[0]?.description ?? errors[0]?.description),
      h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))))),
    h("section", { class: "card" },
      h("h2", null, h("span", { class: "now" }, services.map((name, index) => h("span", { class: "key", style: { "--c": color(index) } }, name))), "Spans"),
      h("div", { class: "fall" }, rows.filter(({ node }) => node.event_type === "span").map(({ node, depth }) => span(node, depth, start, end - start || 1e-6, tone(node)))),
      lost.map(error)),
  );
}

function error(one) {
  return h("div", { class: "error" }, h("a", { href: `/issues/${one.issue_id}` }, one.description), h("span", { class: "soft" }, ` ${one.culprit}`));
}

function span(node, depth, start, length, tone) {
  const left = ((node.start_timestamp - start) / length) * 100;
  const width = ((node.end_timestamp - node.start_timestamp) / length) * 100;
  const after = left + width < 82;
  const detail = h("dl", { class: "detail", hidden: "" }, Object.entries({ span: node.event_id, op: node.op, ...about(node) })
    .filter(([name, value]) => value !== "" && value !== null && !name.startsWith("sentry."))
    .map(([name, value]) => [h("dt", null, name), h("dd", null, String(value))]));
  const bad = failed(node);
  return h("div", null,
    h("button", { type: "button", class: `span ${node.is_transaction ? "segment" : ""}`, "aria-expanded": "false", style: { "--depth": Math.min(depth, 12), "--c": tone },
      click: (event) => { detail.hidden = !detail.hidden; event.currentTarget.setAttribute("aria-expanded", String(!detail.hidden)); } },
      h("span", { class: "name" }, h("span", { class: "dot" }), h("span", { title: node.description }, node.description), bad && h("span", { class: "tag bad" }, "failed")),
      h("span", { class: "bar" },
        h("i", { class: bad ? "failed" : null, style: { left: `${left}%`, width: `${width}%` } }),
        h("em", { class: after ? null : "left", style: { left: `${after ? left + width : left}%` } }, milliseconds(node.duration)))),
    detail,
    node.errors.map(error));
}
