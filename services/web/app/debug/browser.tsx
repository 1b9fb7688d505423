/** What goes wrong in browsers, made to happen in this one. */
import { useLayoutEffect, useState } from "react";
import { Boundary } from "../boundary";
import { settings } from "../settings";
import { asked, happened, newTrace } from "../telemetry";
import { texts } from "../texts";
import { Outcome, type Result } from "./outcome";

const BLOCKED_MS = 700;

class DebugError extends Error {
  override readonly name = "DebugError";
}

type Name = keyof typeof texts.debug.browser;

/** What a click on each does; those that draw something are drawn below. */
const DONE: Partial<Record<Name, () => void>> = {
  unhandled: () => {
    setTimeout(() => {
      throw new DebugError("nobody catches this");
    });
  },
  rejection: () => {
    Promise.reject(new DebugError("nobody waits for this"));
  },
  "long task": () => block(BLOCKED_MS),
  "failing fetch": () => {
    asked("GET /api/v1/nowhere", "http.client", async (headers) => {
      const answer = await fetch(`${settings().gateway}/api/v1/nowhere`, { headers, credentials: "omit" });
      throw new DebugError(`GET /api/v1/nowhere: ${answer.status}`);
    });
  },
};

export function BrowserErrors() {
  const say = texts.debug;
  const [results, setResults] = useState<Partial<Record<Name, Result>>>({});
  const [drawn, setDrawn] = useState<Name>();

  function run(name: Name): void {
    const trace = newTrace(`debug browser/${name}`);
    setResults({ ...results, [name]: { said: say.done, trace } });
    const done = DONE[name];
    if (done) done();
    else setDrawn(name);
  }

  return (
    <section className="card">
      <h2>{say.browserTitle}</h2>
      <ul className="faults">
        {(Object.keys(say.browser) as Name[]).map((name) => (
          <li key={name}>
            <div className="fault">
              <button type="button" className="quiet" onClick={() => run(name)}>
                {say.browserTitle}: {name}
              </button>
            </div>
            <p className="hint">{say.browser[name]}</p>
            <Outcome result={results[name]} />
          </li>
        ))}
      </ul>
      <Boundary
        key={drawn && results[drawn]?.trace}
        name="Breaking"
        instead={(_, again) => (
          <p className="problem">
            {texts.problems.page}{" "}
            <button
              type="button"
              className="link"
              onClick={() => {
                setDrawn(undefined);
                again();
              }}
            >
              {texts.again}
            </button>
          </p>
        )}
      >
        {drawn === "boundary" && <Breaking />}
        {drawn === "slow render" && <Slow drawn={() => setDrawn(undefined)} />}
      </Boundary>
    </section>
  );
}

function Breaking(): never {
  throw new DebugError("this cannot be drawn");
}

function Slow(props: { drawn: () => void }) {
  const { drawn } = props;
  const began = performance.now();
  block(BLOCKED_MS);
  useLayoutEffect(() => {
    happened("slow render", performance.now() - began);
    drawn();
  });
  return null;
}

function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}
