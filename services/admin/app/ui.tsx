/** The parts that pages are made of: classes, as they were written before there were hooks. */
import { Component, createRef, type FormEvent, type ReactNode } from "react";
import { Problem } from "./api/problem";
import type { Page, Person } from "./api/shapes";
import { playerAddress } from "./route";
import { traced } from "./telemetry";
import { texts } from "./texts";

/** The heading of a page. It is focused when the page opens, so that keyboard and screen reader begin there. */
export class Title extends Component<{ children: string }> {
  private readonly heading = createRef<HTMLHeadingElement>();

  override componentDidMount(): void {
    this.tell();
    this.heading.current?.focus({ preventScroll: true });
  }

  override componentDidUpdate(): void {
    this.tell();
  }

  private tell(): void {
    document.title = `${this.props.children} · ${texts.brand} ${texts.office.toLowerCase()}`;
  }

  override render(): ReactNode {
    return (
      <h1 ref={this.heading} tabIndex={-1}>
        {this.props.children}
      </h1>
    );
  }
}

interface LoadedState<T> {
  value: T | undefined;
  problem: Problem | undefined;
  broken: unknown;
}

interface LoaderProps<T> {
  load: () => Promise<T>;
  children: (value: T, reload: () => void) => ReactNode;
}

/** Shows what `load` gives, that it is on its way, or what went wrong and how to try again. */
export class Loader<T> extends Component<LoaderProps<T>, LoadedState<T>> {
  override state: LoadedState<T> = { value: undefined, problem: undefined, broken: undefined };
  private here = true;

  override componentDidMount(): void {
    this.reload();
  }

  override componentWillUnmount(): void {
    this.here = false;
  }

  private readonly reload = (): void => {
    this.props.load().then(
      (value) => this.here && this.setState({ value, problem: undefined }),
      (error: unknown) => {
        if (!this.here) return;
        if (error instanceof Problem) this.setState({ problem: error });
        else this.setState({ broken: error });
      },
    );
  };

  override render(): ReactNode {
    const { value, problem, broken } = this.state;
    if (broken) throw broken; // the page's error boundary takes it
    return (
      <>
        {problem && <Away problem={problem} again={this.reload} />}
        {value !== undefined
          ? this.props.children(value, this.reload)
          : !problem && <p className="hint">{texts.loading}</p>}
      </>
    );
  }
}

/** What went wrong, and a way to try again. */
export function Away(props: { problem: Problem; again: () => void }) {
  return (
    <div role="alert" className="away">
      <p className="problem">{props.problem.message}</p>
      <button type="button" className="quiet" onClick={props.again}>
        {texts.again}
      </button>
    </div>
  );
}

interface PagedProps<T> {
  label: string;
  load: (cursor: string) => Promise<Page<T>>;
  none: string;
  children: (items: readonly T[], reload: () => void) => ReactNode;
}

/** A list a page at a time, forwards and back: of many rows only those that are seen are there. */
export class Paged<T> extends Component<PagedProps<T>, { cursors: readonly string[] }> {
  override state: { cursors: readonly string[] } = { cursors: [""] };

  private readonly back = (): void => this.setState(({ cursors }) => ({ cursors: cursors.slice(0, -1) }));

  override render(): ReactNode {
    const { cursors } = this.state;
    const cursor = cursors[cursors.length - 1] ?? "";
    const { label, load, none, children } = this.props;
    return (
      <Loader key={cursor} load={() => load(cursor)}>
        {({ items, next }, reload) => (
          <>
            {items.length ? children(items, reload) : <p className="hint">{none}</p>}
            {(next || cursors.length > 1) && (
              <nav className="pages" aria-label={label}>
                <button type="button" className="quiet" aria-disabled={cursors.length < 2} onClick={this.back}>
                  {texts.newer}
                </button>
                <span>{texts.more(cursors.length)}</span>
                <button
                  type="button"
                  className="quiet"
                  aria-disabled={!next}
                  onClick={() => next && this.setState({ cursors: [...cursors, next] })}
                >
                  {texts.older}
                </button>
              </nav>
            )}
          </>
        )}
      </Loader>
    );
  }
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

interface FieldProps {
  name: string;
  label: string;
  hint?: string;
  type?: "text" | "email" | "password" | "search";
  autoComplete?: string;
  maxLength?: number;
}

/** A labelled field of a form. Its id is its name: a page has one of each. */
export function Field(props: FieldProps) {
  const { label, hint, ...input } = props;
  return (
    <div className="field">
      <label htmlFor={props.name}>{label}</label>
      <input id={props.name} required={true} aria-describedby={hint ? `${props.name}-hint` : undefined} {...input} />
      {hint && (
        <p id={`${props.name}-hint`} className="hint">
          {hint}
        </p>
      )}
    </div>
  );
}

interface FormProps {
  action: string;
  label: string;
  send: (values: FormData) => Promise<void>;
  children: ReactNode;
}

/** A form that is sent once at a time; a Problem is shown. */
export class Form extends Component<FormProps, { busy: boolean; problem: string }> {
  override state = { busy: false, problem: "" };
  private here = true;

