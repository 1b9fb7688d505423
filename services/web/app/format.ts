/** Amounts and times as people read and write them. Amounts are whole minor units. */
const LOCALE = "en-GB";
const day = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "short" });

export function money(amount: number, currency: string): string {
  try {
    return new Intl.NumberFormat(LOCALE, { style: "currency", currency }).format(amount / 100);
  } catch {
    return `${(amount / 100).toFixed(2)} ${currency}`.trim(); // no currency that the browser knows
  }
}

/** The amount that was typed; undefined for what is none. */
export function amountOf(typed: string): number | undefined {
  const [, whole, part = ""] = /^\s*(\d{1,12})(?:[.,](\d{1,2}))?\s*$/.exec(typed) ?? [];
  if (whole === undefined) return undefined;
  return Number(whole) * 100 + Number(part.padEnd(2, "0")) || undefined;
}

export function time(at: Date): string {
  return moment.format(at);
}

export function date(at: Date): string {
  return day.format(at);
}

export function percent(share: number): string {
  return new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 1 }).format(share);
}
