// The front page: what happens to the releases of one service, live.

import { chart } from "./chart.js";
import { h, load, page, show } from "./dom.js";
import { feedback } from "./feedback.js";
import { clock, color, count, lasted, milliseconds, pageOf, percent, service, version, when } from "./format.js";
import { business } from "./business.js";
import { hot } from "./hot.js";

const EVERY = 2000;
// Metrics come every 5 seconds: every third look is often enough.
const LOOKS = 3;
// The least that the charts span, in seconds: a young stack would otherwise be a sliver at their right edge.
const LEAST_SPAN = 60;

export async function board() {
  const asked = new URLSearchParams(location.search);
  const live = document.getElementById("live");
  let frozen = false, looks = 0, metrics = null;
  // A chart that somebody points at is not replaced under the pointer.
  page().addEventListener("pointerover", (event) => { frozen = event.target.closest?.(".chart") !== null; });
  page().addEventListener("pointerleave", () => { frozen = false; });

  const look = async (whole = false) => {
    try {
      const [data, fresh] = await Promise.all([load(`/board/data/overview?${asked}`), looks++ % LOOKS && !whole ? null : load(`/board/data/metrics?${asked}`)]);
      metrics = fresh ?? metrics;
      live.className = "live on";
      live.textContent = `live, ${clock(data.now)}`;
      if (!frozen && !document.hidden) draw(data, metrics, asked, look);
    } catch (problem) {
      live.className = "live off";
      live.textContent = problem.status === 503 ? "the store does not answer" : "no connection, trying again";
    }
  };
  await look();
  setInterval(look, EVERY);
}

function draw(data, metrics, asked, look) {
  const choose = (name, value) => {
    if (value) asked.set(name, value); else asked.delete(name);
    history.replaceState(null, "", asked.size ? `?${asked}` : "/");
    look(true);
  };
  document.title = data.service ? `${data.service} · Reelback release board` : "Reelback release board";
  if (!data.services.length) return show(nothingYet());
  // The last point is still being counted: good enough for shares, but not for sums.
  const ended = data.start + data.step * (Math.ceil(((data.now - 1.5) - data.start) / data.step) - 1);
  // Colours go by age, so that a release keeps its own as long as it is shown.
  const colors = new Map([...data.releases].reverse().map((release, index) => [release.release, color(index)]));
  const skipped = beforeAll(data);
  const start = data.start + skipped * data.step;
  const lines = (value, until = Infinity) => [...colors].filter(([release]) => data.points[release]).map(([release, tone]) => ({
    label: version(release), color: tone, values: data.points[release].slice(skipped).map((point, index) => (point && start + index * data.step < until ? value(point) : null)),
  }));
  const common = { start, step: data.step, deploys: data.deploys };
  const charts = [
    { title: "Error rate", unit: "failed requests", lines: lines(([n, failed]) => failed / n), format: (v) => percent(v), floor: 0.04, ceiling: 1 },
    { title: "P95", unit: "duration of requests", lines: lines((point) => point[2]), format: milliseconds, floor: 5 },
    { title: "Requests", unit: "a second", lines: lines(([n]) => n / data.step, ended), format: (v) => (v >= 10 ? v.toFixed(0) : v.toFixed(1)), floor: 1 },
  ];
  show(
    picks(data, choose),
    story(data),
    data.releases.length ? h("div", { class: "charts" }, charts.map((one) => chart({ ...one, ...common })), releases(data, colors)) : null,
    business(metrics, data.deploys),
    hot(data, colors),
    issues(data, colors),
    replays(data),
    feedback(data.feedback),
    drops(data),
  );
}

// How many steps to leave out: those before anything was counted.
function beforeAll(data) {
  const all = Object.values(data.points);
  const firsts = all.map((points) => points.findIndex((point) => point !== null)).filter((index) => index >= 0);
  const steps = all[0]?.length ?? 0;
  return Math.max(0, Math.min(...firsts.map((index) => index - 2), steps - Math.ceil(LEAST_SPAN / data.step)));
}

function picks(data, choose) {
  const row = (label, name, values, chosen) => h("div", { class: "pick", role: "group", "aria-label": label }, h("b", null, label), values.map(([value, text]) =>
    h("button", { type: "button", "aria-pressed": String(value === chosen), click: () => choose(name, value) }, text)));
  return h("div", { class: "picks" },
    row("Service", "service", data.services.map((name) => [name, name]), data.service),
    data.environments.length > 1 && row("Environment", "environment", [["", "all"], ...data.environments.map((name) => [name, name])], data.environment));
}

// In words: the last deploys, each with what became of it.
export function chapters(deploys) {
  const told = [];
  for (const deploy of [...deploys].sort((a, b) => a.at - b.at)) {
    const ended = deploy.rollbackFrom && told.findLast((chapter) => chapter.release === deploy.rollbackFrom && !chapter.back);
    if (ended) ended.back = deploy;
    else told.push({ release: deploy.release, at: deploy.at, from: deploy.rollbackFrom, url: deploy.url });
  }
  return told.reverse();
}

function sentence({ release, at, back, from }) {
  if (from) return `rolled back from ${from} to ${release} ${when(at)}`;
  return `${release} deployed ${when(at)}` + (back ? `, rolled back ${when(back.at)} after ${lasted(back.at - at)}` : "");
}

