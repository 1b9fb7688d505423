/** The parts that pages are made of. */
import { type FormEvent, type ReactNode, useCallback, useEffect, useId, useRef, useState } from "react";
import { Problem } from "./api/problem";
import { clicked, type Within } from "./telemetry";
import { texts } from "./texts";

export function Field(props: {
  name: string;
  label: string;
  hint?: string;
  problem?: string | undefined;
  type?: "text" | "email" | "password" | "tel";
  autoComplete?: string;
  inputMode?: "decimal" | "text";
  maxLength?: number;
  defaultValue?: string;
  required?: boolean;
  /** More than one, and line breaks are allowed. */
  lines?: number;
}) {
  const id = useId();
  const { label, hint, problem, required = true, lines, ...rest } = props;
  const input = {
    ...rest,
    id,
    required,
    "aria-invalid": problem ? true : undefined,
    "aria-describedby": `${id}-hint ${id}-problem`,
  };
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {lines ? <textarea rows={lines} {...input} /> : <input {...input} />}
      <p id={`${id}-hint`} className="hint" hidden={!hint}>
        {hint}
      </p>
      <p id={`${id}-problem`} className="problem" hidden={!problem}>
        {problem}
      </p>
    </div>
  );
}

/**
 * A form that is sent once at a time, or `once` and then goes. `send` asks `within` the trace that begins with that,
 * and returns what to say when it is done; a Problem is shown.
 */
export function Form(props: {
  action: string;
  label: string;
  children?: (problems: Readonly<Record<string, string>>) => ReactNode;
  send: (values: FormData, within: Within) => Promise<string>;
  quiet?: boolean;
  once?: boolean;
}) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const [done, setDone] = useState("");
  const sending = useRef(false);
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    if (problem) form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
  }, [problem]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (sending.current) return;
    sending.current = true;
    setBusy(true);
    setDone("");
    const values = new FormData(event.currentTarget);
    try {
      setDone(await clicked(props.action, (within) => props.send(values, within)));
      setProblem(undefined);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    } finally {
      sending.current = false;
      setBusy(false);
    }
  }

  const fields = problem?.fields ?? {};
  const named = form.current && Object.keys(fields).some((name) => form.current?.elements.namedItem(name));
  return (
    <form ref={form} onSubmit={submit} aria-busy={busy}>
      {!(props.once && done) && (
        <>
          {props.children?.(fields)}
          <button type="submit" className={props.quiet ? "quiet" : ""} aria-disabled={busy}>
            {props.label}
          </button>
        </>
      )}
      <div aria-live="polite" className="said">
        {problem && !named && <p className="problem">{problem.message}</p>}
        {done && <p className="done">{done}</p>}
      </div>
    </form>
  );
}

export interface Loaded<T> {
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
  readonly reload: () => void;
}

/** What `load` gives, loaded when the page opens and whenever it is asked for again. */
export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState<Problem>();
  const [broken, setBroken] = useState<unknown>();
  const loading = useRef(load);
  loading.current = load;
  const here = useRef(true);
  const reload = useCallback(() => {
    loading.current().then(
      (found) => {
        if (!here.current) return;
        setValue(found);
        setProblem(undefined);
      },
      (error: unknown) => {
        if (!here.current) return;
        if (error instanceof Problem) setProblem(error);
        else setBroken(error);
      },
    );
  }, []);
  useEffect(() => {
    here.current = true;
    reload();
    return () => {
      here.current = false;
    };
  }, [reload]);
  if (broken) throw broken; // the page's error boundary takes it
  return { value, problem, reload };
}

/** Shows what was loaded, that it is on its way, or what went wrong and how to try again. */
export function Show<T>(props: { of: Loaded<T>; children: (value: T) => ReactNode }) {
  const { value, problem, reload } = props.of;
  return (
    <>
      {problem && (
        <div role="alert" className="away">
          <p className="problem">{problem.message}</p>
          <button type="button" className="quiet" onClick={reload}>
            {texts.again}
          </button>
        </div>
      )}
      {value !== undefined ? props.children(value) : !problem && <p className="hint">{texts.loading}</p>}
    </>
  );
}

/** A table that scrolls by itself where there is no room for it. */
export function Table(props: { label: string; head: readonly string[]; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className="table" aria-label={props.label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {props.head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </section>
  );
}

/** The heading of a page. It is focused when the page opens, so that keyboard and screen reader begin there. */
export function Title(props: { children: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${props.children} · ${texts.brand}`;
    heading.current?.focus({ preventScroll: true });
  }, [props.children]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {props.children}
    </h1>
  );
}
