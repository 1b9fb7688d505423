import { ErrorBoundary } from "@sentry/react";
import { render } from "react-dom";
import { App } from "./app";
import * as settings from "./settings";
import "./style.css";
import * as telemetry from "./telemetry";
import { texts } from "./texts";

function Sorry(props: { message: string }) {
  return (
    <main className="sorry">
      <p className="logo">{texts.brand}</p>
      <p role="alert">{props.message}</p>
      <button type="button" onClick={() => location.reload()}>
        {texts.again}
      </button>
    </main>
  );
}

const place = document.getElementById("root");
if (!place) throw new Error("the page has no place for the back office");
try {
  telemetry.start(await settings.load());
  render(
    <ErrorBoundary fallback={<Sorry message={texts.problems.page} />}>
      <App />
    </ErrorBoundary>,
    place,
  );
} catch {
  render(<Sorry message={texts.problems.settings} />, place);
}