function story(data) {
  const [last, ...older] = chapters(data.deploys);
  if (!last) {
    const serving = data.releases.find((release) => release.requests);
    return h("section", { class: "card story" }, serving ? `${serving.release} serves; no deploy has been marked yet` : `${data.service}: no deploy and no request in the last 15 minutes`);
  }
  const shown = data.releases.find((release) => release.release === last.release);
  const rate = shown?.requests ? shown.failures / shown.requests : null;
  const back = last.back ?? (last.from ? last : null);
  const [tone, tag] = back ? ["back", "rolled back"] : rate === null ? ["", "no requests"] : rate > 0.05 ? ["bad", `${percent(rate)} errors`] : ["good", "healthy"];
  const link = back?.url && /^https?:/.test(back.url) && h("a", { href: back.url }, "the scenario");
  return h("section", { class: `card story ${tone}`, role: "status" },
    h("span", null, sentence(last)), h("span", { class: `tag ${tone}` }, tag), link,
    older.length > 0 && h("ol", null, older.slice(0, 3).map((chapter) => h("li", null, sentence(chapter)))));
}

function releases(data, colors) {
  const rows = data.releases.slice(0, 12).map((row) => h("tr", null,
    h("td", null, h("span", { class: "key", style: { "--c": colors.get(row.release) } }, row.release)),
    h("td", { class: "num" }, count(row.requests)),
    h("td", { class: `num ${row.requests && row.failures / row.requests > 0.05 ? "bad" : ""}` }, row.requests ? percent(row.failures / row.requests) : "–"),
    h("td", { class: "num" }, milliseconds(row.p95)),
    h("td", { class: "num" }, row.sessions ? percent(row.crashFree, 1) : "–",
      row.unhandled > 0 && h("div", { class: "soft" }, `${percent(row.unhandled / row.sessions, 1)} unhandled`)),
    h("td", { class: "num" }, when(row.lastSeen))));
  const heads = ["Release", "Requests", "Errors", "P95", "Crash-free", "Last seen"];
  return h("section", { class: "card" }, h("h2", null, "Releases ", h("small", null, "last 15 minutes; sessions of the last day")),
    h("div", { class: "scroll" }, h("table", null, h("thead", null, h("tr", null, heads.map((head, index) => h("th", { class: index ? "num" : null }, head)))), h("tbody", null, rows))));
}

function issues(data, colors) {
  const title = h("h2", null, "Issues ", h("small", null, `of ${data.service}, last seen first`));
  if (!data.issues.length) return h("section", { class: "card" }, title, h("p", { class: "empty" }, "No error has been reported. Either all is well, or nothing sends errors: a service needs SENTRY_DSN."));
  const newest = data.releases[0]?.release;
  const rows = data.issues.map((issue) => h("tr", null,
    h("td", null,
      h("a", { class: "title", href: `/issues/${issue.id}` }, issue.title), " ",
      issue.firstRelease === newest && data.releases.length > 1 && h("span", { class: "tag bad" }, `new in ${version(newest)}`), " ",
      issue.status !== "unresolved" && h("span", { class: "tag good" }, issue.status), " ",
      issue.substatus === "regressed" && h("span", { class: "tag bad" }, "came back"),
      h("div", { class: "soft" }, issue.culprit)),
    h("td", null, Object.entries(issue.releases).filter(([release]) => service(release) === data.service).map(([release, n]) =>
      h("div", null, h("span", { class: "key", style: { "--c": colors.get(release) ?? "var(--s7)" } }, `${release} `), h("span", { class: "soft" }, ` × ${count(n)}`)))),
    h("td", { class: "num" }, count(issue.count)),
    h("td", { class: "num" }, when(issue.lastSeen)),
    h("td", { class: "num" }, issue.trace ? h("a", { href: `/trace/${issue.trace}` }, "trace") : "–")));
  const heads = ["Issue", "Releases", "Events", "Last seen", ""];
  return h("section", { class: "card" }, title, h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, heads.map((head, index) => h("th", { class: index > 1 ? "num" : null }, head)))), h("tbody", null, rows))));
}

function replays(data) {
  if (!data.replays.length) return null;
  const rows = data.replays.map((replay) => h("tr", null,
    h("td", null, h("a", { class: "title", href: `/replays/${replay.id}` }, pageOf(replay.urls[0])), h("div", { class: "soft" }, replay.releases.join(", "))),
    h("td", { class: `num ${replay.count_errors ? "bad" : ""}` }, count(replay.count_errors)),
    h("td", { class: "num" }, lasted(replay.duration)),
    h("td", { class: "num" }, when(Date.parse(replay.started_at) / 1000))));
  const heads = ["Replay", "Errors", "Took", "Began"];
  return h("section", { class: "card" }, h("h2", null, "Replays ", h("small", null, "what players saw and did, the last of them")), h("div", { class: "scroll" }, h("table", null,
    h("thead", null, h("tr", null, heads.map((head, index) => h("th", { class: index ? "num" : null }, head)))), h("tbody", null, rows))));
}

function drops(data) {
  if (!data.drops.length) return null;
  const text = data.drops.map((drop) => `${count(drop.quantity)} ${drop.category} (${drop.reason})`).join(", ");
  return h("p", { class: "soft" }, `Not taken in the last day, mostly as the SDKs say they dropped it: ${text}.`);
}

function nothingYet() {
  return h("section", { class: "card" }, h("h2", null, "Nothing has been sent yet"),
    h("p", null, "Give a service this DSN and a release, and it shows up here with its first request or error:"),
    h("pre", null, `SENTRY_DSN=${location.protocol}//public@${location.host}/1\nSENTRY_RELEASE=payment@1.4.0`),
    h("p", null, "Or play a bad release and its rollback: ", h("code", null, "make demo")));
}
