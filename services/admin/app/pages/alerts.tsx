import { Component, type ReactNode } from "react";
import type { Alert } from "../api/shapes";
import * as shapes from "../api/shapes";
import { hour, moment } from "../format";
import { askAs } from "../session";
import { texts } from "../texts";
import { Paged, Pill, Table, Title, Who } from "../ui";

export class AlertsPage extends Component {
  override render(): ReactNode {
    return (
      <>
        <Title>{texts.alerts.title}</Title>
        <p className="lead">{texts.alerts.lead}</p>
        <Paged
          label={texts.alerts.title}
          none={texts.alerts.none}
          load={(cursor) => askAs("GET", `admin/alerts?cursor=${encodeURIComponent(cursor)}`, shapes.alerts)}
        >
          {(alerts) => <AlertTable alerts={alerts} />}
        </Paged>
      </>
    );
  }
}

/** `brief`: of today, beside others. */
export function AlertTable(props: { alerts: readonly Alert[]; brief?: boolean }) {
  const { columns, rules, severities } = texts.alerts;
  return (
    <Table
      label={texts.alerts.title}
      head={[columns.severity, columns.player, columns.rule, columns.time, columns.detail]}
    >
      {props.alerts.map((alert) => (
        <tr key={alert.alert_id}>
          <td>
            <Pill state={alert.severity}>{severities[alert.severity] ?? alert.severity}</Pill>
          </td>
          <td className="name">
            <Who person={alert.player} />
          </td>
          <td>{rules[alert.rule] ?? alert.rule}</td>
          <td>{props.brief ? hour(alert.raised_at) : moment(alert.raised_at)}</td>
          <td className="long">{alert.detail}</td>
        </tr>
      ))}
    </Table>
  );
}
