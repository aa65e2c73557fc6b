import type { Clocks } from "../clocks.ts";
import type { Events } from "../events.ts";
import type { Fingerprint } from "../job.ts";
import type { Answers } from "../lanes/answers.ts";
import type { Recorder } from "../recorder.ts";
import type { Sink } from "../sink.ts";
import type { SourceReader } from "../source-reader.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Checkpoint } from "../state/checkpoint.ts";
import { unwritable } from "../state/guarded-files.ts";
import type { Journal } from "../state/journal.ts";

export interface CheckpointKeeperOptions extends Clocks {
  readonly manager: BatchFileManager;
  readonly journal: Journal;
  readonly recorder: Recorder;
  readonly sink: Sink;
  readonly reader: SourceReader;
  /** Written before a checkpoint: the journal that would bring them back may go after it. */
  readonly answers: Pick<Answers, "flush"> | null;
  readonly events: Events;
  readonly executionId: string;
  readonly fingerprint: Fingerprint;
  readonly before: Checkpoint | null;
  readonly suspects: Checkpoint["suspects"];
  /** Settled items between two checkpoints. */
  readonly interval: number;
  readonly startedAt: string;
  readonly onError: (error: unknown) => void;
}

/** Never more than one checkpoint in this time. */
const MINIMUM_MS = 250;
const WATCH_MS = 1_000;

/** Saves checkpoints as items settle, and lets journal segments go that are stored and behind two of them. */
export class CheckpointKeeper {
  readonly #options: CheckpointKeeperOptions;
  #generation: number;
  #settled = 0;
  #lastMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #watching: NodeJS.Timeout | null = null;
  #saving: Promise<void> | null = null;
  /** Stored up to here at the checkpoint before. */
  #lastSunkSeq = 0;
  #lastEnd: Checkpoint["lastEnd"];
  #ended = false;

  constructor(options: CheckpointKeeperOptions) {
    this.#options = options;
    this.#generation = options.before?.generation ?? 0;
    this.#lastEnd = options.before?.lastEnd ?? null;
  }

  /** An item was settled: a checkpoint may be due. */
  settled(): void {
    this.#settled += 1;
    if (this.#settled < this.#options.interval || this.#saving !== null || this.#timer !== null || this.#ended) return;
    const waitMs = Math.max(0, this.#lastMs + MINIMUM_MS - this.#options.steadyNow());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#saving ??= this.save("running")
        .catch(this.#options.onError)
        .finally(() => {
          this.#saving = null;
        });
    }, waitMs);
  }

  /**
   * Looks every second whether the journal's folder is still there: a process goes on writing to a file that was removed,
   * and nothing of it would be found again.
   */
  watch(): void {
    const { manager, onError } = this.#options;
    this.#watching = setInterval(async () => {
      const segments = await manager.files.list(manager.journalFolder).catch(() => []);
      if (segments.length > 0 || this.#watching === null) return;
      this.close();
      onError(unwritable(manager.folder, new Error("it was removed or moved while this run worked on it")));
    }, WATCH_MS).unref();
  }

  /** @throws QuerymillError STATE_UNWRITABLE */
  async end(lastEnd: NonNullable<Checkpoint["lastEnd"]>): Promise<void> {
    this.#ended = true;
    this.close();
    await this.#saving;
    this.#lastEnd = lastEnd;
    const { journal } = this.#options;
    // A broken journal holds what it acknowledged, and that is all the checkpoint tells of.
    if (journal.failure === null) await journal.flush();
    await this.save("ended");
  }

  /** Saves and watches no more. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#watching !== null) clearInterval(this.#watching);
    this.#watching = null;
  }

  async save(status: Checkpoint["status"]): Promise<void> {
    const { manager, journal, recorder, sink, reader, events, executionId, fingerprint, suspects, startedAt, now } =
      this.#options;
    await this.#options.answers?.flush();
    // A macrotask of its own: no acknowledged record is between journal, counts and sink.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#settled = 0;
    this.#lastMs = this.#options.steadyNow();
    this.#generation += 1;
    const { settled, cursor } = reader.progress();
    const sunkSeq = sink.sunkSeq();
    const checkpoint: Checkpoint = {
      format: 1,
      ...manager.identity,
      generation: this.#generation,
      executionId,
      status,
      fingerprint,
      cursor,
      settled,
      stateSeq: recorder.appliedSeq,
      sunkSeq,
      state: recorder.state,
      suspects,
      startedAt,
      savedAt: new Date(now()).toISOString(),
      lastEnd: this.#lastEnd,
    };
    await manager.saveCheckpoint(checkpoint);
    await journal.release(this.#lastSunkSeq);
    this.#lastSunkSeq = sunkSeq;
    events.emit("checkpoint:saved", { executionId, settled, generation: this.#generation });
  }
}
