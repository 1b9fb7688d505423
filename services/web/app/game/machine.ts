/** A player at the machine: one spin at a time, reels that stop in turn, and what is said about it. */
import { useEffect, useRef, useState } from "react";
import { type Bet, type Connection, Play } from "../api/play";
import { Problem } from "../api/problem";
import * as shapes from "../api/shapes";
import { useOnce } from "../request-id";
import { askAs, ended, type Session } from "../session";
import { settings } from "../settings";
import { clicked, type Within } from "../telemetry";
import { texts } from "../texts";

/** The reels spin at least so long, then stop one after the other. */
const SPIN_MS = 450;
const STOP_MS = 150;

/** A failure that was asked for: the fault of this name, in the table of all faults. */
class InjectedFault extends Error {
  override readonly name = "InjectedFault";
}

const FAULT = "web.spin.error_rate";

export interface Machine {
  readonly connection: Connection;
  readonly busy: boolean;
  readonly round: shapes.Round | undefined;
  readonly stopped: number;
  readonly problem: Problem | undefined;
  readonly spin: (bet: number) => void;
}

export function useMachine(session: Session, reels: number, played: (round: shapes.Round) => void): Machine {
  const [connection, setConnection] = useState<Connection>("connecting");
  const [busy, setBusy] = useState(false);
  const [round, setRound] = useState<shapes.Round>();
  const [stopped, setStopped] = useState(reels);
  const [problem, setProblem] = useState<Problem>();
  const [broken, setBroken] = useState<{ error: unknown }>();
  const play = useRef<Play>(undefined);
  const spinning = useRef(false);
  const here = useRef(true);
  const once = useOnce();

  useEffect(() => {
    here.current = true;
    const opened = new Play(session.token, setConnection, () => ended(session.token));
    play.current = opened;
    return () => {
      here.current = false;
      opened.close();
    };
  }, [session]);

  async function turn(bet: number, within: Within): Promise<void> {
    const began = performance.now();
    const share = settings().faults[FAULT] ?? 0;
    if (Math.random() < share) throw new InjectedFault(`${FAULT} is ${share}`);
    const found = await once(`bet ${bet}`, async (request_id) => {
      if (!play.current) throw new Problem(texts.problems.away);
      const overHttp = (body: Bet) => askAs(session, "POST", "spins", shapes.round, body);
      return await play.current.bet({ request_id, bet }, overHttp, within);
    });
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
      await rest(SPIN_MS - (performance.now() - began));
      setRound(found);
      for (let reel = 1; reel < reels && here.current; reel += 1) {
        setStopped(reel);
        await rest(STOP_MS);
      }
    }
    setRound(found);
    setStopped(reels);
    played(found);
  }

  function spin(bet: number): void {
    if (spinning.current) return; // a double click is one bet
    spinning.current = true;
    setBusy(true);
    setProblem(undefined);
    setStopped(0);
    clicked("spin", (within) => turn(bet, within))
      .catch((error: unknown) => {
        setStopped(reels);
        if (!(error instanceof Problem)) setBroken({ error });
        else setProblem(error.unsure ? new Problem(texts.play.unsure, error.status) : error);
      })
      .finally(() => {
        spinning.current = false;
        setBusy(false);
      });
  }

  if (broken) throw broken.error; // the page's error boundary takes it
  return { connection, busy, round, stopped, problem, spin };
}

function rest(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
