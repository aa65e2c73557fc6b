import type { EndpointNews } from "../traffic/shared-endpoint.ts";

/** News of the endpoint with this key, as in its leases. */
export interface KeyedNews extends EndpointNews {
  readonly key: string;
}

/** The longest rest that is believed, in ms. */
const LONGEST_REST_MS = 3_600_000;

/** What was told, as far as it is one of ours: others may write to the same store. null: it is not. */
export function newsIn(text: string | undefined): KeyedNews | null {
  let told: Partial<KeyedNews> | null;
  try {
    told = JSON.parse(text ?? "null") as Partial<KeyedNews> | null;
  } catch {
    return null;
  }
  const { key, restMs, isRefused, requestsPerMinute = null, tokensPerMinute = null } = told ?? {};
  const isLimit = (value: unknown): boolean => value === null || (Number.isFinite(value) && (value as number) > 0);
  if (
    typeof key !== "string" ||
    typeof isRefused !== "boolean" ||
    !isLimit(requestsPerMinute) ||
    !isLimit(tokensPerMinute)
  )
    return null;
  if (typeof restMs !== "number" || !(restMs >= 0 && restMs <= LONGEST_REST_MS)) return null;
  return { key, restMs, isRefused, requestsPerMinute, tokensPerMinute };
}

/**
 * Counters that all processes of a fleet add to, and a way to tell each other something. What is in it may be lost at any
 * time. Every operation ends within seconds.
 */
export interface LeaseStore {
  /** Of the store's clock, in ms: the one that all processes have in common. */
  nowMs(): number;
  /** Adds to a counter that begins at 0 and is forgotten after `keptMs`. @returns the count after it */
  add(key: string, amount: number, keptMs: number): Promise<number>;
  tell(news: KeyedNews): Promise<void>;
  /** Called with what another process told. Some stores bring it at once, others within seconds. */
  onNews: (news: KeyedNews) => void;
  /** Commands and statements sent so far. */
  readonly operations: number;
  close(): Promise<void>;
}
