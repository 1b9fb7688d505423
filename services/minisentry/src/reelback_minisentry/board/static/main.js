// Which page the address asks for.

import { board } from "./board.js";
import { h, show } from "./dom.js";
import { issue } from "./issue.js";
import { trace } from "./trace.js";

const [, kind, id] = location.pathname.split("/");
try {
  if (kind === "trace") await trace(decodeURIComponent(id));
  else if (kind === "issues") await issue(decodeURIComponent(id));
  else if (kind === "replays") await (await import("./replay.js")).replay(decodeURIComponent(id));
  else await board();
} catch (problem) {
  show(h("section", { class: "card" }, h("h2", null, problem.status === 404 ? "Not found" : "This page could not be shown"), h("p", { class: "empty" }, problem.message, " ", h("a", { href: "/" }, "To the board"))));
}
