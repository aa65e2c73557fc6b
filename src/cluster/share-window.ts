import type { RateLimits } from "../rate-limits.ts";

/** The whole of an endpoint in the store's counting. */
export const PARTS = 10_000;
/**
 * How much of it is given out. What is left covers calls that arrive closer together than they were sent, and what each
 * process may save up.
 */
export const GIVEN_PARTS = 9_800;
/** A process that asks for a window the first time adds this, so that the count tells how many there are. */
const ONE_PROCESS = 2 ** 22;

/** Tokens of a typical call: how many calls a second a limit in tokens is. */
const CALL_TOKENS = 1_000;

/** What is counted for one window of one endpoint, read from the store's number. */
export interface WindowCount {
  /** Processes that asked. */
  readonly processes: number;
  /** What they asked for together, in parts; more than {@link GIVEN_PARTS} when somebody was refused. */
  readonly parts: number;
}

/**
 * How long a share is leased, in ms. The slower an endpoint, the longer, so that leases stay few beside calls. All
 * processes have to come to the same, so only the configured limits count.
 */
export function windowMsOf({ requestsPerMinute, tokensPerMinute }: RateLimits): number {
  const perSecond = Math.min(
    (requestsPerMinute ?? Number.POSITIVE_INFINITY) / 60,
    (tokensPerMinute ?? Number.POSITIVE_INFINITY) / 60 / CALL_TOKENS,
  );
  if (perSecond >= 500) return perSecond === Number.POSITIVE_INFINITY ? 10_000 : 5_000;
  if (perSecond >= 100) return 10_000;
  return perSecond >= 10 ? 30_000 : 60_000;
}

/** What has to be added in the store to ask for so many parts. @param isFirst this process has not asked for the window */
export function toCount(parts: number, isFirst: boolean): number {
  return parts + (isFirst ? ONE_PROCESS : 0);
}

export function fromCount(count: number): WindowCount {
  const processes = Math.floor(count / ONE_PROCESS);
  return { processes, parts: count - processes * ONE_PROCESS };
}

/** What of `asked` was there, when the store's count after it is `parts`. */
export function grantedOf(asked: number, parts: number): number {
  return Math.max(0, Math.min(asked, asked - (parts - GIVEN_PARTS)));
}

/** Parts that nobody has asked for. */
export function freeOf({ parts }: WindowCount): number {
  return Math.max(0, GIVEN_PARTS - parts);
}

/** An equal share among so many processes, in parts. */
export function fairParts(processes: number): number {
  return Math.floor(GIVEN_PARTS / Math.max(1, processes));
}

/**
 * What a process wants of the next window, in parts: a little more than it used, all when calls had to wait, nothing when
 * there were none.
 */
export function wantedParts({ used, isShort }: { readonly used: number; readonly isShort: boolean }): number {
  if (isShort) return GIVEN_PARTS;
  return used === 0 ? 0 : Math.min(GIVEN_PARTS, Math.ceil(used * 1.25 * PARTS) + PARTS / 100);
}
