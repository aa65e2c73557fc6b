import type { Events } from "../events.ts";
import type { Fingerprint } from "../job.ts";
import type { Recorder } from "../recorder.ts";
import type { Sink } from "../sink.ts";
import type { SourceReader } from "../source-reader.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Checkpoint } from "../state/checkpoint.ts";
import type { Journal } from "../state/journal.ts";

export interface CheckpointKeeperOptions {
  readonly manager: BatchFileManager;
  readonly journal: Journal;
  readonly recorder: Recorder;
  readonly sink: Sink;
  readonly reader: SourceReader;
  readonly events: Events;
  readonly executionId: string;
  readonly fingerprint: Fingerprint;
  readonly before: Checkpoint | null;
  readonly suspects: Checkpoint["suspects"];
  /** Settled items between two checkpoints. */
  readonly interval: number;
  readonly startedAt: string;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}

/** Never more than one checkpoint in this time. */
const MINIMUM_MS = 250;

/** Saves checkpoints as items settle, and lets journal segments go that are stored and behind two of them. */
export class CheckpointKeeper {
  readonly #options: CheckpointKeeperOptions;
  #generation: number;
  #settled = 0;
  #lastMs = 0;
  #timer: NodeJS.Timeout | null = null;
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
    const waitMs = Math.max(0, this.#lastMs + MINIMUM_MS - this.#options.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#saving ??= this.save("running")
        .catch(this.#options.onError)
        .finally(() => {
          this.#saving = null;
        });
    }, waitMs);
  }

  async end(lastEnd: NonNullable<Checkpoint["lastEnd"]>): Promise<void> {
    this.#ended = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#saving;
    this.#lastEnd = lastEnd;
    await this.#options.journal.flush();
    await this.save("ended");
  }

  async save(status: Checkpoint["status"]): Promise<void> {
    const { manager, journal, recorder, sink, reader, events, executionId, fingerprint, suspects, startedAt, now } =
      this.#options;
    // A macrotask of its own: no acknowledged record is between journal, counts and sink.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#settled = 0;
    this.#lastMs = now();
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
