import type { Clocks } from "../clocks.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import type { Events, StopReason } from "../events.ts";
import type { ItemKey } from "../item.ts";
import type { Fingerprint, JobSettings } from "../job.ts";
import type { Recorder } from "../recorder.ts";
import type { Sink } from "../sink.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { type GrowingState, type GrownPage, loadGrowing, saveGrowing } from "../state/growing.ts";
import { stopReasonOf } from "../stop-reason.ts";
import { insist } from "../traffic/insist.ts";
import type { StoreWatch } from "../traffic/store-watch.ts";
import type { Adapters } from "./adapters.ts";
import type { OpenJob } from "./open-job.ts";

export interface GrowingOptions extends Clocks {
  readonly manager: BatchFileManager;
  readonly settings: Pick<JobSettings, "job" | "mode" | "intervalSeconds" | "growing" | "retryOnly" | "watch">;
  readonly adapters: Pick<Adapters, "makeItem">;
  readonly open: Pick<OpenJob, "source" | "target" | "lease">;
  readonly recorder: Recorder;
  readonly sink: Pick<Sink, "landed">;
  readonly events: Events;
  readonly executionId: string;
  readonly fingerprint: Pick<Fingerprint, "mapping">;
  /** Keys of items that are read ahead, in flight or not stored yet. */
  readonly active: ReadonlySet<ItemKey>;
  readonly watch: StoreWatch;
  readonly signal: AbortSignal;
  /** Reads the source again soon: there are new unprocessed items. */
  readonly poke: () => void;
  /** Resolves when what was journaled is stored. */
  readonly recovered: Promise<void>;
  /** Tells the user at the start. */
  readonly note: (text: string) => void;
  /** Ends the run before it begins. */
  readonly stop: (reason: StopReason, message: string) => void;
}

/**
 * Finishes what an earlier process was about to do, whatever the settings say now. Before any other marks are taken away:
 * their groups share one count.
 * @returns how far looking for conversations that grew had come
 */
export async function finishPage(options: GrowingOptions): Promise<GrowingState | null> {
  const { manager, settings, open, recovered, watch, signal } = options;
  const { files, folder, identity } = manager;
  const before = await loadGrowing(files, folder, identity);
  if (before === null || before.page === null) return before;
  const { page } = before;
  const after = { ...before, page: null };
  await orStop(options, async () => {
    await recovered;
    const marks = await insist(() => open.source.settledBy(settings.job, page.keys), watch, signal);
    // What was classified since has its new record, and is left as it is.
    const rest = page.keys.filter((key) => marks.has(key) && (marks.get(key)?.atMs ?? 0) < page.atMs);
    await takePage(options, page, rest);
    await saveGrowing(files, folder, after);
  });
  return after;
}

/** Trouble of disk or store before the run begins is a reason to stop it. */
export async function orStop({ stop, signal }: GrowingOptions, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    const reason = error instanceof QuerymillError ? stopReasonOf(error.code) : undefined;
    if (reason !== undefined) stop(reason, messageOf(error));
    else if (!signal.aborted) throw error;
  }
}

/** Counts a group in the journal, then takes its marks away. @param keys of it that still have them */
export async function takePage(
  { recorder, open, watch, signal }: GrowingOptions,
  page: GrownPage,
  keys = page.keys,
): Promise<void> {
  const { number, outcome } = page;
  if (number !== null && outcome !== "deadLetter")
    await recorder.unmarked({ page: number, outcome, items: page.keys.length });
  await insist(() => open.lease.confirm().then(() => open.source.unmark(keys)), watch, signal);
}
