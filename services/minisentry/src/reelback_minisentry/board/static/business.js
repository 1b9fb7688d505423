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

// `deploys`: those of the service that is shown; a metric moves with them, or it does not.
export function business(metrics, deploys) {
  if (!metrics?.charts.length) return null;
  const charts = metrics.charts.map((metric) => chart({
    title: metric.name, unit: meaning(metric), format: format(metric.unit), floor: metric.lines.some((line) => line.values.some(Boolean)) ? 1e-6 : 1, ceiling: metric.unit === "ratio" ? 1 : Infinity,
    lines: metric.lines.map(({ label, values }, index) => ({ label, values, color: color(index) })),
    start: metric.start, step: metric.step, deploys, width: 380, height: 165,
  }));
  return h("section", { "aria-label": "Business metrics" }, h("h2", { class: "part" }, "Business metrics ", h("small", null, "as the services measure them, last 15 minutes")), h("div", { class: "charts small" }, charts));
}
