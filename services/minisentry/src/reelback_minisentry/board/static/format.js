// Numbers and times as people read them.

const clockFormat = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const shortFormat = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });

export const clock = (at) => clockFormat.format(at * 1000);
export const minute = (at) => shortFormat.format(at * 1000);

export function when(at) {
  if (at === null) return "–";
  const sameDay = new Date(at * 1000).toDateString() === new Date().toDateString();
  return sameDay ? clock(at) : `${dayFormat.format(at * 1000)} ${minute(at)}`;
}

export function percent(share, digits = share > 0 && share < 0.1 ? 1 : 0) {
  return share === null ? "–" : `${(share * 100).toFixed(digits)} %`;
}

export function milliseconds(ms) {
  if (ms === null) return "–";
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 10) return `${ms.toFixed(0)} ms`;
  return `${ms.toFixed(ms < 1 ? 2 : 1)} ms`;
}

export function number(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (size >= 1e4) return `${(value / 1e3).toFixed(0)} k`;
  return value.toLocaleString([], { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : 2 });
}

export function lasted(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export const count = (n) => n.toLocaleString();
export const version = (release) => release.slice(release.lastIndexOf("@") + 1);
export const service = (release) => release.slice(0, Math.max(0, release.lastIndexOf("@")));
export const color = (index) => `var(--s${index % 8})`;

// The page of an address, as short as it says which.
export function pageOf(url) {
  try {
    const { pathname, hash } = new URL(url);
    return pathname + hash;
  } catch {
    return url || "a page";
  }
}
