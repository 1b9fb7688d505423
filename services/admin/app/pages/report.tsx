import { type ChangeEvent, Component, type ReactNode } from "react";
import type { Report } from "../api/shapes";
import * as shapes from "../api/shapes";
import { moment, money, number, percent } from "../format";
import { askAs } from "../session";
import { texts } from "../texts";
import { Figure, Loader, Table, Title, Who } from "../ui";

export class ReportPage extends Component<Record<string, never>, { hours: string }> {
  override state = { hours: "1" };

  private readonly choose = (event: ChangeEvent<HTMLSelectElement>): void =>
    this.setState({ hours: event.target.value });

  override render(): ReactNode {
    const { hours } = this.state;
    return (
      <>
        <Title>{texts.report.title}</Title>
        <p className="window">
          <label htmlFor="hours">{texts.report.window}</label>
          <select id="hours" value={hours} onChange={this.choose}>
            {Object.entries(texts.report.windows).map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </p>
        <Loader key={hours} load={() => askAs("GET", `admin/report?hours=${hours}`, shapes.report)}>
          {(report) => <Figures report={report} />}
        </Loader>
      </>
    );
  }
}

function Figures(props: { report: Report }) {
  const { report } = props;
  const bet = report.games.reduce((sum, game) => sum + game.bet, 0);
  const win = report.games.reduce((sum, game) => sum + game.win, 0);
  const { columns, topColumns } = texts.report;
  return (
    <>
      <p className="hint">{texts.report.span(moment(report.start), moment(report.end))}</p>
      <div className="figures">
        <Figure label={texts.report.bet} value={money(bet)} />
        <Figure label={texts.report.won} value={money(win)} />
        <Figure label={texts.report.kept} value={money(bet - win)} />
        <Figure label={texts.report.active} value={number(report.active_players)} />
        <Figure
          label={texts.report.success}
          value={percent(report.payment_success_rate)}
          more={texts.report.failed(number(report.payments_failed), number(report.payments_declined))}
        />
        <Figure label={texts.report.payments} value={number(report.payments)} />
      </div>
      <h2>{texts.report.games}</h2>
      {report.games.length ? (
        <Table
          label={texts.report.games}
          head={[
            columns.game,
            columns.rounds,
            columns.won,
            columns.bet,
            columns.win,
            columns.rtp,
            columns.expected,
            columns.deviation,
          ]}
        >
          {report.games.map((game) => (
            <tr key={game.game}>
              <td>{game.game}</td>
              <td className="amount">{number(game.rounds)}</td>
              <td className="amount">{number(game.rounds_won)}</td>
              <td className="amount">{money(game.bet)}</td>
              <td className="amount">{money(game.win)}</td>
              <td className="amount">{percent(game.rtp)}</td>
              <td className="amount">{percent(game.theoretical_rtp)}</td>
              <td className="amount">{game.deviation === undefined ? "–" : game.deviation.toFixed(1)}</td>
            </tr>
          ))}
        </Table>
      ) : (
        <p className="hint">{texts.report.noGames}</p>
      )}
      {report.top_players.length > 0 && (
        <>
          <h2>{texts.report.top}</h2>
          <Table label={texts.report.top} head={[topColumns.player, topColumns.rounds, topColumns.bet, topColumns.win]}>
            {report.top_players.map((row) => (
              <tr key={row.player.player_id}>
                <td className="name">
                  <Who person={row.player} />
                </td>
                <td className="amount">{number(row.rounds)}</td>
                <td className="amount">{money(row.bet)}</td>
                <td className="amount">{money(row.win)}</td>
              </tr>
            ))}
          </Table>
        </>
      )}
    </>
  );
}
