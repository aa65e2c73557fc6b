import { isUsedUp, tightestLimit } from "../estimation/run-limit.ts";
import type { EndpointSnapshot, RunSnapshot } from "../events.ts";
import { withoutPassword } from "../redact.ts";
import * as f from "./format.ts";

const MOST_ENDPOINTS = 4;
/** Widths of columns: calls in flight at least, rate and latencies together, the tightest rate limit. */
const FLIGHT = 14;
const FIGURES = 27;
const LIMIT = 16;

const SHORT_NAMES = {
  requestsPerMinute: "req/min",
  tokensPerMinute: "tok/min",
  requestsPerDay: "req/day",
  tokensPerDay: "tok/day",
} as const satisfies Record<keyof EndpointSnapshot["limits"], string>;

/**
 * At most four endpoints: calls at once, rate, latencies, its tightest rate limit, or why it takes no calls. What changed
 * its calls at once last stands behind that where it fits; where it changes all the time, and where models have to be
 * told apart, every endpoint has a second line for it, so that nothing moves.
 * @param lines 1: no second lines
 */
export function endpointTable({ endpoints, slots, nowMs }: RunSnapshot, options: f.Look, lines: 1 | 2): string[] {
  if (endpoints.length === 0) return [];
  const { ascii, style, columns } = options;
  const mark = f.symbols(ascii);
  const several = new Set(endpoints.map(({ model }) => model)).size > 1;
  const hasSecond = lines === 2 && (several || slots.automatic);
  const widths = widthsOf(endpoints, columns);
  const { name, flight, limit } = widths;
  const head = `  ${f.left("Endpoint", name + 3)}${f.right("in flight", flight)}${f.right("calls/s", 9)}${f.right("p50", 9)}${f.right("p95", 9)}${limit === 0 ? "" : f.right("limit used", limit)}`;
  const rows = endpoints.slice(0, MOST_ENDPOINTS).flatMap((endpoint) => {
    const row = rowOf(endpoint, widths, options);
    const parts = [
      several ? f.printable(endpoint.model) : "",
      turnOf(endpoint),
      sharedOf(endpoint),
      changeOf(endpoint, mark.to),
    ];
    const aside = parts.filter((part) => part !== "").join(` ${mark.dot} `);
    const dated = `${aside}${agoOf(endpoint, nowMs)}`;
    if (hasSecond) return [row, style("dim", f.clip(`     ${dated}`, columns, ascii))];
    const fitting = [dated, aside].find((text) => f.widthOf(row) + 3 + f.widthOf(text) <= columns);
    return fitting ? [`${row}   ${style("dim", fitting)}`] : [row];
  });
  return [style("dim", head), ...rows, ...hidden(endpoints.slice(MOST_ENDPOINTS), options)];
}

/** The worst of all: one that is out, then one that rests or drains, then the slowest. */
export function worstEndpoint(endpoints: readonly EndpointSnapshot[]): EndpointSnapshot[] {
  const rank = { out: 3, resting: 2, draining: 1, open: 0 };
  return [...endpoints].sort((a, b) => rank[b.state] - rank[a.state] || (b.p95Ms ?? 0) - (a.p95Ms ?? 0)).slice(0, 1);
}

/** One endpoint in few columns; its rate limit where there is room. */
export function narrowEndpoint(endpoint: EndpointSnapshot, look: f.Look): string {
  const { ascii, style, columns } = look;
  const start = `${symbolOf(endpoint, look)} ${f.left(f.clip(f.printable(endpoint.name), 10, ascii), 10)}`;
  const trouble = troubleOf(endpoint);
  if (trouble !== null) return start + style(colourOf(endpoint), f.clip(trouble, columns - f.widthOf(start), ascii));
  const flight = f.right(`${f.count(endpoint.inFlight)}/${f.count(endpoint.limit)}`, 11);
  const line = `${start}${flight}${f.right(`${f.rate(endpoint.callsPerSecond)}/s`, 9)}${f.right(f.latency(endpoint.p50Ms, f.symbols(ascii).dash), 9)}`;
  return columns < f.widthOf(line) + LIMIT ? line : line + f.right(limitWords(endpoint, look), LIMIT);
}

