/** The window of the machine: reels that spin, stop one after the other, and show the lines that won. */
import type { CSSProperties } from "react";
import type { Round } from "../api/shapes";
import { texts } from "../texts";
import { Drawing, SYMBOLS } from "./symbols";

const CELL = 100;

/** What the reels show before the first round. */
export const FIRST: readonly (readonly string[])[] = [
  ["cherry", "bell", "plum", "star", "lemon"],
  ["seven", "seven", "wild", "seven", "seven"],
  ["orange", "lemon", "cherry", "plum", "bell"],
];

export function symbolName(symbol: string): string {
  return texts.symbols[symbol] ?? symbol;
}

/** `stopped` reels stand still and show `rows`; the others spin. Wins are shown when all of them stand. */
export function Reels(props: {
  rows: readonly (readonly string[])[];
  stopped: number;
  lines: readonly (readonly number[])[];
  wins: Round["wins"];
}) {
  const { rows, stopped, lines, wins } = props;
  const reels = rows[0]?.length ?? 0;
  const still = stopped >= reels;
  const lit = new Set(
    still
      ? wins.flatMap((win) => (lines[win.line - 1] ?? []).slice(0, win.count).map((row, reel) => `${row}:${reel}`))
      : [],
  );
  const spoken = rows.map((row, index) => texts.play.row(texts.play.places[index] ?? "", row.map(symbolName)));
  return (
    <div className="window" role="img" aria-label={still ? texts.play.window(spoken) : texts.play.spinning}>
      {Array.from({ length: reels }, (_, reel) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a reel is its place
        <div key={reel} className={reel < stopped ? "reel" : "reel spins"} style={{ "--reel": reel } as CSSProperties}>
          {reel < stopped
            ? rows.map((row, index) => (
                <div
                  // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place
                  key={index}
                  className={`cell${lit.size ? (lit.has(`${index}:${reel}`) ? " lit" : " dim") : ""}`}
                >
                  <Drawing name={row[reel] ?? ""} />
                </div>
              ))
            : [...SYMBOLS, ...SYMBOLS.slice(0, 3)].map((name, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place
                <div key={index} className="cell">
                  <Drawing name={name} />
                </div>
              ))}
        </div>
      ))}
      {still && wins.length > 0 && (
        <svg className="lines" viewBox={`0 0 ${reels * CELL} ${rows.length * CELL}`} aria-hidden="true">
          {wins.map((win, order) => (
            <path
              key={win.line}
              d={drawn(lines[win.line - 1] ?? [])}
              pathLength={1}
              style={{ "--line": `var(--line-${win.line})`, "--order": order } as CSSProperties}
            />
          ))}
        </svg>
      )}
    </div>
  );
}

/** The path of a line through the middles of its cells. */
export function drawn(line: readonly number[]): string {
  return line.map((row, reel) => `${reel ? "L" : "M"}${(reel + 0.5) * CELL} ${(row + 0.5) * CELL}`).join("");
}
