import { nothing } from "../api/decode";
import { Problem } from "../api/problem";
import * as shapes from "../api/shapes";
import { amountOf, date, money, time } from "../format";
import { RecordingChoice } from "../recording";
import { askAs, type Session } from "../session";
import type { Within } from "../telemetry";
import { texts } from "../texts";
import { Field, Form, Show, Title, useLoaded } from "../ui";

/** Who the player is, what is verified, and what he holds himself to. */
export function AccountPage(props: { session: Session; currency: string }) {
  const { session, currency } = props;
  const say = texts.account;
  const profile = useLoaded(() => askAs(session, "GET", "profile", shapes.profile));
  const limits = useLoaded(() => askAs(session, "GET", "limits", shapes.limits));

  async function verify(values: FormData, within: Within): Promise<string> {
    const code = String(values.get("code")).trim();
    await within(() => askAs(session, "POST", "profile/email", shapes.profile, { code }));
    profile.reload();
    return "";
  }

  async function sendCode(_: FormData, within: Within): Promise<string> {
    await within(() => askAs(session, "POST", "profile/email/code", nothing));
    return say.codeSent;
  }

  async function handIn(_: FormData, within: Within): Promise<string> {
    await within(() => askAs(session, "POST", "kyc", shapes.profile));
    profile.reload();
    return "";
  }

  async function setLimits(values: FormData, within: Within): Promise<string> {
    const [deposit_per_day, bet] = [typed(values, "deposit_per_day"), typed(values, "bet")];
    const now = await within(() => askAs(session, "PUT", "limits", shapes.limits, { deposit_per_day, bet }));
    limits.reload();
    return now.raised ? "" : say.limitsSet;
  }

  return (
    <>
      <Title>{say.title}</Title>
      <Show of={profile}>
        {(found) => (
          <>
            <dl className="facts">
              <dt>{say.name}</dt>
              <dd>{found.display_name}</dd>
              <dt>{say.email}</dt>
              <dd>
                {found.email} <em>{found.email_verified ? say.verified : say.unverified}</em>
              </dd>
              <dt>{say.since}</dt>
              <dd>{date(found.created_at)}</dd>
            </dl>
            <div className="pair">
              {!found.email_verified && (
                <section className="card">
                  <h2>{say.verify}</h2>
                  <Form action="verify email" label={say.verify} send={verify}>
                    {(problems) => (
                      <Field
                        name="code"
                        label={say.code}
                        hint={say.codeHint}
                        maxLength={32}
                        autoComplete="one-time-code"
                        problem={problems.code}
                      />
                    )}
                  </Form>
                  <Form action="send code" label={say.sendCode} send={sendCode} quiet />
                </section>
              )}
              <section className="card">
                <h2>{say.kyc}</h2>
                <p className="hint">{say.kycStates[found.kyc] ?? found.kyc}</p>
                {(found.kyc === "none" || found.kyc === "refused") && (
                  <Form action="hand in documents" label={say.handIn} send={handIn} />
                )}
              </section>
            </div>
          </>
        )}
      </Show>
      <section className="card">
        <h2>{say.limits}</h2>
        <p className="hint">{say.limitsLead}</p>
        <Show of={limits}>
          {(found) => (
            <>
              <Form action="limits" label={say.setLimits} send={setLimits}>
                {(problems) => (
                  <div className="pair">
                    {(["deposit_per_day", "bet"] as const).map((name) => (
                      <Field
                        key={name}
                        name={name}
                        label={`${name === "bet" ? say.perBet : say.perDay} (${currency})`}
                        inputMode="decimal"
                        autoComplete="off"
                        maxLength={16}
                        defaultValue={(found[name] / 100).toFixed(2)}
                        problem={problems[name]}
                      />
                    ))}
                  </div>
                )}
              </Form>
              {found.raised && (
                <p className="notice">
                  {say.raised(
                    money(found.raised.deposit_per_day, currency),
                    money(found.raised.bet, currency),
                    time(found.raised.holds_from),
                  )}
                </p>
              )}
            </>
          )}
        </Show>
      </section>
      <RecordingChoice />
    </>
  );
}

function typed(values: FormData, name: string): number {
  const amount = amountOf(String(values.get(name)));
  if (amount === undefined) throw new Problem(texts.wallet.notAmount, 422, { [name]: texts.wallet.notAmount });
  return amount;
}
