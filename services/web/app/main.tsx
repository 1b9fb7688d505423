import { createRoot } from "react-dom/client";
import { App } from "./app";
import { Boundary } from "./boundary";
import { honour } from "./consent";
import * as settings from "./settings";
import { Sorry } from "./sorry";
import "./style.css";
import * as telemetry from "./telemetry";
import { texts } from "./texts";

function Closed(props: { message: string; eventId?: string }) {
  return (
    <main className="sorry">
      <p className="logo">{texts.brand}</p>
      <Sorry message={props.message} eventId={props.eventId ?? ""} again={() => location.reload()} />
    </main>
  );
}

const place = document.getElementById("root");
if (!place) throw new Error("the page has no place for the game");
const root = createRoot(place);
try {
  telemetry.start(settings.load());
  honour();
  root.render(
    <Boundary name="App" instead={(eventId) => <Closed message={texts.problems.page} eventId={eventId} />}>
      <App />
    </Boundary>,
  );
} catch {
  root.render(<Closed message={texts.problems.settings} />);
}
