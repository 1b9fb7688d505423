import * as shapes from "../api/shapes";
import { time } from "../format";
import { askAs, type Session } from "../session";
import type { Within } from "../telemetry";
import { texts } from "../texts";
import { Field, Form, Show, Table, Title, useLoaded } from "../ui";

const SWITCHES = ["email", "sms", "push", "marketing"] as const;

export function MessagesPage(props: { session: Session }) {
  const { session } = props;
  const say = texts.messages;
  const messages = useLoaded(() => askAs(session, "GET", "messages?limit=50", shapes.messages));
  const preferences = useLoaded(() => askAs(session, "GET", "preferences", shapes.preferences));

  async function save(values: FormData, within: Within): Promise<string> {
    const switches = Object.fromEntries(SWITCHES.map((name) => [name, values.has(name)]));
    const phone = String(values.get("phone")).replaceAll(/[\s()-]/g, "");
    await within(() => askAs(session, "PUT", "preferences", shapes.preferences, { ...switches, phone }));
    return say.saved;
  }

  return (
    <>
      <Title>{say.title}</Title>
      <p className="hint">{say.lead}</p>
      <Show of={messages}>
        {(found) =>
          found.length === 0 ? (
            <p className="hint">{say.none}</p>
          ) : (
            <Table label={say.title} head={Object.values(say.columns)}>
              {found.map((message) => (
                <tr key={message.message_id}>
                  <td>{time(message.created_at)}</td>
                  <td>{message.template.replaceAll(/[-_]/g, " ")}</td>
                  <td>{message.channel}</td>
                  <td>{say.states[message.state] ?? message.state}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Show>
      <section className="card">
        <h2>{say.preferences}</h2>
        <Show of={preferences}>
          {(found) => (
            <Form action="preferences" label={say.save} send={save}>
              {(problems) => (
                <>
                  {SWITCHES.map((name) => (
                    <label key={name} className="switch">
                      <input type="checkbox" name={name} defaultChecked={found[name]} />
                      {say[name]}
                    </label>
                  ))}
                  <Field
                    name="phone"
                    type="tel"
                    label={say.phone}
                    hint={say.phoneHint}
                    maxLength={32}
                    autoComplete="tel"
                    required={false}
                    defaultValue={found.phone}
                    problem={problems.phone}
                  />
                </>
              )}
            </Form>
          )}
        </Show>
      </section>
    </>
  );
}
