import type { EndpointNews } from "../traffic/shared-endpoint.ts";

/** News of the endpoint with this key, as in its leases. */
export interface KeyedNews extends EndpointNews {
  readonly key: string;
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