/** From the largest numbers that can come; ceilings are left out where they do not fit. */
function widthsOf(endpoints: readonly EndpointSnapshot[], columns: number) {
  const name = Math.min(16, Math.max(8, ...endpoints.map((endpoint) => f.widthOf(f.printable(endpoint.name)))));
  const most = f.count(Math.max(...endpoints.map(({ ceiling }) => ceiling)));
  const withCeiling = Math.max(FLIGHT, `  ${most} of ${most}, max ${most}`.length);
  const hasCeiling = 5 + name + withCeiling + FIGURES + LIMIT <= columns;
  const flight = hasCeiling ? withCeiling : Math.max(FLIGHT, `  ${most} of ${most}`.length);
  return { name, flight, hasCeiling, limit: endpoints.some(tightestLimit) ? LIMIT : 0 };
}

function rowOf(endpoint: EndpointSnapshot, widths: ReturnType<typeof widthsOf>, look: f.Look): string {
  const { ascii, style, columns } = look;
  const { name, flight, hasCeiling, limit } = widths;
  const label = f.left(f.clip(f.printable(endpoint.name), name, ascii), name);
  const start = `  ${f.left(symbolOf(endpoint, look), 3)}${label}${f.right(flightOf(endpoint, hasCeiling), flight)}`;
  const trouble = troubleOf(endpoint);
  if (trouble !== null)
    return start + style(colourOf(endpoint), f.clip(`   ${trouble}`, columns - f.widthOf(start), ascii));
  const delays = [endpoint.p50Ms, endpoint.p95Ms].map((ms) => f.right(f.latency(ms, f.symbols(ascii).dash), 9));
  return `${start}${f.right(f.rate(endpoint.callsPerSecond), 9)}${delays.join("")}${f.right(limitWords(endpoint, look), limit)}`;
}

/** Why an endpoint takes no calls; null when it does. */
export function troubleOf({ state, stateReason, pausedUntilMs, pauseReason }: EndpointSnapshot): string | null {
  const because = (reason: string | null): string => (reason ? `: ${f.printable(withoutPassword(reason))}` : "");
  if (state === "out" || state === "draining") return `${state}${because(stateReason)}`;
  if (pausedUntilMs === null) return null;
  return `resting until ${f.clock(pausedUntilMs)}${because(pauseReason ?? "limited")}`;
}

function symbolOf(endpoint: EndpointSnapshot, { ascii, style }: f.Look): string {
  const mark = f.symbols(ascii);
  if (troubleOf(endpoint) === null) return style("green", mark.ok);
  return style(colourOf(endpoint), endpoint.state === "out" ? mark.bad : mark.rest);
}

/** Of one that takes no calls: red needs a person. */
function colourOf({ state }: EndpointSnapshot): f.StyleFormat {
  return state === "out" ? "red" : "yellow";
}

function flightOf({ inFlight, limit, ceiling }: EndpointSnapshot, hasCeiling: boolean): string {
  const most = hasCeiling && limit < ceiling ? `, max ${f.count(ceiling)}` : "";
  return `${f.count(inFlight)} of ${f.count(limit)}${most}`;
}

function limitWords(endpoint: EndpointSnapshot, { style }: f.Look): string {
  const limit = tightestLimit(endpoint);
  if (limit === null) return "";
  const words = `${SHORT_NAMES[limit.name]} ${f.percent(limit.used, 1)}`;
  return isUsedUp(endpoint) ? style("yellow", words) : words;
}

function turnOf({ fallback }: EndpointSnapshot): string {
  return fallback > 0 ? `fallback ${fallback}` : "";
}

/** Calls of all runs of this process that ask it, while this one is not alone. */
function sharedOf({ shared }: EndpointSnapshot): string {
  return shared === undefined ? "" : `${f.count(shared.inFlight)} in flight by ${f.count(shared.parties)} runs`;
}

/** What changed its calls at once last. */
function changeOf({ lastChange }: EndpointSnapshot, arrow: string): string {
  if (lastChange === null) return "";
  const { from, to, reason } = lastChange;
  return `${f.count(from)} ${arrow} ${f.count(to)} ${reason.replace("-", " ")}`;
}

function agoOf({ lastChange }: EndpointSnapshot, nowMs: number): string {
  return lastChange === null ? "" : ` ${f.duration(nowMs - lastChange.atMs)} ago`;
}

/** Those without a row, and how many of them take no calls. */
function hidden(endpoints: readonly EndpointSnapshot[], { style }: f.Look): string[] {
  if (endpoints.length === 0) return [];
  const states = (["out", "draining", "resting"] as const)
    .map((state) => ({ state, number: endpoints.filter((endpoint) => endpoint.state === state).length }))
    .filter(({ number }) => number > 0)
    .map(({ state, number }) => `${number} ${state}`);
  return [style("dim", `     and ${endpoints.length} more${states.length === 0 ? "" : `: ${states.join(", ")}`}`)];
}
