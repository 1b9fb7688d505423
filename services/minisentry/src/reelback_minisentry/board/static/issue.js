// One issue: how often, in which releases, and its latest event.

import { h, load, show } from "./dom.js";
import { feedback } from "./feedback.js";
import { count, when } from "./format.js";

export async function issue(id) {
  const found = await load(`/board/data/issues/${encodeURIComponent(id)}`);
  document.title = `${found.title} · Reelback`;
  const event = found.event;
  const exceptions = event.entries.find((entry) => entry.type === "exception")?.data.values ?? [];
  const crumbs = event.entries.find((entry) => entry.type === "breadcrumbs")?.data.values ?? [];
  const facts = [
    ["Events", count(found.count)],
    ["First seen", `${when(found.firstSeen)}${found.firstRelease ? ` in ${found.firstRelease}` : ""}`],
    ["Last seen", when(found.lastSeen)],
    ["Status", found.substatus === "regressed" ? "came back" : found.status],
    ["Level", found.handled ? found.level : `${found.level}, unhandled`],
    ["Id", h("span", { class: "mono" }, found.shortId)],
    event.contexts.replay && ["Replay", h("a", { href: `/replays/${event.contexts.replay.replay_id}`, class: "mono" }, event.contexts.replay.replay_id.slice(0, 16))],
    ["Trace", found.trace ? h("a", { href: `/trace/${found.trace}`, class: "mono" }, found.trace.slice(0, 16)) : "–"],
  ].filter(Boolean);
  show(
    h("section", { class: "card" }, h("h1", { class: "head" }, found.title), h("p", { class: "soft" }, found.culprit),
      h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))))),
    h("section", { class: "card" }, h("h2", null, "Releases"), h("table", { class: "narrow" }, h("tbody", null, Object.entries(found.releases).map(([release, n]) =>
      h("tr", null, h("td", null, release || "none named"), h("td", { class: "num" }, count(n))))))),
    h("section", { class: "card" }, h("h2", null, "Latest event ", h("small", null, when(Date.parse(event.dateCreated) / 1000))),
      h("p", null, event.tags.map((tag) => [h("span", { class: "tag" }, `${tag.key}: ${tag.value}`), " "]),
        event.contexts.flags.values.map((flag) => [h("span", { class: "tag back" }, `flag ${flag.flag}: ${flag.result}`), " "])),
      [...exceptions].reverse().map(exception),
      event.errors.map((problem) => h("p", { class: "soft" }, problem.message))),
    found.attachments.length > 0 && h("section", { class: "card" }, h("h2", null, "Attachments ", h("small", null, "the API hands them out")), found.attachments.map((file) =>
      h("div", null, h("span", { class: "mono" }, file.name), h("span", { class: "soft" }, ` ${file.mimetype}, ${count(file.size)} bytes`)))),
    feedback(found.feedback),
    found.suspects.length > 0 && h("section", { class: "card" }, h("h2", null, `Commits of ${found.firstRelease} to code that failed`), found.suspects.map(suspect)),
    Object.entries(event.contexts).filter(([name]) => !["trace", "flags", "replay"].includes(name)).map(context),
    crumbs.length > 0 && h("section", { class: "card" }, h("h2", null, "What happened before"), h("table", null, h("tbody", null, crumbs.map((crumb) =>
      h("tr", null, h("td", { class: "soft" }, crumb.timestamp ? when(/^[\d.]+$/.test(crumb.timestamp) ? Number(crumb.timestamp) : Date.parse(crumb.timestamp) / 1000) : ""), h("td", null, crumb.category), h("td", null, crumb.message)))))),
  );
}

function context([name, facts]) {
  const texts = Object.entries(facts).map(([key, value]) =>
    [key, value && typeof value === "object" ? Object.entries(value).map((pair) => pair.join(" ")).join(", ") : String(value)]);
  return h("section", { class: "card" }, h("h2", null, name.replaceAll("_", " ")),
    h("dl", { class: "facts" }, texts.map(([key, value]) => h("div", null, h("dt", null, key.replaceAll("_", " ")), h("dd", null, value)))));
}

function suspect(commit) {
  const [title, ...rest] = commit.message.trim().split("\n");
  return h("div", null, h("p", { class: "title" }, title), rest.length > 0 && h("p", { class: "soft" }, rest.join(" ").trim()),
    h("p", null, `${commit.author ?? "nobody named"}, `, h("span", { class: "mono" }, commit.id.slice(0, 12)), `: ${commit.files.join(", ")}`));
}

function exception(one) {
  const read = frames(one.stacktrace);
  if (!one.rawStacktrace) return h("div", null, title(one), read);
  const raw = h("details", null, h("summary", { class: "soft" }, "As the browser had it"), frames(one.rawStacktrace));
  return h("div", null, title(one), read, raw);
}

const title = (one) => h("p", { class: "title bad" }, `${one.type}: ${one.value}`);

function frames(stack) {
  return [...stack.frames].reverse().map((frame) =>
    h("div", { class: `frame ${frame.inApp ? "own" : ""}` }, `${frame.filename}${frame.lineNo ? `:${frame.lineNo}` : ""} in ${frame.function}`, code(frame)));
}

// The line that was under way, with those around it where they are known.
function code(frame) {
  const lines = frame.context, wide = String(lines.at(-1)?.[0]).length;
  return lines.map(([number, line]) =>
    h("code", { class: lines.length > 1 && number === frame.lineNo ? "guilty" : "" }, lines.length > 1 ? `${String(number).padStart(wide)}  ${line}` : line.trim()));
}
