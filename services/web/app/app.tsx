import { lazy, Suspense, useEffect, useState } from "react";
import type { Round } from "./api/shapes";
import * as shapes from "./api/shapes";
import { Boundary } from "./boundary";
import { money } from "./format";
import { AccountPage } from "./pages/account";
import { HistoryPage } from "./pages/history";
import { MessagesPage } from "./pages/messages";
import { PlayPage } from "./pages/play";
import { SignPage } from "./pages/sign";
import { WalletPage } from "./pages/wallet";
import { RecordingQuestion } from "./recording";
import { COMPONENTS, PAGES, usePage } from "./route";
import { askAs, type Session, signOut, useSession } from "./session";
import { settings } from "./settings";
import { Sorry } from "./sorry";
import { texts } from "./texts";
import { Show, useLoaded } from "./ui";

/** Loaded by those who have it. */
const DebugPage = lazy(() => import("./debug/page"));

/** Who may make services fail; the gateway asks for the same role. */
const TESTER = "tester";

export function App() {
  const { session, notice } = useSession();
  // What a player has seen goes with the session: nothing of it is left for the next.
  return session ? (
    <House key={session.token} session={session} />
  ) : (
    <main>
      <RecordingQuestion />
      <SignPage notice={notice} />
    </main>
  );
}

function House(props: { session: Session }) {
  const { session } = props;
  const tester = settings().debug_panel && session.roles.includes(TESTER);
  const pages = PAGES.filter((name) => name !== "debug" || tester);
  const page = usePage(pages);
  const wallet = useLoaded(() => askAs(session, "GET", "wallet", shapes.wallet));
  const paytable = useLoaded(() => askAs(session, "GET", "paytable", shapes.paytable));
  const [round, setRound] = useState<Round>();

  // Another tab may have played meanwhile.
  const { reload } = wallet;
  useEffect(() => {
    const seen = () => {
      if (document.visibilityState !== "visible") return;
      setRound(undefined);
      reload();
    };
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [reload]);

  const moved = () => {
    setRound(undefined);
    reload();
  };
  const known = wallet.value && { ...wallet.value, balance: round?.balance_after ?? wallet.value.balance };
  const currency = known?.currency ?? "EUR";

  return (
    <>
      <button type="button" className="skip" onClick={() => document.getElementById("main")?.focus()}>
        {texts.skip}
      </button>
      <header>
        <a className="logo" href="#/play">
          {texts.brand}
        </a>
        <nav aria-label={texts.nav.label}>
          {pages.map((name) => (
            <a key={name} href={`#/${name}`} aria-current={name === page ? "page" : undefined}>
              {texts.nav[name]}
            </a>
          ))}
        </nav>
        <p className="balance">
          <span>{texts.balance}</span> <strong>{known ? money(known.balance, known.currency) : "…"}</strong>
        </p>
        <button type="button" className="quiet" onClick={signOut}>
          {texts.signOut}
        </button>
      </header>
      <main id="main" tabIndex={-1}>
        <RecordingQuestion />
        <Boundary
          key={page}
          name={COMPONENTS[page]}
          instead={(eventId, again) => <Sorry message={texts.problems.page} eventId={eventId} again={again} />}
        >
          {page === "play" && (
            <Show of={wallet}>
              {() => (
                <Show of={paytable}>
                  {(machine) =>
                    known && <PlayPage session={session} wallet={known} paytable={machine} played={setRound} />
                  }
                </Show>
              )}
            </Show>
          )}
          {page === "wallet" && <WalletPage session={session} currency={currency} moved={moved} />}
          {page === "history" && <HistoryPage session={session} currency={currency} />}
          {page === "messages" && <MessagesPage session={session} />}
          {page === "account" && <AccountPage session={session} currency={currency} />}
          {page === "debug" && (
            <Suspense fallback={<p className="hint">{texts.loading}</p>}>
              <DebugPage session={session} />
            </Suspense>
          )}
        </Boundary>
      </main>
    </>
  );
}
