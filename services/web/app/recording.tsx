/** Asks whether the session may be recorded, and says how it was answered. */
import { decide, refusedByBrowser, useConsent } from "./consent";
import { reports } from "./telemetry";
import { texts } from "./texts";

/** The question, until it is answered. */
export function RecordingQuestion() {
  const consent = useConsent();
  const say = texts.recording;
  if (consent !== "unknown" || !reports()) return null;
  return (
    <section className="question" aria-label={say.title}>
      <p>
        <strong>{say.question}</strong> {say.what}
      </p>
      <div>
        <button type="button" onClick={() => decide("yes")}>
          {say.allow}
        </button>
        <button type="button" className="quiet" onClick={() => decide("no")}>
          {say.refuse}
        </button>
      </div>
    </section>
  );
}

/** The answer, which may be another one from now on. */
export function RecordingChoice() {
  const consent = useConsent();
  const say = texts.recording;
  if (!reports()) return null;
  return (
    <section className="card">
      <h2>{say.title}</h2>
      <p className="hint">{say.what}</p>
      <p role="status">{refusedByBrowser ? say.byBrowser : consent === "yes" ? say.on : say.off}</p>
      {!refusedByBrowser && (
        <button type="button" className="quiet" onClick={() => decide(consent === "yes" ? "no" : "yes")}>
          {consent === "yes" ? say.stop : say.allow}
        </button>
      )}
    </section>
  );
}
