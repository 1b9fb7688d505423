import { signOut } from "../session";
import { texts } from "../texts";
import { Title } from "../ui";

/** For somebody who is signed in and no member of staff. */
export function StrangerPage() {
  return (
    <main className="front">
      <div className="card">
        <Title>{texts.sign.stranger}</Title>
        <p>{texts.sign.strangerLead}</p>
        <button type="button" onClick={signOut}>
          {texts.signOut}
        </button>
      </div>
    </main>
  );
}
