/** Spins over the gateway's WebSocket, which is opened again when it closes; over HTTP while there is none. */
import { settings } from "../settings";
import { asked, type Within } from "../telemetry";
import { maybe, Nonsense, record, text } from "./decode";
import { Problem, problemOf } from "./problem";
import * as shapes from "./shapes";

export type Connection = "connecting" | "live" | "waiting";

export interface Bet {
  readonly request_id: string;
  readonly bet: number;
}

/** Places a bet the slower way. */
export type OverHttp = (bet: Bet) => Promise<shapes.Round>;

const ANSWER_MS = 8_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const HTTP_TRIES = 2;
const RETRY_MS = 700;

const answer = record({ player_id: maybe(text), round: maybe(shapes.round), problem: maybe(shapes.problem) });

/** The connection went away before the answer came: whether the bet was played is not known. */
class Lost extends Error {}

interface Pending {
  readonly requestId: string;
  readonly resolve: (round: shapes.Round) => void;
  readonly reject: (error: Error) => void;
}

export class Play {
  #socket: WebSocket | undefined;
  #pending: Pending | undefined;
  #wait = FIRST_WAIT_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #connection: Connection = "connecting";

  constructor(
    private readonly token: string,
    private readonly changed: (connection: Connection) => void,
    private readonly refused: () => void,
  ) {
    addEventListener("online", this.#now);
    this.#open();
  }

  /** Places one bet, at a time. It is asked for more than once when it has to be, and played once. Rejects with a Problem. */
  async bet(bet: Bet, overHttp: OverHttp, within: Within): Promise<shapes.Round> {
    if (this.#connection === "live") {
      try {
        return await within(() => asked("spin", "websocket.client", (trace) => this.#overSocket(bet, trace)));
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
      }
    }
    for (let left = HTTP_TRIES - 1; ; left -= 1) {
      try {
        return await within(() => overHttp(bet));
      } catch (error) {
        if (!left || !(error instanceof Problem) || !error.unsure) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  close(): void {
    this.#closed = true;
    removeEventListener("online", this.#now);
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  readonly #now = (): void => {
    if (this.#connection !== "waiting") return;
    this.#wait = FIRST_WAIT_MS;
    this.#open();
  };

  #become(connection: Connection): void {
    this.#connection = connection;
    if (!this.#closed) this.changed(connection);
  }

  #open(): void {
    clearTimeout(this.#timer);
    const socket = new WebSocket(`${settings().gateway.replace(/^http/, "ws")}/api/v1/play`, ["bearer", this.token]);
    const patience = setTimeout(() => this.#gone(socket), ANSWER_MS);
    this.#socket = socket;
    socket.onmessage = (event) => {
      clearTimeout(patience);
      if (this.#socket === socket) this.#heard(event.data);
    };
    socket.onclose = () => {
      clearTimeout(patience);
      this.#gone(socket);
    };
  }

  /** The connection is no more, or as good as that: a dead one takes a minute to close. */
  #gone(socket: WebSocket | undefined): void {
    if (!socket || this.#socket !== socket) return;
    socket.close();
    this.#socket = undefined;
    this.#fail(new Lost());
    if (this.#closed) return;
    this.#become("waiting");
    // Not all players come back in the same moment.
    this.#timer = setTimeout(() => this.#open(), this.#wait * (0.5 + Math.random()));
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT_MS);
  }

  #heard(data: unknown): void {
    let heard: ReturnType<typeof answer>;
    try {
      heard = answer(JSON.parse(String(data)));
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof Nonsense)) throw error;
      this.#gone(this.#socket); // what talks nonsense is not played with
      return;
    }
    if (heard.player_id !== undefined) {
      this.#wait = FIRST_WAIT_MS;
      this.#become("live");
    } else if (heard.round && heard.round.request_id === this.#pending?.requestId) {
      this.#pending.resolve(heard.round);
      this.#pending = undefined;
    } else if (heard.problem) {
      this.#fail(problemOf(heard.problem));
      if (heard.problem.status === 401) {
        this.close();
        this.refused();
      }
    }
  }

  #fail(error: Error): void {
    this.#pending?.reject(error);
    this.#pending = undefined;
  }

  #overSocket(bet: Bet, trace: Readonly<Record<string, string>>): Promise<shapes.Round> {
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => this.#gone(this.#socket), ANSWER_MS);
      const settled =
        <A>(then: (value: A) => void) =>
        (value: A) => {
          clearTimeout(patience);
          then(value);
        };
      this.#pending = { requestId: bet.request_id, resolve: settled(resolve), reject: settled(reject) };
      this.#socket?.send(JSON.stringify(Object.keys(trace).length ? { ...bet, trace } : bet));
    });
  }
}
