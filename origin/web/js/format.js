// Words and numbers as people write them. The language is that of the page (set from the district).

const language = () => document.documentElement.lang || "en";

/** 0..100 → "48%" */
export function percent(value) {
  return new Intl.NumberFormat(language(), { style: "percent", maximumFractionDigits: 0 }).format((value || 0) / 100);
}

export function number(value) {
  return new Intl.NumberFormat(language()).format(value);
}

/** Seconds → "1:05" */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(whole / 60);
  return `${minutes}:${String(whole % 60).padStart(2, "0")}`;
}

/** Seconds → "1 minute 5 seconds", for ears. */
export function spokenClock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [];
  const minutes = Math.floor(whole / 60);
  if (minutes) parts.push(count(minutes, "minute"));
  if (whole % 60 || !minutes) parts.push(count(whole % 60, "second"));
  return parts.join(" ");
}

export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** "2026-12-18" (a day, wherever one is) or an instant → "18 December 2026" */
export function day(value) {
  const date = /^\d{4}-\d\d-\d\d$/.test(value) ? new Date(`${value}T12:00:00`) : new Date(value);
  return new Intl.DateTimeFormat(language(), { dateStyle: "long" }).format(date);
}

export function dateAndTime(value) {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(value));
}

/** An instant → "5 minutes ago", "yesterday" */
export function ago(value, now = Date.now()) {
  const seconds = (new Date(value).getTime() - now) / 1000;
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const relative = new Intl.RelativeTimeFormat(language(), { numeric: "auto" });
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}

export function timeNow() {
  return new Intl.DateTimeFormat(language(), { timeStyle: "short" }).format(new Date());
}
