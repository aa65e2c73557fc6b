import type { EndpointSnapshot, RunSnapshot } from "../events.ts";
import type { LimitSnapshot, RateLimits } from "../rate-limits.ts";

/** From this share on a rate limit is what calls wait for: they are paced, so little more of it is ever used. */
const USED_UP = 0.9;
/** With less than this share of its calls in flight an endpoint has room for more. */
const FULL = 0.9;

const NAMES: Readonly<Record<keyof RateLimits, string>> = {
  requestsPerMinute: "requests per minute",
  tokensPerMinute: "tokens per minute",
  requestsPerDay: "requests per day",
  tokensPerDay: "tokens per day",
};

interface TightestLimit extends LimitSnapshot {
  readonly name: keyof RateLimits;
}

/** The rate limit of which the largest share is used; null when none is known. */
export function tightestLimit({ limits }: Pick<EndpointSnapshot, "limits">): TightestLimit | null {
  let found: TightestLimit | null = null;
  for (const name of Object.keys(NAMES) as (keyof RateLimits)[]) {
    const limit = limits[name];
    if (limit !== null && (found === null || limit.used > found.used)) found = { ...limit, name };
  }
  return found;
}

export function isUsedUp(endpoint: Pick<EndpointSnapshot, "limits">): boolean {
  return (tightestLimit(endpoint)?.used ?? 0) >= USED_UP;
}

/** Whether more slots would not be used in full: an endpoint that is asked has used up a limit, or takes fewer calls than it may. */
export function isBounded({ endpoints, slots }: Pick<RunSnapshot, "endpoints" | "slots">): boolean {
  return (
    slots.limit < slots.ceiling || askedOf(endpoints).some((endpoint) => isUsedUp(endpoint) || isLowered(endpoint))
  );
}

/** What the run would be faster without, in one sentence: used up rate limits, or push-back. null as long as an endpoint has room. */
export function limitNote({
  endpoints,
  slots,
  state,
}: Pick<RunSnapshot, "endpoints" | "slots" | "state">): string | null {
  const asked = askedOf(endpoints);
  if (state !== "running" || asked.some(hasRoom)) return null;
  const usedUp = asked.filter(isUsedUp);
  if (usedUp.length > 0) return rateLimitNote(usedUp);
  // With `auto` a limit below the ceiling is what was found, not what was lost.
  const lowered = slots.automatic ? undefined : asked.find(isLowered);
  if (lowered === undefined) return null;
  return `${lowered.name} pushed back: ${lowered.limit} instead of ${lowered.ceiling} calls at once, more again while its answers come clean.`;
}

function rateLimitNote(usedUp: readonly EndpointSnapshot[]): string {
  const [first] = usedUp
    .map(({ name, limits }) => ({ endpoint: name, ...tightestLimit({ limits })! }))
    .sort((a, b) => b.used - a.used);
  const { endpoint, name, used } = first!;
  const share = `${Math.floor(used * 100)} % used`;
  if (usedUp.length === 1) return `The rate limit of ${endpoint} (${NAMES[name]}) is the limit: ${share}.`;
  return `The rate limits of ${usedUp.length} endpoints are the limit, that of ${endpoint} first: ${NAMES[name]}, ${share}.`;
}

/** Those that get calls: open, and of the lowest fallback number that has any. */
function askedOf(endpoints: readonly EndpointSnapshot[]): EndpointSnapshot[] {
  const open = endpoints.filter(({ state }) => state === "open");
  const level = Math.min(...open.map(({ fallback }) => fallback));
  return open.filter(({ fallback }) => fallback === level);
}

function hasRoom(endpoint: EndpointSnapshot): boolean {
  return !isUsedUp(endpoint) && endpoint.inFlight < FULL * endpoint.limit;
}

function isLowered({ limit, ceiling }: EndpointSnapshot): boolean {
  return limit < ceiling;
}
