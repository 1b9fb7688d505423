import { Component, type ReactNode } from "react";
import type { Member, Player } from "../api/shapes";
import * as shapes from "../api/shapes";
import { before } from "../before";
import { ago } from "../format";
import { playerAddress } from "../route";
import { askAs } from "../session";
import { texts } from "../texts";
import { Choices, Done, Paged, Title } from "../ui";

export class KycPage extends Component<{ member: Member }, { done: string }> {
  override state = { done: "" };

  override render(): ReactNode {
    return (
      <>
        <Title>{texts.documents.title}</Title>
        <p className="lead">{texts.documents.lead}</p>
        <Done>{this.state.done}</Done>
        <Paged
          label={texts.documents.title}
          none={texts.documents.none}
          load={(cursor) => askAs("GET", `admin/kyc?cursor=${encodeURIComponent(cursor)}`, shapes.players)}
        >
          {(players, reload) => (
            <ul className="queue">
              {players.map((player) => (
                <li key={player.player_id} className="card">
                  <p className="what">
                    <a href={playerAddress(player.player_id)}>{player.display_name || texts.players.nameless}</a>
                    <span className="hint">
                      {player.email}
                      {player.kyc_changed_at && `, ${texts.documents.waits(ago(player.kyc_changed_at))}`}
                    </span>
                  </p>
                  <KycChoices
                    player={player}
                    member={this.props.member}
                    done={(said) => {
                      this.setState({ done: said });
                      reload();
                    }}
                  />
                </li>
              ))}
            </ul>
          )}
        </Paged>
      </>
    );
  }
}

interface KycChoicesProps {
  player: Player;
  member: Member;
  done: (said: string) => void;
}

/** The decision on a player's documents. `done` is told how it went. */
export class KycChoices extends Component<KycChoicesProps> {
  private async decide(decision: "verified" | "refused"): Promise<void> {
    const { player, member, done } = this.props;
    const decided = await askAs("POST", `admin/players/${player.player_id}/kyc`, shapes.player, {
      body: { decision },
      route: "admin/players/{player_id}/kyc",
    });
    done(
      before(member, decided.kyc_decided_by, decided.kyc_changed_at) ?? texts.documents[decision](player.display_name),
    );
  }

  override render(): ReactNode {
    const { player, member } = this.props;
    if (!member.may.includes("decide-kyc")) return <p className="hint">{texts.documents.notYours}</p>;
    return (
      <Choices
        about={player.display_name}
        choices={[
          { label: texts.documents.verify, action: "verify documents", decide: () => this.decide("verified") },
          {
            label: texts.documents.refuse,
            action: "refuse documents",
            grave: true,
            decide: () => this.decide("refused"),
          },
        ]}
      />
    );
  }
}
