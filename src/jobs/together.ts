import type { ExecutionEnd } from "../events.ts";
import type { ItemKey } from "../item.ts";
import type { Fingerprint, JobSettings } from "../job.ts";
import type { Recorder } from "../recorder.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Source, Store } from "../store.ts";
import type { StoreWatch } from "../traffic/store-watch.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";

/** What is known of an execution once it holds its part of the job. */
export interface Held {
  readonly lease: LeaseKeeper;
  readonly store: Store;
  readonly source: Source;
  readonly manager: BatchFileManager;
  readonly executionId: string;
}

/** What an execution shares out. */
export interface Shared {
  /** As they are now: a budget may be given under way. */
  readonly settings: JobSettings;
  readonly open: Pick<Held, "store" | "source" | "lease">;
  readonly manager: BatchFileManager;
  readonly recorder: Recorder;
  readonly executionId: string;
  readonly fingerprint: Fingerprint;
  readonly watch: StoreWatch;
  readonly signal: AbortSignal;
}

/** An execution that works on a job together with others. */
export interface Together {
  /** It holds its part, and nothing was read yet. @throws QuerymillError JOB_HELD when somebody was faster */
  held?(held: Held): Promise<void>;
  /** Items that are somebody else's. */
  isKnown?(key: ItemKey): boolean;
  /** Items are not asked but end as dead letters, with this sentence. */
  readonly bury?: string | null;
  /** Before each pass over the source, with nothing in flight: has others do what is too much for one. */
  shareOut?(shared: Shared): Promise<void>;
  /** So many items of a pass it does itself, and then shares out again what there is. */
  readonly ownItems?: number;
  /** It is over, and still holds its part. */
  ended?(end: ExecutionEnd, manager: BatchFileManager): Promise<void>;
  /** Closes what {@link held} opened, whatever came of it. `held` may come again. */
  close?(): Promise<void>;
}
