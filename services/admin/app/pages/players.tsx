import { Component, type ReactNode } from "react";
import type { Member, Page, Player } from "../api/shapes";
import * as shapes from "../api/shapes";
import { date } from "../format";
import { playerAddress } from "../route";
import { askAs } from "../session";
import { texts } from "../texts";
import { Field, Form, Paged, Pill, Table, Title } from "../ui";

export class PlayersPage extends Component<{ member: Member }, { text: string; searches: number }> {
  override state = { text: "", searches: 0 };

  private readonly load = (cursor: string): Promise<Page<Player>> => {
    const { text } = this.state;
    // What is looked for goes in the body: an address of mail belongs into no log of addresses.
    if (text) return askAs("POST", "admin/players/search", shapes.players, { body: { text, cursor } });
    return askAs("GET", `admin/players?cursor=${cursor}`, shapes.players);
  };

  private readonly find = async (values: FormData): Promise<void> => {
    this.look(String(values.get("text")).trim());
  };

  private look(text: string): void {
    this.setState(({ searches }) => ({ text, searches: searches + 1 }));
  }

  override render(): ReactNode {
    const { text, searches } = this.state;
    const contact = this.props.member.may.includes("contact");
    const { columns } = texts.players;
    return (
      <>
        <Title>{texts.players.title}</Title>
        {/* biome-ignore lint/a11y/useSemanticElements: the types of React 17 know no <search> */}
        <div role="search">
          <Form action="find players" label={texts.players.find} send={this.find}>
            <Field
              name="text"
              type="search"
              label={texts.players.search}
              hint={contact ? texts.players.hint : texts.players.hintViewer}
              maxLength={254}
              autoComplete="off"
            />
          </Form>
        </div>
        {text && (
          <button type="button" className="link" onClick={() => this.look("")}>
            {texts.players.all}
          </button>
        )}
        <Paged
          key={searches}
          label={texts.players.title}
          load={this.load}
          none={text ? texts.players.none : texts.players.empty}
        >
          {(players) => (
            <Table
              label={texts.players.title}
              head={[columns.name, columns.documents, columns.email, columns.since, columns.id]}
            >
              {players.map((player) => (
                <tr key={player.player_id}>
                  <td className="name">
                    <a href={playerAddress(player.player_id)}>{player.display_name || texts.players.nameless}</a>
                  </td>
                  <td>
                    <Pill state={player.kyc}>{texts.kyc[player.kyc] ?? player.kyc}</Pill>
                  </td>
                  <td>{player.email}</td>
                  <td>{date(player.created_at)}</td>
                  <td className="id">{player.player_id}</td>
                </tr>
              ))}
            </Table>
          )}
        </Paged>
      </>
    );
  }
}
