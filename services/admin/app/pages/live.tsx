import { Component, createRef, type ReactNode } from "react";
import { Problem } from "../api/problem";
import type { Live } from "../api/shapes";
import * as shapes from "../api/shapes";
import { money, number } from "../format";
import { Chart } from "../live/chart";
import { askAs } from "../session";
import { faulty } from "../settings";
import { traced } from "../telemetry";
import { texts } from "../texts";
import { Figure, Title } from "../ui";
import { AlertTable } from "./alerts";
import { DecisionTable } from "./decisions";

const LOOK_MS = 2_000;

interface LiveState {
  now: Live | undefined;
  problem: string;
}

/** What goes on, looked at again and again while the page is open. */
export class LivePage extends Component<Record<string, never>, LiveState> {
  override state: LiveState = { now: undefined, problem: "" };
  private readonly place = createRef<HTMLDivElement>();
  private chart: Chart | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private here = true;

  override componentDidMount(): void {
    if (this.place.current) this.chart = new Chart(this.place.current, faulty("admin.live.leak"));
    this.look();
  }

  override componentWillUnmount(): void {
    this.here = false;
    clearTimeout(this.timer);
    this.chart?.close();
  }

  private readonly look = async (): Promise<void> => {
    try {
      const now = await traced("look", "ui.poll", () => askAs("GET", "admin/live", shapes.live));
      if (!this.here) return;
      this.setState({ now, problem: "" });
      this.chart?.add({ at: now.at, bet: now.bet, win: now.win, rounds: now.rounds });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (this.here) this.setState({ problem: error.message });
    } finally {
      if (this.here) this.timer = setTimeout(this.look, LOOK_MS);
    }
  };

  override render(): ReactNode {
    const { now, problem } = this.state;
    return (
      <>
        <Title>{texts.live.title}</Title>
        <p className="lead">{texts.live.lead}</p>
        <p role="alert" className="problem" hidden={!problem}>
          {problem} {now && texts.live.away}
        </p>
        {now ? <Now now={now} /> : !problem && <p className="hint">{texts.loading}</p>}
        <div ref={this.place} className="chart" />
        {now && now.alerts.length > 0 && (
          <>
            <h2>{texts.live.alerts}</h2>
            <AlertTable alerts={now.alerts} brief={true} />
          </>
        )}
        {now && now.decisions.length > 0 && (
          <>
            <h2>{texts.live.decisions}</h2>
            <DecisionTable decisions={now.decisions} brief={true} />
          </>
        )}
      </>
    );
  }
}

function Now(props: { now: Live }) {
  const { now } = props;
  return (
    <div className="figures">
      <Figure label={texts.live.active} value={number(now.active_players)} />
      <Figure label={texts.live.rounds} value={number(now.rounds)} />
      <Figure label={texts.live.bet} value={money(now.bet)} />
      <Figure label={texts.live.win} value={money(now.win)} />
      <Figure
        label={texts.live.payments}
        value={number(now.payments)}
        more={texts.live.failed(number(now.payments_failed))}
      />
      <Figure label={texts.live.withdrawals} value={number(now.withdrawals_waiting)} href="#/withdrawals" />
      <Figure label={texts.live.documents} value={number(now.kyc_waiting)} href="#/kyc" />
    </div>
  );
}
