/** Catches what breaks while a part of the page is drawn, reports it, and shows something else in its place. */
import { Component, type ErrorInfo, type ReactNode } from "react";
import { broke } from "./telemetry";

interface Props {
  /** The component in it, for those who read the report. */
  readonly name: string;
  readonly children: ReactNode;
  /** What is shown instead: it is given the id of the event, once there is one, and a way to try again. */
  readonly instead: (eventId: string, again: () => void) => ReactNode;
}

interface State {
  readonly broken: boolean;
  readonly eventId: string;
}

const WHOLE: State = { broken: false, eventId: "" };

export class Boundary extends Component<Props, State> {
  override state = WHOLE;

  static getDerivedStateFromError(): Partial<State> {
    return { broken: true };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    this.setState({ eventId: broke(this.props.name, error, info) });
  }

  override render(): ReactNode {
    const { eventId, broken } = this.state;
    return broken ? this.props.instead(eventId, () => this.setState(WHOLE)) : this.props.children;
  }
}
