import type { CSSProperties } from "react";
import type { Paytable } from "../api/shapes";
import { percent } from "../format";
import { texts } from "../texts";
import { Table } from "../ui";
import { drawn, symbolName } from "./reels";
import { Drawing } from "./symbols";

/** What the machine pays, and along which lines. */
export function PaytableView(props: { paytable: Paytable }) {
  const { lines, pays, theoretical_rtp } = props.paytable;
  const counts = [...new Set(pays.map((pay) => pay.count))].sort();
  const symbols = [...new Set(pays.map((pay) => pay.symbol))].reverse();
  return (
    <details className="paytable">
      <summary>{texts.play.paytable}</summary>
      <p className="hint">{texts.play.pays}</p>
      <Table label={texts.play.paytable} head={[texts.play.symbol, ...counts.map(texts.play.inARow)]}>
        {symbols.map((symbol) => (
          <tr key={symbol}>
            <th scope="row">
              <span className="small">
                <Drawing name={symbol} />
              </span>
              {symbolName(symbol)}
            </th>
            {counts.map((count) => (
              <td key={count} className="number">
                {pays.find((pay) => pay.symbol === symbol && pay.count === count)?.multiplier ?? ""}
              </td>
            ))}
          </tr>
        ))}
      </Table>
      <ul className="line-list" aria-label={texts.play.lines}>
        {lines.map((line, index) => (
          <li key={line.join()}>
            <svg viewBox={`0 0 ${line.length * 100} 300`} aria-hidden="true">
              <path d={drawn(line)} style={{ "--line": `var(--line-${index + 1})` } as CSSProperties} />
            </svg>
            {texts.play.lineName(index + 1)}
          </li>
        ))}
      </ul>
      <p className="hint">{texts.play.rtp(percent(theoretical_rtp))}</p>
    </details>
  );
}
