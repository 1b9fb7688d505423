// What the services measure of the business: a small chart for each metric, whichever service sent it.

import { chart } from "./chart.js";
import { h } from "./dom.js";
import { color, milliseconds, number, percent } from "./format.js";

// Milliseconds of the units of durations.
const DURATIONS = { nanosecond: 1e-6, microsecond: 1e-3, millisecond: 1, second: 1000, minute: 60_000, hour: 3_600_000 };

function format(unit) {
  if (unit === "ratio") return (value) => percent(value, Number.isInteger(value * 100) ? 0 : 1);
  if (unit === "percent") return (value) => `${number(value)} %`;
  if (DURATIONS[unit]) return (value) => milliseconds(value * DURATIONS[unit]);
  return number;
}

// What a point says, after the metric's name.
function meaning({ type, unit, more }) {
  const plain = unit === "ratio" || unit === "percent" || DURATIONS[unit] ? "" : unit;
  const said = type === "counter" ? `${plain} a second` : type === "distribution" ? `${plain} P95` : plain;
  return more ? `${said}, ${more} more not shown` : said;
}

// What browsers measure of their pages, not what services measure of the business.
const VITAL = /^browser\.web_vital\.(\w+)\.value$/;

// `deploys`: those of the service that is shown; a metric moves with them, or it does not.
export function business(metrics, deploys) {
  const all = metrics?.charts ?? [];
  return [
    part("Business metrics", "as the services measure them, last 15 minutes", all.filter((metric) => !VITAL.test(metric.name)), deploys),
    part("Web vitals", "as browsers measure their pages, last 15 minutes", all.filter((metric) => VITAL.test(metric.name)), deploys),
  ];
}

function part(title, of, metrics, deploys) {
  if (!metrics.length) return null;
  const charts = metrics.map((metric) => chart({
    title: metric.name.match(VITAL)?.[1].toUpperCase() ?? metric.name, unit: meaning(metric), format: format(metric.unit), floor: metric.lines.some((line) => line.values.some(Boolean)) ? 1e-6 : 1, ceiling: metric.unit === "ratio" ? 1 : Infinity,
    lines: metric.lines.map(({ label, values }, index) => ({ label, values, color: color(index) })),
    start: metric.start, step: metric.step, deploys, width: 380, height: 165,
  }));
  return h("section", { "aria-label": title }, h("h2", { class: "part" }, `${title} `, h("small", null, of)), h("div", { class: "charts small" }, charts));
}
