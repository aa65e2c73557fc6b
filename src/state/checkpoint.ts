import { join } from "node:path";
import type { ExecutionEnd } from "../events.ts";
import type { Fingerprint } from "../job.ts";
import type { JobState } from "../outcome.ts";
import type { Cursor } from "../store.ts";
import { type FileSystem, replaceFile } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import { refuseForeign, type StateIdentity } from "./identity.ts";

/** What a job remembers between executions, beside its journal. A hint: the journal rebuilds all but the cursor. */
export interface Checkpoint extends StateIdentity {
  readonly format: 1;
  /** Grows by one with each checkpoint. */
  readonly generation: number;
  readonly executionId: string;
  /** `running` while an execution is under way: found by a start, it means an unclean death. */
  readonly status: "running" | "ended";
  readonly fingerprint: Fingerprint;
  /** Every item up to here is settled, without a gap; null before the first. */
  readonly cursor: Cursor | null;
  /** Items of this execution that are settled without a gap. */
  readonly settled: number;
  /** Every journal record up to here is applied in `state`. */
  readonly stateSeq: number;
  /** Every outcome up to here is stored and marked. */
  readonly sunkSeq: number;
  readonly state: JobState;
  /** Items that were in flight at crashes, and how often; `alone` counts crashes with nothing else in flight. */
  readonly suspects: Readonly<Record<string, { readonly crashes: number; readonly alone: number }>>;
  readonly startedAt: string;
  readonly savedAt: string;
  /** The last execution that ended. */
  readonly lastEnd: (ExecutionEnd & { readonly endedAt: string }) | null;
}

const GENERATIONS = ["checkpoint-0.json", "checkpoint-1.json"] as const;

/** Two files written in turn: while one is replaced, the other is whole. */
export class Checkpoints {
  readonly #files: FileSystem;
  readonly #folder: string;

  constructor(files: FileSystem, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  /** Durable when it returns. */
  async save(checkpoint: Checkpoint): Promise<void> {
    const name = GENERATIONS[checkpoint.generation % 2]!;
    await replaceFile(
      this.#files,
      join(this.#folder, name),
      encodeFrame(checkpoint.generation, JSON.stringify(checkpoint)),
    );
  }

  /**
   * @returns the newest good checkpoint, and the names of files that are damaged
   * @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's)
   */
  async load(identity: StateIdentity): Promise<{ checkpoint: Checkpoint | null; damaged: string[] }> {
    const damaged: string[] = [];
    let newest: Checkpoint | null = null;
    for (const name of GENERATIONS) {
      const path = join(this.#folder, name);
      const data = await this.#files.read(path);
      if (data === null) continue;
      const frame = decodeFrames(data).next().value;
      if (frame === undefined || frame.kind !== "record") {
        damaged.push(name);
        continue;
      }
      const checkpoint = JSON.parse(frame.json) as Checkpoint;
      refuseForeign(path, checkpoint, identity);
      if (newest === null || checkpoint.generation > newest.generation) newest = checkpoint;
    }
    return { checkpoint: newest, damaged };
  }
}
