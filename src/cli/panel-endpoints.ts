import type { EndpointSnapshot, RunSnapshot } from "../events.ts";
import type { LimitSnapshot } from "../rate-limits.ts";
import * as f from "./format.ts";
import type { PanelOptions } from "./panel-narrow.ts";

const MOST_ENDPOINTS = 4;
/** A change of the calls at once is worth a look for so long, in ms. */
const RECENT_MS = 60_000;
/** A rate limit that is used to this share is what the run waits for. */
const USED_UP = 0.9;

const LIMITS = {
  requestsPerMinute: { short: "req/min", long: "requests per minute" },
  tokensPerMinute: { short: "tok/min", long: "tokens per minute" },
  requestsPerDay: { short: "req/day", long: "requests per day" },
  tokensPerDay: { short: "tok/day", long: "tokens per day" },
} as const satisfies Record<keyof EndpointSnapshot["limits"], unknown>;

/** A line for each endpoint, at most four: calls at once, rate, latencies, its tightest rate limit, what changed or why it rests. */
export function endpointTable({ endpoints, nowMs }: RunSnapshot, options: PanelOptions): string[] {
  if (endpoints.length === 0) return [];
  const { ascii, style, columns } = options;
  const mark = f.symbols(ascii);
  const name = Math.min(16, Math.max(8, ...endpoints.map((endpoint) => f.widthOf(f.printable(endpoint.name)))));
  const hasLimits = endpoints.some((endpoint) => tightest(endpoint) !== null);
  const head = `  ${f.left("Endpoint", name + 3)}${f.right("in flight", 14)}${f.right("calls/s", 9)}${f.right("p50", 9)}${f.right("p95", 9)}${hasLimits ? f.right("limit used", 16) : ""}`;
  const rows = endpoints.slice(0, MOST_ENDPOINTS).map((endpoint) => {
    const trouble = troubleOf(endpoint);
    const symbol = trouble === null ? style("green", mark.ok) : style("yellow", mark.rest);
    const flight = `${f.count(endpoint.inFlight)} of ${f.count(endpoint.limit)}`;
    const start = `  ${f.left(symbol, 3)}${f.left(f.clip(f.printable(endpoint.name), name, ascii), name)}${f.right(flight, 14)}`;
    if (trouble !== null) return start + style("yellow", f.clip(`   ${trouble}`, columns - f.widthOf(start), ascii));
    const delays = [endpoint.p50Ms, endpoint.p95Ms].map((ms) => f.right(f.latency(ms, mark.dash), 9));
    const line = `${start}${f.right(f.rate(endpoint.callsPerSecond), 9)}${delays.join("")}${hasLimits ? f.right(limitOf(endpoint), 16) : ""}`;
    const changed = changeOf(endpoint, nowMs, mark.to);
    const fits = changed !== "" && f.widthOf(line) + 3 + f.widthOf(changed) <= columns;
    return fits ? `${line}   ${style("dim", changed)}` : line;
  });
  const hidden = endpoints.length - rows.length;
  return [style("dim", head), ...rows, ...(hidden > 0 ? [style("dim", `     and ${hidden} more`)] : [])];
}

/** One sentence when a rate limit is what the run waits for; null when none is. */
export function limitAdvice({ endpoints, state }: Pick<RunSnapshot, "endpoints" | "state">): string | null {
  if (state !== "running") return null;
  for (const endpoint of endpoints) {
    const limit = tightest(endpoint);
    if (limit === null || limit.used < USED_UP) continue;
    return `The rate limit of ${f.printable(endpoint.name)} is the limit: ${f.percent(limit.used, 1)} of its ${LIMITS[limit.name].long} in use (${f.count(limit.limit)}).`;
  }
  return null;
}

/** Why an endpoint takes no calls; null when it does. */
function troubleOf({ state, stateReason, pausedUntilMs, pauseReason }: EndpointSnapshot): string | null {
  if (state === "out" || state === "draining") return `${state}: ${f.printable(stateReason ?? "")}`;
  if (pausedUntilMs === null) return null;
  return `resting until ${f.clock(pausedUntilMs)}: ${f.printable(pauseReason ?? "limited")}`;
}

function tightest({ limits }: EndpointSnapshot): (LimitSnapshot & { readonly name: keyof typeof LIMITS }) | null {
  let found: (LimitSnapshot & { readonly name: keyof typeof LIMITS }) | null = null;
  for (const name of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
    const limit = limits[name];
    if (limit !== null && (found === null || limit.used > found.used)) found = { ...limit, name };
  }
  return found;
}

function limitOf(endpoint: EndpointSnapshot): string {
  const limit = tightest(endpoint);
  return limit === null ? "" : `${LIMITS[limit.name].short} ${f.percent(limit.used, 1)}`;
}

function changeOf({ lastChange }: EndpointSnapshot, nowMs: number, to: string): string {
  if (lastChange === null || nowMs - lastChange.atMs > RECENT_MS) return "";
  return `${f.count(lastChange.from)} ${to} ${f.count(lastChange.to)} ${lastChange.reason}`;
}