  override componentWillUnmount(): void {
    this.here = false;
  }

  private readonly submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    if (this.state.busy) return;
    const values = new FormData(event.currentTarget);
    this.setState({ busy: true, problem: "" });
    let problem = "";
    try {
      await traced(this.props.action, "ui.action.click", () => this.props.send(values));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem = error.message;
    } finally {
      if (this.here) this.setState({ busy: false, problem });
    }
  };

  override render(): ReactNode {
    const { busy, problem } = this.state;
    return (
      <form onSubmit={this.submit} aria-busy={busy}>
        {this.props.children}
        <button type="submit" aria-disabled={busy}>
          {this.props.label}
        </button>
        <p role="alert" className="problem" hidden={!problem}>
          {problem}
        </p>
      </form>
    );
  }
}

export interface Choice {
  readonly label: string;
  readonly action: string;
  readonly grave?: boolean;
  readonly decide: () => Promise<void>;
}

/** Buttons for a decision: one is pressed, then said yes to, and then it is sent once. Rejections are Problems. */
export class Choices extends Component<
  { about: string; choices: readonly Choice[] },
  { chosen: Choice | undefined; busy: boolean; problem: string }
> {
  override state: { chosen: Choice | undefined; busy: boolean; problem: string } = {
    chosen: undefined,
    busy: false,
    problem: "",
  };
  private here = true;
  private readonly first = createRef<HTMLButtonElement>();
  private readonly yes = createRef<HTMLButtonElement>();

  override componentWillUnmount(): void {
    this.here = false;
  }

  override componentDidUpdate(_: unknown, before: { chosen: Choice | undefined; busy: boolean }): void {
    // What was pressed is gone: the keyboard goes on where it was, unless it was done, which is said elsewhere.
    const { chosen, problem } = this.state;
    if (chosen && !before.chosen) this.yes.current?.focus();
    if (!chosen && before.chosen && (problem || !before.busy)) this.first.current?.focus();
  }

  private readonly send = async (): Promise<void> => {
    const { chosen, busy } = this.state;
    if (!chosen || busy) return;
    this.setState({ busy: true });
    let problem = "";
    try {
      await traced(chosen.action, "ui.action.click", chosen.decide);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      problem = error.message;
    } finally {
      if (this.here) this.setState({ chosen: undefined, busy: false, problem });
    }
  };

  override render(): ReactNode {
    const { chosen, busy, problem } = this.state;
    return (
      <div className="choices">
        {chosen ? (
          <fieldset aria-busy={busy}>
            <legend>{texts.confirm.sure}</legend>
            <button
              type="button"
              ref={this.yes}
              aria-disabled={busy}
              className={chosen.grave ? "grave" : ""}
              onClick={this.send}
            >
              {texts.confirm.yes(chosen.label.toLowerCase())}
              <span className="unseen"> {this.props.about}</span>
            </button>
            <button type="button" className="quiet" onClick={() => busy || this.setState({ chosen: undefined })}>
              {texts.confirm.no}
            </button>
          </fieldset>
        ) : (
          this.props.choices.map((choice, index) => (
            <button
              type="button"
              key={choice.label}
              ref={index === 0 ? this.first : undefined}
              className={choice.grave ? "quiet grave" : ""}
              onClick={() => this.setState({ chosen: choice, problem: "" })}
            >
              {choice.label}
              <span className="unseen"> {this.props.about}</span>
            </button>
          ))
        )}
        <p role="alert" className="problem" hidden={!problem}>
          {problem}
        </p>
      </div>
    );
  }
}

/** What was done. It is focused when it is said: the button that was pressed is gone. */
export class Done extends Component<{ children: string }> {
  private readonly said = createRef<HTMLParagraphElement>();

  override componentDidUpdate(before: { children: string }): void {
    if (this.props.children !== before.children) this.said.current?.focus();
  }

  override render(): ReactNode {
    return (
      <p role="status" className="done" tabIndex={-1} ref={this.said}>
        {this.props.children}
      </p>
    );
  }
}

/** A figure with what it is. */
export function Figure(props: { label: string; value: string; more?: string; href?: string }) {
  const value = <strong>{props.value}</strong>;
  return (
    <div className="figure">
      <span>{props.label}</span>
      {props.href ? <a href={props.href}>{value}</a> : value}
      {props.more && <small>{props.more}</small>}
    </div>
  );
}

/** A state, told apart by its words and by its colour. */
export function Pill(props: { state: string; children: string }) {
  return <span className={`pill ${props.state}`}>{props.children}</span>;
}

/** Somebody's name, which leads to his page. */
export function Who(props: { person: Person }) {
  const { player_id, display_name } = props.person;
  return <a href={playerAddress(player_id)}>{display_name || player_id}</a>;
}
