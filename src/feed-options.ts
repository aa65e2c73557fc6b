import type { Clocks } from "./clocks.ts";
import type { Events } from "./events.ts";
import type { ItemKey } from "./item.ts";
import type { Mode } from "./job.ts";
import type { Answers } from "./lanes/answers.ts";
import type { Pause } from "./pause.ts";
import type { Plan, Planner } from "./plan.ts";
import type { Sink } from "./sink.ts";
import type { SourceReader } from "./source-reader.ts";
import type { RetryQueue } from "./state/retry-queue.ts";

export interface FeedOptions extends Clocks {
  readonly mode: Mode;
  readonly executionId: string;
  readonly batchSize: number;
  readonly intervalMs: () => number;
  /** Items of this execution in all; null for no limit. */
  readonly limit: number | null;
  /** Wait for retry queues at the end of batch mode, at most so long, in ms; null to leave them. */
  readonly retryWaitMs: number | null;
  /** Only what is due in the retry queue: the source is not read. */
  readonly retriesOnly: boolean;
  /** What waits in the retry queue is left there. */
  readonly leaveRetries: boolean;
  readonly planner: Planner;
  readonly reader: SourceReader;
  readonly retryQueue: RetryQueue;
  readonly sink: Sink;
  /** Resolves when what an earlier execution journaled is stored: until then the end is not known. */
  readonly recovered: Promise<void>;
  readonly events: Events;
  readonly answers: Answers | null;
  /** Keys of items that are read ahead, in flight or not stored yet. */
  readonly active: Set<ItemKey>;
  readonly pause: Pause;
  readonly stopping: AbortSignal;
  /** Before each pass over the source, with nothing in flight: others do what is too much for one. @default null */
  readonly shareOut?: (() => Promise<void>) | null;
  /** Items of one pass, after which it is looked again for others. @default no limit */
  readonly ownItems?: number;
}

/** How the feed sees the slots. */
export interface Slots {
  /** How many items may be in slots now. */
  capacity(): number;
  /** Items a second, lately. */
  rate(): number;
  /** Items between two attempts. */
  waiting(): number;
  /** True when no item is in a slot or between two attempts. */
  quiet(): boolean;
  /** Outcomes that need no slot: texts that are missing, records that only have to be written. */
  settle(settlements: Plan["settlements"]): Promise<void>;
  /** Items came, or there will be none. */
  wake(): void;
}

/** What the whole execution waits for. */
export interface Waiting {
  readonly reason: string;
  /** By the wall clock. */
  readonly untilMs: number;
  readonly items: number;
}
