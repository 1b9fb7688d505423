/** What the gateway answers, as its OpenAPI says. Amounts are whole minor units. */
import { type Decoded, date, flag, list, maybe, real, record, text, whole } from "./decode";

export const token = record({ token: text, player_id: text, expires_at: date, roles: list(text) });
export const profile = record({
  player_id: text,
  email: text,
  display_name: text,
  kyc: text,
  created_at: date,
  email_verified: flag,
});
export const wallet = record({ balance: whole, currency: text });
export const entry = record({ request_id: text, kind: text, amount: whole, balance_after: whole, created_at: date });
export const entries = list(entry);
export const transfer = record({ state: text });
export const limits = record({
  deposit_per_day: whole,
  bet: whole,
  raised: maybe(record({ deposit_per_day: whole, bet: whole, holds_from: date })),
});
export const round = record({
  round_id: text,
  request_id: text,
  bet: whole,
  win: whole,
  window: list(list(text)),
  wins: list(record({ line: whole, symbol: text, count: whole, amount: whole })),
  balance_after: whole,
  played_at: date,
});
export const rounds = list(round);
export const paytable = record({
  game: text,
  lines: list(list(whole)),
  pays: list(record({ symbol: text, count: whole, multiplier: whole })),
  theoretical_rtp: real,
});
export const preferences = record({ email: flag, sms: flag, push: flag, marketing: flag, phone: text });
export const messages = list(
  record({ message_id: text, template: text, channel: text, state: text, created_at: date }),
);
export const leaderboard = record({
  leaders: list(record({ rounds: whole, bet: whole, win: whole })),
  active_players: whole,
});
export const debugEndpoints = list(
  record({
    service: text,
    name: text,
    path: text,
    section: text,
    status: whole,
    event: text,
    what: text,
    amount: maybe(record({ unit: text, usual: real, most: real })),
    undo: flag,
  }),
);
export const triggered = record({ message: text });
export const problem = record({
  status: whole,
  detail: text,
  errors: maybe(list(record({ field: text, message: text }))),
  trace_id: maybe(text),
});

export type Token = Decoded<typeof token>;
export type Profile = Decoded<typeof profile>;
export type Wallet = Decoded<typeof wallet>;
export type Entry = Decoded<typeof entry>;
export type Limits = Decoded<typeof limits>;
export type Round = Decoded<typeof round>;
export type Paytable = Decoded<typeof paytable>;
export type DebugEndpoint = Decoded<typeof debugEndpoints>[number];
export type Preferences = Decoded<typeof preferences>;
export type ProblemBody = Decoded<typeof problem>;
