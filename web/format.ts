/** Numbers, money and times in the words of the terminal (`src/cli/format.ts`): the same in every locale. */

export const DASH = "–";
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** 161,057; a dash when it is not known. */
export function count(value: number | null): string {
  return value === null ? DASH : String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 item`, `1,204 items`. */
export function items(value: number): string {
  return `${count(value)} ${value === 1 ? "item" : "items"}`;
}

/** USD: cents, four decimals below one cent; `?` when unknown. */
export function money(usd: number | null): string {
  if (usd === null) return "?";
  const decimals = usd !== 0 && Math.abs(usd) < 0.00995 ? 4 : 2;
  const [whole, fraction] = usd.toFixed(decimals).split(".");
  return `$${count(Number(whole))}.${fraction}`;
}

/** A range of USD, coarser when it is large: `$219 – 230`, `$1.42 – 1.50`. */
export function moneyRange(fromUsd: number, toUsd: number): string {
  const write = (usd: number): string => (toUsd >= 100 ? `$${count(usd)}` : money(usd));
  const [from, to] = [write(fromUsd), write(toUsd)];
  return from === to ? from : `${from} ${DASH} ${to.slice(1)}`;
}

/** Tokens: 812, 45.2 k, 207.6 M, 1.3 G. */
export function amount(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} G`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  return value >= 1e4 ? `${(value / 1e3).toFixed(1)} k` : count(value);
}

/** One decimal; two below one, so that a slow run does not look dead. */
export function rate(perSecond: number): string {
  if (perSecond >= 1_000) return count(perSecond);
  return perSecond > 0 && perSecond < 1 ? perSecond.toFixed(2) : perSecond.toFixed(1);
}

/** `41 s`, `4 min 12 s`, `1 h 18 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const [large, largeUnit, small, smallUnit] = twoUnits(Math.floor(seconds / 60), seconds);
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

function twoUnits(minutes: number, seconds: number): [number, string, number, string] {
  const hours = Math.floor(minutes / 60);
  if (minutes < 60) return [minutes, "min", seconds % 60, "s"];
  return hours < 48 ? [hours, "h", minutes % 60, "min"] : [Math.floor(hours / 24), "d", hours % 24, "h"];
}

/** A range in one unit, that of its longer end: `29 – 40 min`. */
export function durationRange(fromMs: number, toMs: number): string {
  const [size, unit] = unitFor(toMs);
  const write = (ms: number): string => {
    const units = ms / size;
    const whole = unit === "s" || unit === "min" || units >= 10;
    return whole ? String(Math.round(units)) : units.toFixed(1).replace(/\.0$/, "");
  };
  const [from, to] = [write(fromMs), write(toMs)];
  return from === to ? `${to} ${unit}` : `${from} ${DASH} ${to} ${unit}`;
}

function unitFor(ms: number): [number, string] {
  if (ms < 90_000) return [1_000, "s"];
  if (ms < 90 * 60_000) return [60_000, "min"];
  return ms < 36 * 3_600_000 ? [3_600_000, "h"] : [86_400_000, "d"];
}

/** Of one call: `340 ms`, `1.3 s`, `41 s`; a dash when there was none. */
export function latency(ms: number | null): string {
  if (ms === null) return DASH;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 20_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`;
}

/** `64.9 %`; 100.0 only when all is done. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return "100.0 %";
  const tenths = part >= whole ? 1_000 : Math.min(999, Math.round((part / whole) * 1_000));
  return `${(tenths / 10).toFixed(1)} %`;
}

/** Points between two shares in 0..1, signed: `+4.8`, `−0.4`, `0.0`. */
export function points(share: number, before: number): string {
  const tenths = Math.round((share - before) * 1_000);
  return `${tenths > 0 ? "+" : tenths < 0 ? "−" : ""}${(Math.abs(tenths) / 10).toFixed(1)}`;
}

/** Change against before, signed: `+12 %`; null when there was nothing before. */
export function change(now: number, before: number): string | null {
  if (before === 0) return null;
  const share = Math.round(((now - before) / before) * 100);
  return `${share > 0 ? "+" : share < 0 ? "−" : "±"}${count(Math.abs(share))} %`;
}

let formatter: Intl.DateTimeFormat | null = null;

/** All times are told by this zone's clock (IANA name) from now on. @default the browser's own */
export function setZone(name: string | undefined): void {
  const parts = { year: "numeric", month: "numeric", day: "numeric" } as const;
  const make = (timeZone: string | undefined): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat("en-GB", {
      ...parts,
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
      timeZone,
    });
  try {
    formatter = make(name);
  } catch {
    formatter = make(undefined);
  }
}

function partsOf(ms: number): Readonly<Record<string, string>> {
  if (formatter === null) setZone(undefined);
  return Object.fromEntries(formatter!.formatToParts(ms).map(({ type, value }) => [type, value]));
}

/** Time of day, `14:34:10`. */
export function clock(atMs: number): string {
  const { hour, minute, second } = partsOf(atMs);
  return `${hour}:${minute}:${second}`;
}

/** Time of day without seconds, `14:34`. */
export function clockMinute(atMs: number): string {
  return clock(atMs).slice(0, 5);
}

/** `25 Nov`; with its year when it is not that of `nowMs`. */
export function day(atMs: number, nowMs = atMs): string {
  const at = partsOf(atMs);
  const short = `${Number(at.day)} ${MONTHS[Number(at.month) - 1]}`;
  return at.year === partsOf(nowMs).year ? short : `${short} ${at.year}`;
}

export function isSameDay(aMs: number, bMs: number): boolean {
  return day(aMs, bMs) === day(bMs);
}

/** `14:34:10` today, `25 Nov 14:34` on another day. */
export function moment(atMs: number, nowMs: number): string {
  return isSameDay(atMs, nowMs) ? clock(atMs) : `${day(atMs, nowMs)} ${clockMinute(atMs)}`;
}

/** `Wed 25 Nov 02:30`. */
export function weekdayMoment(atMs: number, nowMs: number): string {
  return `${partsOf(atMs).weekday} ${day(atMs, nowMs)} ${clockMinute(atMs)}`;
}

/** Two moments, with their days when they are not `nowMs`'s: `15:01 – 15:12`, `25 Nov 02:10 – 25 Nov 04:00`. */
export function momentRange(fromMs: number, toMs: number, nowMs: number): string {
  const sameDay = isSameDay(toMs, nowMs);
  const write = (ms: number): string => `${sameDay ? "" : `${day(ms, nowMs)} `}${clockMinute(ms)}`;
  const [from, to] = [write(fromMs), write(toMs)];
  return from === to ? to : `${from} ${DASH} ${to}`;
}
