// The functions in which a service spends its time: a bar for each release, so that what a release made worse stands out.

import { h } from "./dom.js";
import { percent, version } from "./format.js";

export function hot(data, colors) {
  if (!data.functions.length) return null;
  const rows = data.functions.map(({ function: name, package: module, shares }) => h("tr", null,
    h("td", null, h("span", { class: "mono title" }, name), h("div", { class: "soft" }, module)),
    h("td", { class: "bars" }, [...colors].filter(([release]) => release in shares).map(([release, tone]) =>
      h("div", { class: "bar", role: "img", "aria-label": `${release}: ${percent(shares[release])}` },
        h("i", { style: { left: 0, width: `${shares[release] * 80}%`, "--c": tone } }),
        h("em", { style: { left: `${shares[release] * 80}%` } }, `${percent(shares[release])} of ${version(release)}`))))));
  return h("section", { class: "card" }, h("h2", null, "Functions ", h("small", null, `in which ${data.service} spends the time of its threads, waiting included, last 15 minutes`)),
    h("div", { class: "scroll" }, h("table", null, h("tbody", null, rows))));
}
