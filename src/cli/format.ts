import { stripVTControlCharacters } from "node:util";

/** The formats used on screen: the user's own theme decides what they look like. */
export type StyleFormat = "green" | "yellow" | "red" | "cyan" | "dim" | "bold";
/** Colours a text, or returns it as it is where colour is off. */
export type Style = (format: StyleFormat, text: string) => string;

/** What can be drawn, and how. */
export interface Look {
  readonly columns: number;
  readonly ascii: boolean;
  readonly style: Style;
}

const UNICODE = { ok: "✔", bad: "✖", warn: "▲", rest: "⏸", to: "→", dash: "–", more: "…", dot: "·", rule: "─" };
const ASCII: typeof UNICODE = {
  ok: "ok",
  bad: "x",
  warn: "!",
  rest: "=",
  to: "->",
  dash: "-",
  more: "...",
  dot: "|",
  rule: "-",
};
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const WIDE = /[ᄀ-ᅟ⺀-꓏가-힣豈-﫿︰-﹯＀-｠￠-￦\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const ZERO_WIDTH = /[\p{M}\p{Cf}]/u;

export function symbols(ascii: boolean): typeof UNICODE {
  return ascii ? ASCII : UNICODE;
}

/** 161,057; the same in every locale. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** USD: cents, four decimals below one cent; `?` when unknown. */
export function money(usd: number | null): string {
  if (usd === null) return "?";
  const decimals = usd !== 0 && Math.abs(usd) < 0.00995 ? 4 : 2;
  const [whole, fraction] = usd.toFixed(decimals).split(".");
  return `$${count(Number(whole))}.${fraction}`;
}

/** A range of USD, coarser when it is large: `$219 – 230`, `$1.42 – 1.50`. */
export function moneyRange(fromUsd: number, toUsd: number, dash: string): string {
  const write = (usd: number): string => (toUsd >= 100 ? `$${count(usd)}` : money(usd));
  const [from, to] = [write(fromUsd), write(toUsd)];
  return from === to ? from : `${from} ${dash} ${to.slice(1)}`;
}

/** Tokens: 812, 45.2 k, 207.6 M, 1.3 G. */
export function amount(value: number): string {
  for (const [size, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e4, "k"],
  ] as const)
    if (value >= size) return `${(value / (unit === "k" ? 1e3 : size)).toFixed(1)} ${unit}`;
  return count(value);
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
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

/** A range in one unit, that of its longer end: `29 – 40 min`. */
export function durationRange(fromMs: number, toMs: number, dash: string): string {
  const [size, unit] =
    toMs < 90_000
      ? [1_000, "s"]
      : toMs < 90 * 60_000
        ? [60_000, "min"]
        : toMs < 36 * 3_600_000
          ? [3_600_000, "h"]
          : [86_400_000, "d"];
  const write = (ms: number): string => {
    const units = ms / (size as number);
    return unit === "s" || unit === "min" || units >= 10
      ? String(Math.round(units))
      : units.toFixed(1).replace(/\.0$/, "");
  };
  const [from, to] = [write(fromMs), write(toMs)];
  return from === to ? `${to} ${unit}` : `${from} ${dash} ${to} ${unit}`;
}

/** Of one call: `340 ms`, `1.3 s`, `41 s`; a dash when there was none. */
export function latency(ms: number | null, dash: string): string {
  if (ms === null) return dash;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 20_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`;
}

/** Local time of day, `14:34:10`. */
export function clock(atMs: number): string {
  const at = new Date(atMs);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** Two moments, with their days when they are not `nowMs`'s: `15:01 – 15:12`, `25 Nov 02:10 – 25 Nov 04:00`. */
export function momentRange(fromMs: number, toMs: number, nowMs: number, dash: string): string {
  const sameDay = new Date(toMs).toDateString() === new Date(nowMs).toDateString();
  const write = (ms: number): string => `${sameDay ? "" : `${day(ms)} `}${clock(ms).slice(0, 5)}`;
  const [from, to] = [write(fromMs), write(toMs)];
  return from === to ? to : `${from} ${dash} ${to}`;
}

/** `64.9 %`; 100.0 only when all is done. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return "100.0 %";
  const tenths = part >= whole ? 1_000 : Math.min(999, Math.round((part / whole) * 1_000));
  return `${(tenths / 10).toFixed(1)} %`;
}

/** A filled bar without its rest, in eighths of a cell; at least a sliver for anything above zero. */
export function bar(share: number, width: number, ascii: boolean): string {
  const bounded = Math.min(1, Math.max(0, share));
  if (ascii) return "#".repeat(bounded > 0 ? Math.max(1, Math.round(bounded * width)) : 0);
  const eighths = bounded > 0 ? Math.max(1, Math.round(bounded * width * 8)) : 0;
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}

/** Cells a text takes on a terminal; its styling takes none. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of stripVTControlCharacters(text)) width += cellsOf(character);
  return width;
}

/** Text that came from outside, made safe to print: one line, no control, direction or escape characters. */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/\p{Cf}/gu, "");
}

/** Cut to a width, marked where it was cut. A styled text that is too wide loses its style. */
export function clip(text: string, width: number, ascii: boolean): string {
  if (widthOf(text) <= width) return text;
  const mark = symbols(ascii).more;
  let kept = "";
  let used = 0;
  for (const character of stripVTControlCharacters(text)) {
    const cells = cellsOf(character);
    if (used + cells > width - mark.length) break;
    kept += character;
    used += cells;
  }
  return width < mark.length ? kept.slice(0, width) : kept + mark;
}

/** Lines no longer than a width, cut between words; a word that is too long stays whole. */
export function wrapped(line: string, width: number): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const gap = rest.lastIndexOf(" ", width);
    if (gap <= 0 || rest.slice(0, gap).trim() === "") break;
    lines.push(rest.slice(0, gap));
    rest = rest.slice(gap + 1);
  }
  return [...lines, rest];
}

/** Padded on the right to a width in cells. */
export function left(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

/** Padded on the left to a width in cells. */
export function right(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - widthOf(text))) + text;
}

/** One text at the left edge, one at the right; the left one gives way. */
export function spread(start: string, end: string, look: Look, width: number): string {
  const room = width - widthOf(end) - 2;
  return room < 1 ? clip(start, width, look.ascii) : left(clip(start, room, look.ascii), room + 2) + end;
}

function cellsOf(character: string): number {
  if (character <= "~") return 1;
  return ZERO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

function day(ms: number): string {
  const at = new Date(ms);
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  return `${at.getDate()} ${months[at.getMonth()]}`;
}
