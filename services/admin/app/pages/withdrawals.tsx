import { Component, type ReactNode } from "react";
import type { Member, Transfer } from "../api/shapes";
import * as shapes from "../api/shapes";
import { before } from "../before";
import { ago, money } from "../format";
import { askAs } from "../session";
import { texts } from "../texts";
import { Choices, Done, Paged, Title, Who } from "../ui";

export class WithdrawalsPage extends Component<{ member: Member }, { done: string }> {
  override state = { done: "" };

  private async decide(transfer: Transfer, decision: "settled" | "rejected", reload: () => void): Promise<void> {
    const { player, entry } = transfer;
    const path = `admin/players/${player.player_id}/transfers/${entry.request_id}/decision`;
    const decided = await askAs("POST", path, shapes.transfer, {
      body: { decision },
      route: "admin/players/{player_id}/transfers/{request_id}/decision",
    });
    this.setState({
      done:
        before(this.props.member, decided.decided_by, decided.decided_at) ??
        texts.withdrawals[decision](money(-entry.amount), player.display_name),
    });
    reload();
  }

  override render(): ReactNode {
    return (
      <>
        <Title>{texts.withdrawals.title}</Title>
        <p className="lead">{texts.withdrawals.lead}</p>
        <Done>{this.state.done}</Done>
        <Paged
          label={texts.withdrawals.title}
          none={texts.withdrawals.none}
          load={(cursor) => askAs("GET", `admin/withdrawals?cursor=${encodeURIComponent(cursor)}`, shapes.transfers)}
        >
          {(transfers, reload) => (
            <ul className="queue">
              {transfers.map((transfer) => (
                <li key={`${transfer.player.player_id}/${transfer.entry.request_id}`} className="card">
                  <p className="what">
                    <strong className="sum">{money(-transfer.entry.amount)}</strong>
                    <Who person={transfer.player} />
                    <span className="hint">
                      {texts.withdrawals.waits(ago(transfer.entry.created_at))},{" "}
                      {texts.withdrawals.request.toLowerCase()} <span className="id">{transfer.entry.request_id}</span>
                    </span>
                  </p>
                  {this.choices(transfer, reload)}
                </li>
              ))}
            </ul>
          )}
        </Paged>
      </>
    );
  }

  private choices(transfer: Transfer, reload: () => void): ReactNode {
    if (!this.props.member.may.includes("decide-money")) return <p className="hint">{texts.withdrawals.notYours}</p>;
    const { approve, reject } = texts.withdrawals;
    return (
      <Choices
        about={`${money(-transfer.entry.amount)} ${transfer.player.display_name}`}
        choices={[
          { label: approve, action: "approve withdrawal", decide: () => this.decide(transfer, "settled", reload) },
          {
            label: reject,
            action: "reject withdrawal",
            grave: true,
            decide: () => this.decide(transfer, "rejected", reload),
          },
        ]}
      />
    );
  }
}
