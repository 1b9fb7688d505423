import { useState } from "react";
import { ask } from "../api/client";
import * as shapes from "../api/shapes";
import { FIRST, Reels } from "../game/reels";
import { useRoute } from "../route";
import { signIn } from "../session";
import type { Within } from "../telemetry";
import { texts } from "../texts";
import { Field, Form, Title } from "../ui";

/** Signing in and registering; who has registered is signed in. */
export function SignPage(props: { notice: string }) {
  const [fresh, setFresh] = useState(false);
  const say = texts.sign;
  useRoute("sign", "SignPage");

  async function send(values: FormData, within: Within): Promise<string> {
    const email = String(values.get("email")).trim();
    const password = String(values.get("password"));
    if (fresh) {
      const display_name = String(values.get("display_name")).trim();
      await within(() => ask("POST", "users", shapes.profile, { body: { email, password, display_name } }));
    }
    await within(() => signIn(email, password));
    return "";
  }

  return (
    <div className="front">
      <div className="poster">
        <p className="logo">{texts.brand}</p>
        <p className="slogan">{texts.slogan}</p>
        <div className="cabinet small-cabinet">
          <Reels rows={FIRST} stopped={5} lines={[]} wins={[]} />
        </div>
      </div>
      <section className="card">
        <Title>{fresh ? say.up : say.in}</Title>
        <p role="status" className="notice">
          {props.notice}
        </p>
        <p className="hint">{fresh ? say.upLead : say.inLead}</p>
        <Form key={String(fresh)} action={fresh ? "register" : "sign in"} label={fresh ? say.up : say.in} send={send}>
          {(problems) => (
            <>
              {fresh && (
                <Field
                  name="display_name"
                  label={say.name}
                  hint={say.nameHint}
                  maxLength={40}
                  autoComplete="nickname"
                  problem={problems.display_name}
                />
              )}
              <Field
                name="email"
                type="email"
                label={say.email}
                maxLength={254}
                autoComplete="username"
                problem={problems.email}
              />
              <Field
                name="password"
                type="password"
                label={say.password}
                {...(fresh ? { hint: say.passwordHint } : {})}
                maxLength={128}
                autoComplete={fresh ? "new-password" : "current-password"}
                problem={problems.password}
              />
            </>
          )}
        </Form>
        <button type="button" className="link" onClick={() => setFresh(!fresh)}>
          {fresh ? say.toIn : say.toUp}
        </button>
      </section>
    </div>
  );
}
