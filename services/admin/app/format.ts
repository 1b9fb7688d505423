/** Amounts and times as people read them. Amounts are whole minor units. */
const LOCALE = "en-GB";
const time = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium" });
const count = new Intl.NumberFormat(LOCALE);
const share = new Intl.NumberFormat(LOCALE, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

const euros = new Intl.NumberFormat(LOCALE, { style: "currency", currency: "EUR" });

/** What the platform counts in. */
export function money(amount: number): string {
  return euros.format(amount / 100);
}

export function moment(at: Date): string {
  return time.format(at);
}

export function date(at: Date): string {
  return day.format(at);
}

export function hour(at: Date): string {
  return clock.format(at);
}

export function number(value: number): string {
  return count.format(value);
}

/** A share from 0 to 1; a dash where there was nothing to divide by. */
export function percent(value: number | undefined): string {
  return value === undefined ? "–" : share.format(value);
}

/** How long ago, in the largest unit that fits. */
export function ago(at: Date, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - at.getTime()) / 1000));
  for (const [unit, size] of [
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ] as const) {
    const found = Math.floor(seconds / size);
    if (found) return `${found} ${unit}${found > 1 ? "s" : ""}`;
  }
  return "a moment";
}
