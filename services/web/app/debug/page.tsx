/** What can be made to go wrong, for testers: in the services, by the table that the gateway has, and in this page. */
import { useState } from "react";
import { ask as askGateway } from "../api/client";
import { Problem } from "../api/problem";
import * as shapes from "../api/shapes";
import { askAs, type Session } from "../session";
import { clicked } from "../telemetry";
import { texts } from "../texts";
import { Show, Title, useLoaded } from "../ui";
import { BrowserErrors } from "./browser";
import { Outcome, type Result } from "./outcome";

export default function DebugPage(props: { session: Session }) {
  const { session } = props;
  const say = texts.debug;
  const endpoints = useLoaded(() => askAs(session, "GET", "debug", shapes.debugEndpoints));
  return (
    <>
      <Title>{say.title}</Title>
      <p className="hint">{say.lead}</p>
      <Show of={endpoints}>
        {(found) =>
          Object.entries(say.sections).map(([section, title]) => (
            <section key={section} className="card">
              <h2>{title}</h2>
              <ul className="faults">
                {found
                  .filter((endpoint) => endpoint.section === section)
                  .map((endpoint) => (
                    <Trigger key={endpoint.path} session={session} endpoint={endpoint} />
                  ))}
              </ul>
            </section>
          ))
        }
      </Show>
      <BrowserErrors />
    </>
  );
}

/** One endpoint of a service. */
function Trigger(props: { session: Session; endpoint: shapes.DebugEndpoint }) {
  const { session, endpoint } = props;
  const { service, name, amount } = endpoint;
  const say = texts.debug;
  const [much, setMuch] = useState(String(amount?.usual ?? ""));
  const [result, setResult] = useState<Result>();
  const [busy, setBusy] = useState(false);

  function ask(method: "POST" | "DELETE"): void {
    if (busy) return;
    setBusy(true);
    const body = method === "POST" && amount ? { amount: Number(much) } : undefined;
    clicked(`debug ${service}/${name}`, async (within, trace) => {
      try {
        // Not as the player: one of them answers 401, and that is not the end of the session.
        const options = { token: session.token, body };
        const answer = await within(() => askGateway(method, endpoint.path.slice(1), shapes.triggered, options));
        setResult({ said: answer.message, trace });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        const wanted = error.status === endpoint.status;
        setResult({ said: wanted ? say.failed(error.status) : error.message, trace });
      }
    }).finally(() => setBusy(false));
  }

  return (
    <li>
      <div className="fault">
        <button type="button" className="quiet" aria-disabled={busy} onClick={() => ask("POST")}>
          {service}: {name}
        </button>
        {amount && (
          <label>
            {say.amounts[amount.unit] ?? amount.unit}
            <input
              type="number"
              name={`${service}/${name}`}
              min={0}
              max={amount.most}
              step="any"
              value={much}
              onChange={(event) => setMuch(event.target.value)}
            />
          </label>
        )}
        {endpoint.undo && (
          <button type="button" className="link" aria-disabled={busy} onClick={() => ask("DELETE")}>
            {say.undo}
          </button>
        )}
      </div>
      <p className="hint">{endpoint.what}</p>
      <Outcome result={result} />
    </li>
  );
}
