import { Component, type ReactNode } from "react";
import type { Decision } from "../api/shapes";
import * as shapes from "../api/shapes";
import { hour, moment } from "../format";
import { askAs } from "../session";
import { texts } from "../texts";
import { Paged, Pill, Table, Title, Who } from "../ui";

export class DecisionsPage extends Component {
  override render(): ReactNode {
    return (
      <>
        <Title>{texts.decisions.title}</Title>
        <p className="lead">{texts.decisions.lead}</p>
        <Paged
          label={texts.decisions.title}
          none={texts.decisions.none}
          load={(cursor) => askAs("GET", `admin/decisions?cursor=${cursor}`, shapes.decisions)}
        >
          {(decisions) => <DecisionTable decisions={decisions} />}
        </Paged>
      </>
    );
  }
}

/** `brief`: of today, beside others. */
export function DecisionTable(props: { decisions: readonly Decision[]; brief?: boolean }) {
  const { columns, actions, outcomes } = texts.decisions;
  const head = [columns.time, columns.by, columns.action, columns.player, columns.outcome];
  return (
    <Table label={texts.decisions.title} head={props.brief ? head : [...head, columns.request]}>
      {props.decisions.map((decision) => (
        <tr key={`${decision.at.getTime()}/${decision.by.player_id}/${decision.request_id}${decision.action}`}>
          <td>{props.brief ? hour(decision.at) : moment(decision.at)}</td>
          <td className="name">
            <Who person={decision.by} />
          </td>
          <td>{actions[decision.action] ?? decision.action}</td>
          <td className="name">
            <Who person={decision.player} />
          </td>
          <td className="long">
            <Pill state={decision.outcome}>{outcomes[decision.outcome] ?? decision.outcome}</Pill>{" "}
            {decision.detail && <span className="hint">{decision.detail}</span>}
          </td>
          {!props.brief && <td className="id">{decision.request_id}</td>}
        </tr>
      ))}
    </Table>
  );
}
