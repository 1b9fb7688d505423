// What people said of the pages, with what they were looking at.

import { h } from "./dom.js";
import { when } from "./format.js";

export function feedback(said, title = "Feedback") {
  if (!said.length) return null;
  return h("section", { class: "card" }, h("h2", null, title), h("table", null, h("tbody", null, said.map((one) => h("tr", null,
    h("td", { class: "said" }, one.message),
    h("td", { class: "num" }, when(one.at)),
    h("td", { class: "num" }, [
      one.issue && h("a", { href: `/issues/${one.issue}` }, "issue"), " ",
      one.replay && h("a", { href: `/replays/${one.replay}` }, "replay"), " ",
      one.trace && h("a", { href: `/trace/${one.trace}` }, "trace"),
    ]))))));
}
