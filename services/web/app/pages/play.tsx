import { useState } from "react";
import type { Paytable, Round, Wallet } from "../api/shapes";
import { money } from "../format";
import { useMachine } from "../game/machine";
import { PaytableView } from "../game/paytable";
import { FIRST, Reels, symbolName } from "../game/reels";
import type { Session } from "../session";
import { texts } from "../texts";
import { Title } from "../ui";

/** What a line may be bet with, in minor units. */
const STAKES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];

export function PlayPage(props: {
  session: Session;
  wallet: Wallet;
  paytable: Paytable;
  played: (round: Round) => void;
}) {
  const { session, wallet, paytable } = props;
  const lines = paytable.lines.length;
  const reels = paytable.lines[0]?.length ?? 5;
  const [stake, setStake] = useState(2);
  const machine = useMachine(session, reels, props.played);
  const bet = lines * (STAKES[stake] ?? 1);
  const show = (amount: number) => money(amount, wallet.currency);
  const { round, busy, connection, problem } = machine;
  const still = machine.stopped >= reels;
  const broke = wallet.balance < bet;

  return (
    <>
      <div className="bar">
        <Title>{texts.play.title}</Title>
        <p className={`connection ${connection}`} role="status" title={texts.play.connectionHint}>
          {texts.play.connection[connection]}
        </p>
      </div>
      <section className={`cabinet${still && round?.win ? " wins" : ""}`} aria-busy={busy}>
        <Reels
          rows={round?.window ?? FIRST}
          stopped={machine.stopped}
          lines={paytable.lines}
          wins={round && still && !problem ? round.wins : []}
        />
        <p className="verdict" role="status" aria-live="polite">
          {problem ? (
            <span className="problem">{problem.message}</span>
          ) : busy ? (
            texts.play.spinning
          ) : (
            <Verdict round={round} show={show} />
          )}
        </p>
        <div className="controls">
          <fieldset className="bet">
            <legend>{texts.play.bet}</legend>
            <button
              type="button"
              className="round"
              aria-label={texts.play.less}
              aria-disabled={busy || stake === 0}
              onClick={() => !busy && setStake(Math.max(0, stake - 1))}
            >
              −
            </button>
            <output aria-live="polite">
              <strong>{show(bet)}</strong>
              <small>{texts.play.perLine(show(bet / lines))}</small>
            </output>
            <button
              type="button"
              className="round"
              aria-label={texts.play.more}
              aria-disabled={busy || stake === STAKES.length - 1}
              onClick={() => !busy && setStake(Math.min(STAKES.length - 1, stake + 1))}
            >
              +
            </button>
          </fieldset>
          <button type="button" className="spin" aria-disabled={busy} onClick={() => machine.spin(bet)}>
            {texts.play.spin}
          </button>
        </div>
        {broke && !busy && (
          <p className="hint">
            <a href="#/wallet">{texts.play.deposit}</a>
          </p>
        )}
      </section>
      <PaytableView paytable={paytable} />
    </>
  );
}

function Verdict(props: { round: Round | undefined; show: (amount: number) => string }) {
  const { round, show } = props;
  if (!round) return texts.play.ready;
  if (!round.win) return texts.play.lost;
  const lines = round.wins.map((win) => texts.play.line(win.line, win.count, symbolName(win.symbol), show(win.amount)));
  return (
    <>
      <strong>{texts.play.won(show(round.win))}</strong> <span>{lines.join("; ")}.</span>
    </>
  );
}
