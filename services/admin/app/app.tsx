import { ErrorBoundary } from "@sentry/react";
import { Component, type ReactNode } from "react";
import { Problem } from "./api/problem";
import type { Member } from "./api/shapes";
import * as shapes from "./api/shapes";
import { AlertsPage } from "./pages/alerts";
import { DecisionsPage } from "./pages/decisions";
import { KycPage } from "./pages/kyc";
import { LivePage } from "./pages/live";
import { PlayerPage } from "./pages/player";
import { PlayersPage } from "./pages/players";
import { ReportPage } from "./pages/report";
import { SignPage } from "./pages/sign";
import { StrangerPage } from "./pages/stranger";
import { WithdrawalsPage } from "./pages/withdrawals";
import { PAGES, type Route, route } from "./route";
import * as session from "./session";
import { routed } from "./telemetry";
import { texts } from "./texts";
import { Loader } from "./ui";

export class App extends Component<Record<string, never>, session.State> {
  override state = session.current();
  private unfollow: () => void = () => undefined;

  override componentDidMount(): void {
    this.unfollow = session.follow((state) => this.setState(state));
  }

  override componentWillUnmount(): void {
    this.unfollow();
  }

  override render(): ReactNode {
    const { token, notice } = this.state;
    // What somebody has seen goes with the session: nothing of it is left for the next.
    return token ? (
      <Loader key={token} load={member}>
        {(found) => (found ? <Office member={found} /> : <StrangerPage />)}
      </Loader>
    ) : (
      <main className="front">
        <SignPage notice={notice} />
      </main>
    );
  }
}

/** Who is signed in; null for somebody who is no member of staff. */
async function member(): Promise<Member | null> {
  try {
    return await session.askAs("GET", "admin/me", shapes.member);
  } catch (error) {
    if (error instanceof Problem && error.status === 403) return null;
    throw error;
  }
}

class Office extends Component<{ member: Member }, Route> {
  override state = route();

  private readonly follow = (): void => this.setState(route());

  override componentDidMount(): void {
    addEventListener("hashchange", this.follow);
    routed(this.state.page);
  }

  override componentDidUpdate(_: unknown, before: Route): void {
    if (before.page !== this.state.page) routed(this.state.page);
  }

  override componentWillUnmount(): void {
    removeEventListener("hashchange", this.follow);
  }

  override render(): ReactNode {
    const { member } = this.props;
    const { page, id } = this.state;
    return (
      <>
        <header>
          <a className="skip" href={location.hash || "#/players"} onClick={toPage}>
            {texts.skip}
          </a>
          <p className="logo">
            {texts.brand} <span>{texts.office}</span>
          </p>
          <p className="me">
            <strong>{member.display_name}</strong>
            <span>{member.roles.map((role) => texts.roles[role] ?? role).join(", ")}</span>
          </p>
          <button type="button" className="quiet" onClick={session.signOut}>
            {texts.signOut}
          </button>
        </header>
        <nav className="main" aria-label={texts.nav.label}>
          {PAGES.map((name) => (
            <a key={name} href={`#/${name}`} aria-current={name === page ? "page" : undefined}>
              {texts.nav[name]}
            </a>
          ))}
        </nav>
        <main id="page" tabIndex={-1}>
          <ErrorBoundary
            key={`${page}/${id}`}
            fallback={<p role="alert">{texts.problems.page}</p>}
            beforeCapture={(scope) => scope.setTag("component", page)}
          >
            {content(page, id, member)}
          </ErrorBoundary>
        </main>
      </>
    );
  }
}

function toPage(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById("page")?.focus();
}

function content(page: Route["page"], id: string, member: Member): ReactNode {
  switch (page) {
    case "live":
      return <LivePage />;
    case "players":
      return id ? <PlayerPage id={id} member={member} /> : <PlayersPage member={member} />;
    case "kyc":
      return <KycPage member={member} />;
    case "withdrawals":
      return <WithdrawalsPage member={member} />;
    case "alerts":
      return <AlertsPage />;
    case "report":
      return <ReportPage />;
    case "decisions":
      return <DecisionsPage />;
  }
}
