import { moment } from "../format";
import { texts } from "../texts";
import type { ProblemBody } from "./shapes";

/** What went wrong, as a sentence. */
export class Problem extends Error {
  constructor(
    message: string,
    readonly status = 0,
  ) {
    super(message);
  }
}

/** The problem that an answer of the gateway is. */
export function problemOf(body: ProblemBody, retryAfter = ""): Problem {
  const { status, detail } = body;
  if (status === 429) return new Problem(texts.problems.tooMuch(Number.parseInt(retryAfter, 10) || 1), status);
  if (status >= 500) return new Problem(texts.problems.failed, status);
  if (body.decided_by && body.decided_at) {
    const who = body.decided_by.display_name || body.decided_by.player_id;
    return new Problem(texts.problems.late(who, body.state ?? "", moment(body.decided_at)), status);
  }
  return new Problem(sentence(detail), status);
}

/** What a service says on purpose begins small and has no full stop. */
function sentence(detail: string): string {
  const plain = detail.replaceAll("_", " ").trim();
  if (!plain) return texts.problems.failed;
  return plain.charAt(0).toUpperCase() + plain.slice(1) + (/[.!?]$/.test(plain) ? "" : ".");
}
