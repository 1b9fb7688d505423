// One chart over time: a line for each release or series, a dashed upright for each deploy, the values at the pointer.

import { h, s } from "./dom.js";
import { clock, minute, version } from "./format.js";

const LEFT = 52, RIGHT = 14, TOP = 34, BOTTOM = 24;

// What had a value within so many seconds has it beside the title.
const LATELY = 35;

// The next round number at or above a value, such as 1, 1.5, 2, 2.5, 3 times a power of ten.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value * 0.9999) * power;
}

// Runs of neighbouring points, so that a line breaks where nothing was measured.
function runs(values) {
  const found = [];
  values.forEach((value, index) => {
    if (value === null) return;
    const last = found.at(-1);
    if (last && last.at(-1)[0] === index - 1) last.push([index, value]);
    else found.push([[index, value]]);
  });
  return found;
}

// `lines`: [{label, color, values}], a value or null for each step; `floor`: the least top of the scale.
export function chart({ title, unit, lines, start, step, deploys, format, floor, ceiling = Infinity, width = 640, height = 230 }) {
  const steps = lines[0]?.values.length ?? 180;
  const end = start + steps * step;
  const highest = Math.max(floor, ...lines.flatMap((line) => line.values.map((value) => value ?? 0)));
  const top = Math.min(roundUp(highest * 1.02), Math.max(ceiling, highest));
  const lowest = Math.min(0, ...lines.flatMap((line) => line.values.map((value) => value ?? 0)));
  const bottom = lowest < 0 ? -roundUp(-lowest * 1.02) : 0;
  const x = (at) => LEFT + ((at - start) / (end - start)) * (width - LEFT - RIGHT);
  const y = (value) => height - BOTTOM - ((value - bottom) / (top - bottom)) * (height - TOP - BOTTOM);
  const middle = (index) => x(start + (index + 0.5) * step);

  const grid = (bottom ? [bottom, 0, top] : [0, top / 2, top]).map((value) => [
    s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
    s("text", { class: "axis", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, value ? format(value) : "0"),
  ]);
  const every = [15, 30, 60, 180].find((seconds) => (end - start) / seconds <= width / 100) ?? 300;
  const times = [];
  for (let at = Math.ceil(start / every) * every; at < end; at += every) {
    times.push(s("text", { class: "axis", x: x(at), y: height - 5, "text-anchor": "middle" }, every < 60 ? clock(at) : minute(at)));
  }

  const drawn = lines.map((line) => runs(line.values).map((run) => {
    const path = run.map(([index, value]) => `${middle(index).toFixed(1)},${y(value).toFixed(1)}`);
    if (run.length === 1) return s("circle", { cx: middle(run[0][0]), cy: y(run[0][1]), r: 3, style: { fill: line.color } });
    const area = `${middle(run[0][0])},${y(0)} ${path.join(" ")} ${middle(run.at(-1)[0])},${y(0)}`;
    return [
      s("polygon", { class: "area", points: area, style: { fill: line.color } }),
      s("polyline", { class: "line", points: path.join(" "), style: { stroke: line.color } }),
    ];
  }));

  const cursor = s("line", { class: "cursor", y1: TOP, y2: height - BOTTOM });
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title} over time` },
    grid, times, drawn, marks(deploys.filter((deploy) => deploy.at >= start && deploy.at < end), x, width, height), cursor);
  const tip = h("div", { class: "tip" });
  const box = h("div", { class: "chart" }, svg, tip);

  const leave = () => { tip.style.display = "none"; cursor.style.visibility = "hidden"; };
  const move = (event) => {
    const area = svg.getBoundingClientRect();
    const at = ((event.clientX - area.left) / area.width) * width;
    const index = Math.floor(((at - LEFT) / (width - LEFT - RIGHT)) * steps);
    if (index < 0 || index >= steps) return leave();
    cursor.setAttribute("x1", middle(index));
    cursor.setAttribute("x2", middle(index));
    cursor.style.visibility = "visible";
    const rows = lines.filter((line) => line.values[index] !== null).map((line) =>
      h("div", null, h("span", { class: "key", style: { "--c": line.color } }, line.label), h("b", null, format(line.values[index]))));
    tip.replaceChildren(h("div", { class: "soft" }, clock(start + index * step)), ...(rows.length ? rows : [h("div", null, "nothing counted")]));
    tip.style.display = "block";
    const px = (middle(index) / width) * area.width;
    tip.style.left = `${px > area.width / 2 ? px - tip.offsetWidth - 12 : px + 12}px`;
    tip.style.top = `${(TOP / height) * area.height}px`;
  };
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerdown", move);
  svg.addEventListener("pointerleave", leave);

  const latest = lines.map((line) => [line, line.values.slice(-Math.ceil(LATELY / step)).findLast((value) => value !== null)]).filter(([, value]) => value !== undefined);
  const now = latest.map(([line, value]) => h("span", { class: "key", style: { "--c": line.color } }, line.label && `${line.label} `, h("b", null, format(value))));
  return h("section", { class: "card" }, h("h2", { class: "over" }, h("span", null, title, " ", h("small", null, unit)), h("span", { class: "now" }, now)), box);
}

// Uprights; labels that would lie on each other take turns in two rows.
function marks(deploys, x, width, height) {
  let lastEnd = [-Infinity, -Infinity];
  return [...deploys].sort((a, b) => a.at - b.at).map((deploy) => {
    const back = deploy.rollbackFrom !== null;
    const label = back ? `↩ back to ${version(deploy.release)}` : `▲ ${version(deploy.release)}`;
    const long = label.length * 7, at = x(deploy.at);
    const left = at + long > width - 4;
    const from = left ? at - long : at;
    const row = from > lastEnd[0] ? 0 : from > lastEnd[1] ? 1 : 0;
    lastEnd[row] = from + long + 6;
    const style = { stroke: back ? "var(--warn)" : "var(--soft)" };
    return s("g", null,
      s("line", { class: "mark", x1: at, x2: at, y1: 14 + row * 14, y2: height - BOTTOM, style }),
      s("text", { class: "mark-text", x: left ? at - 4 : at + 4, y: 12 + row * 14, "text-anchor": left ? "end" : "start", style: { fill: back ? "var(--warn)" : "var(--soft)" } }, label),
      s("title", null, `${deploy.name || "deploy"}: ${deploy.release}, ${clock(deploy.at)}`));
  });
}
