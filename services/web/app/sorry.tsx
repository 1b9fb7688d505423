/** What is shown in place of a page that has broken: a sentence, a way on, and a question to the player. */
import { said } from "./telemetry";
import { texts } from "./texts";
import { Field, Form, Title } from "./ui";

/** `eventId` is that of the error, "" where nothing is reported: then nobody is asked. */
export function Sorry(props: { message: string; eventId: string; again: () => void }) {
  const { message, eventId, again } = props;
  const say = texts.feedback;

  async function send(values: FormData): Promise<string> {
    said(String(values.get("message")).trim(), eventId);
    return say.thanks;
  }

  return (
    <>
      <Title>{texts.problems.title}</Title>
      <p role="alert" className="problem">
        {message}
      </p>
      <button type="button" onClick={again}>
        {texts.again}
      </button>
      {eventId && (
        <section className="card feedback">
          <h2>{say.title}</h2>
          <Form action="feedback" label={say.send} send={send} quiet once>
            {() => <Field name="message" label={say.message} hint={say.hint} maxLength={1000} lines={3} />}
          </Form>
        </section>
      )}
    </>
  );
}
