/** What the gateway answers, as its OpenAPI says. Amounts are whole minor units. */
import {
  type Decoded,
  type Decoder,
  date,
  flag,
  list,
  maybe,
  real,
  record,
  text,
  whole,
} from "../../../web/app/api/decode";

export const token = record({ token: text, player_id: text, expires_at: date });
export const person = record({ player_id: text, display_name: text });
export const member = record({ player_id: text, display_name: text, roles: list(text), may: list(text) });
export const player = record({
  player_id: text,
  email: text,
  email_verified: flag,
  display_name: text,
  kyc: text,
  created_at: date,
  kyc_changed_at: maybe(date),
  kyc_decided_by: maybe(person),
});
export const account = record({
  wallet: record({ balance: whole, currency: text }),
  limits: record({ deposit_per_day: whole, bet: whole }),
});
export const entry = record({
  request_id: text,
  kind: text,
  amount: whole,
  balance_after: whole,
  sequence: whole,
  created_at: date,
  decided_by: maybe(person),
});
export const transfer = record({
  state: text,
  entry,
  player: person,
  decided_by: maybe(person),
  decided_at: maybe(date),
});
export const alert = record({
  alert_id: text,
  player: person,
  rule: text,
  severity: text,
  detail: text,
  raised_at: date,
});
export const decision = record({
  at: date,
  by: person,
  action: text,
  player: person,
  request_id: text,
  outcome: text,
  detail: text,
});
export const report = record({
  start: date,
  end: date,
  games: list(
    record({
      game: text,
      rounds: whole,
      rounds_won: whole,
      bet: whole,
      win: whole,
      rtp: maybe(real),
      theoretical_rtp: maybe(real),
      deviation: maybe(real),
    }),
  ),
  payment_success_rate: maybe(real),
  payments: whole,
  payments_failed: whole,
  payments_declined: whole,
  active_players: whole,
  top_players: list(record({ player: person, rounds: whole, bet: whole, win: whole })),
});
export const live = record({
  at: date,
  active_players: whole,
  rounds: whole,
  bet: whole,
  win: whole,
  payments: whole,
  payments_failed: whole,
  withdrawals_waiting: whole,
  kyc_waiting: whole,
  alerts: list(alert),
  decisions: list(decision),
});
export const problem = record({
  status: whole,
  detail: text,
  code: maybe(text),
  state: maybe(text),
  decided_by: maybe(person),
  decided_at: maybe(date),
});

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

function page<T>(of: Decoder<T>): Decoder<Page<T>> {
  const read = record({ items: list(of), next: maybe(text) });
  return (value) => read(value);
}

export const players = page(player);
export const entries = page(entry);
export const transfers = page(transfer);
export const alerts = page(alert);
export const decisions = page(decision);

export type Person = Decoded<typeof person>;
export type Member = Decoded<typeof member>;
export type Player = Decoded<typeof player>;
export type Entry = Decoded<typeof entry>;
export type Transfer = Decoded<typeof transfer>;
export type Alert = Decoded<typeof alert>;
export type Decision = Decoded<typeof decision>;
export type Report = Decoded<typeof report>;
export type Live = Decoded<typeof live>;
export type ProblemBody = Decoded<typeof problem>;
