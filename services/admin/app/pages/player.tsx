import { Component, type ReactNode } from "react";
import type { Entry, Member, Player } from "../api/shapes";
import * as shapes from "../api/shapes";
import { date, moment, money } from "../format";
import { askAs } from "../session";
import { texts } from "../texts";
import { Figure, Loader, Paged, Pill, Table, Title, Who } from "../ui";
import { KycChoices } from "./kyc";

export class PlayerPage extends Component<{ id: string; member: Member }> {
  private get path(): string {
    return `admin/players/${encodeURIComponent(this.props.id)}`;
  }

  override render(): ReactNode {
    const route = "admin/players/{player_id}";
    return (
      <>
        <p className="back">
          <a href="#/players">{texts.player.back}</a>
        </p>
        <Loader load={() => askAs("GET", this.path, shapes.player, { route })}>
          {(player, reload) => <Profile player={player} member={this.props.member} reload={reload} />}
        </Loader>
        <h2>{texts.player.money}</h2>
        <Loader load={() => askAs("GET", `${this.path}/account`, shapes.account, { route: `${route}/account` })}>
          {({ wallet, limits }) => (
            <div className="figures">
              <Figure label={texts.player.balance} value={money(wallet.balance)} />
              <Figure label={texts.player.perDay} value={money(limits.deposit_per_day)} />
              <Figure label={texts.player.perBet} value={money(limits.bet)} />
            </div>
          )}
        </Loader>
        <h2>{texts.player.ledger}</h2>
        <Paged
          label={texts.player.ledger}
          none={texts.player.empty}
          load={(cursor) =>
            askAs("GET", `${this.path}/entries?cursor=${cursor || 0}`, shapes.entries, { route: `${route}/entries` })
          }
        >
          {(entries) => <Ledger entries={entries} />}
        </Paged>
      </>
    );
  }
}

function Profile(props: { player: Player; member: Member; reload: () => void }) {
  const { player, member } = props;
  const { kyc_decided_by: decider, kyc_changed_at: changed } = player;
  return (
    <>
      <Title>{player.display_name || texts.players.nameless}</Title>
      <dl>
        <dt>{texts.player.email}</dt>
        <dd>
          {player.email}{" "}
          <Pill state={player.email_verified ? "verified" : "none"}>
            {player.email_verified ? texts.player.verified : texts.player.unverified}
          </Pill>
          {!member.may.includes("contact") && <span className="hint">{texts.player.masked}</span>}
        </dd>
        <dt>{texts.player.documents}</dt>
        <dd>
          <Pill state={player.kyc}>{texts.kyc[player.kyc] ?? player.kyc}</Pill>{" "}
          {changed && (
            <span className="hint">
              {decider
                ? texts.player.decided(decider.display_name || decider.player_id, moment(changed))
                : texts.player.changed(moment(changed))}
            </span>
          )}
          {player.kyc === "pending" && <KycChoices player={player} member={member} done={props.reload} />}
        </dd>
        <dt>{texts.player.since}</dt>
        <dd>{date(player.created_at)}</dd>
        <dt>{texts.player.id}</dt>
        <dd className="id">{player.player_id}</dd>
      </dl>
    </>
  );
}

function Ledger(props: { entries: readonly Entry[] }) {
  const { columns, kinds } = texts.player;
  return (
    <Table
      label={texts.player.ledger}
      head={[columns.kind, columns.amount, columns.after, columns.time, columns.by, columns.request]}
    >
      {props.entries.map((entry) => (
        <tr key={entry.sequence}>
          <td>{kinds[entry.kind] ?? entry.kind}</td>
          <td className={entry.amount < 0 ? "amount out" : "amount"}>{money(entry.amount)}</td>
          <td className="amount">{money(entry.balance_after)}</td>
          <td>{moment(entry.created_at)}</td>
          <td>{entry.decided_by ? <Who person={entry.decided_by} /> : ""}</td>
          <td className="id">{entry.request_id}</td>
        </tr>
      ))}
    </Table>
  );
}
