import { texts } from "../texts";
import type { ProblemBody } from "./shapes";

/** What went wrong, as a sentence for the player; `fields` are sentences about fields of what was sent. */
export class Problem extends Error {
  constructor(
    message: string,
    readonly status = 0,
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }

  /** Whether what was asked for may have happened all the same. */
  get unsure(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

/** The problem that an answer of the gateway is. */
export function problemOf(body: ProblemBody, retryAfter = ""): Problem {
  const { status, detail, errors } = body;
  if (status === 429) return new Problem(texts.problems.tooMuch(Number.parseInt(retryAfter, 10) || 1), status);
  if (status >= 500) return new Problem(texts.problems.failed, status);
  for (const [said, sentence] of texts.problems.known) if (said.test(detail)) return new Problem(sentence, status);
  const fields: Record<string, string> = {};
  for (const error of errors ?? []) fields[error.field] = sentence(error.message);
  const [, field, rest] = /^([a-z_]+): (.+)$/s.exec(detail) ?? [];
  if (!errors && field && rest) fields[field] = sentence(rest);
  return new Problem(sentence(detail), status, fields);
}

/** What a service says on purpose begins small and has no full stop. */
function sentence(detail: string): string {
  const plain = detail.replaceAll("_", " ").trim();
  if (!plain) return texts.problems.failed;
  return plain.charAt(0).toUpperCase() + plain.slice(1) + (/[.!?]$/.test(plain) ? "" : ".");
}
