/** What came of a click, and where Sentry shows it. */
import { settings } from "../settings";
import { texts } from "../texts";

export interface Result {
  readonly said: string;
  readonly trace: string;
}

export function Outcome(props: { result: Result | undefined }) {
  const { result } = props;
  const say = texts.debug;
  const sentry = settings().sentry_web_url;
  return (
    <p role="status" className="outcome">
      {result && (
        <>
          {result.said} <code>{result.trace}</code>
          {sentry && (
            <>
              {" "}
              <a href={`${sentry}performance/trace/${result.trace}/`} target="_blank" rel="noreferrer">
                {say.trace}
              </a>{" "}
              <a href={`${sentry}issues/?query=trace%3A${result.trace}`} target="_blank" rel="noreferrer">
                {say.issue}
              </a>
            </>
          )}
        </>
      )}
    </p>
  );
}
