import type { ReactNode } from "react";
import { Component } from "react";
import { signIn } from "../session";
import { texts } from "../texts";
import { Field, Form, Title } from "../ui";

export class SignPage extends Component<{ notice: string }> {
  override render(): ReactNode {
    return (
      <div className="card">
        <p className="logo">
          {texts.brand} <span>{texts.office}</span>
        </p>
        <Title>{texts.sign.title}</Title>
        <p className="hint">{texts.sign.lead}</p>
        <p role="status" className="notice">
          {this.props.notice}
        </p>
        <Form
          action="sign in"
          label={texts.sign.send}
          send={(values) => signIn(String(values.get("email")), String(values.get("password")))}
        >
          <Field name="email" type="email" label={texts.sign.email} autoComplete="username" maxLength={254} />
          <Field
            name="password"
            type="password"
            label={texts.sign.password}
            autoComplete="current-password"
            maxLength={128}
          />
        </Form>
      </div>
    );
  }
}
