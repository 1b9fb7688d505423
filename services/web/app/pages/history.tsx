import * as shapes from "../api/shapes";
import { money, time } from "../format";
import { askAs, type Session } from "../session";
import { texts } from "../texts";
import { Show, Table, Title, useLoaded } from "../ui";

export function HistoryPage(props: { session: Session; currency: string }) {
  const { session, currency } = props;
  const say = texts.history;
  const rounds = useLoaded(() => askAs(session, "GET", "spins?limit=50", shapes.rounds));
  const top = useLoaded(() => askAs(session, "GET", "leaderboard", shapes.leaderboard));
  return (
    <>
      <Title>{say.title}</Title>
      <p className="hint">{say.lead}</p>
      <Show of={rounds}>
        {(found) =>
          found.length === 0 ? (
            <p className="hint">{say.none}</p>
          ) : (
            <Table label={say.title} head={Object.values(say.columns)}>
              {found.map((round) => (
                <tr key={round.round_id}>
                  <td>{time(round.played_at)}</td>
                  <td className="number">{money(round.bet, currency)}</td>
                  <td className={`number ${round.win ? "in" : ""}`}>{money(round.win, currency)}</td>
                  <td>{round.wins.map((win) => win.line).join(", ")}</td>
                  <td className="number">{money(round.balance_after, currency)}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Show>
      <h2>{say.top}</h2>
      <Show of={top}>
        {(found) => (
          <>
            <p className="hint">{found.leaders.length ? say.topLead(found.active_players) : say.topNone}</p>
            {found.leaders.length > 0 && (
              <Table label={say.top} head={Object.values(say.topColumns)}>
                {found.leaders.map((leader, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: they have no names, a place is all they are
                  <tr key={index}>
                    <td>{index + 1}</td>
                    <td className="number">{leader.rounds}</td>
                    <td className="number">{money(leader.bet, currency)}</td>
                    <td className="number">{money(leader.win, currency)}</td>
                  </tr>
                ))}
              </Table>
            )}
          </>
        )}
      </Show>
    </>
  );
}
