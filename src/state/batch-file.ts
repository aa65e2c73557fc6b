import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Item } from "../item.ts";
import type { FileSystem } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import type { StateIdentity } from "./identity.ts";

interface BatchContent extends StateIdentity {
  readonly format: 1;
  readonly batchId: string;
  readonly items: readonly Item[];
}

/** Files of settled batches that are kept to be written again. */
const KEPT_FILES = 256;
/** Stands over the beginning of a file whose batch is settled. */
const SETTLED = "settled\n";

/**
 * Batch files: the extracted text of up to `--batch-size` items, written before any of them is asked. Hints that the
 * source can rebuild, so they are not synced. A file whose items are all settled says so and takes a later batch: making
 * and removing a file costs several times more than writing over one. {@link trim} removes the ones nobody needs.
 */
export class BatchFiles {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #identity: StateIdentity;
  readonly #made = new Set<string>();
  /** Batches saved here with items that are not settled: how many, and in which file. */
  readonly #open = new Map<string, { left: number; readonly path: string }>();
  #free: string[] = [];

  constructor(files: FileSystem, folder: string, identity: StateIdentity) {
    this.#files = files;
    this.#folder = folder;
    this.#identity = identity;
  }

  async save(batchId: string, items: readonly Item[]): Promise<void> {
    const content: BatchContent = { format: 1, ...this.#identity, batchId, items };
    const frame = encodeFrame(1, JSON.stringify(content));
    const free = this.#free.pop();
    const path = free ?? (await this.#newPath(batchId));
    this.#open.set(batchId, { left: items.length, path });
    await (free === undefined ? this.#files.write(path, frame) : this.#files.overwrite(path, frame));
  }

  /** One more item of the batch is settled: the file is free with the last of them. */
  async settle(batchId: string): Promise<void> {
    const batch = this.#open.get(batchId);
    if (batch === undefined) return;
    batch.left -= 1;
    if (batch.left <= 0) await this.remove(batchId);
  }

  async remove(batchId: string): Promise<void> {
    const path = this.#open.get(batchId)?.path;
    if (path === undefined) return;
    this.#open.delete(batchId);
    if (this.#free.length >= KEPT_FILES) return await this.#files.removeFile(path);
    await this.#files.overwrite(path, SETTLED);
    this.#free.push(path);
  }

  /** Removes the files of settled batches: for times without work. */
  async trim(): Promise<void> {
    const free = this.#free;
    this.#free = [];
    for (const path of free) await this.#files.removeFile(path);
  }

  /** Reads what an earlier process left, batch by batch. Damaged, foreign or newer files are skipped: the source has their items. */
  async *leftovers(): AsyncGenerator<{ path: string; items: readonly Item[] | null }> {
    for (const folder of await this.#files.list(this.#folder)) {
      for (const name of await this.#files.list(join(this.#folder, folder))) {
        const path = join(this.#folder, folder, name);
        const data = await this.#files.read(path);
        if (data?.subarray(0, SETTLED.length).toString("latin1") === SETTLED) continue;
        const frame = data === null ? undefined : decodeFrames(data).next().value;
        const content = frame?.kind === "record" ? (JSON.parse(frame.json) as BatchContent) : null;
        yield { path, items: content !== null && this.#isOurs(content) ? content.items : null };
      }
    }
  }

  /** Removes every batch file. */
  async clear(): Promise<void> {
    await this.#files.remove(this.#folder);
    this.#made.clear();
    this.#open.clear();
    this.#free = [];
  }

  #isOurs(content: BatchContent): boolean {
    const { tenant, job, range } = this.#identity;
    return content.format === 1 && content.tenant === tenant && content.job === job && content.range === range;
  }

  async #newPath(batchId: string): Promise<string> {
    const hash = createHash("sha256").update(batchId).digest("hex");
    const folder = join(this.#folder, hash.slice(0, 2));
    if (!this.#made.has(folder)) {
      await this.#files.makeFolder(folder);
      this.#made.add(folder);
    }
    // A name from outside could lead out of the folder, or be too long for it.
    const name = /^[\w-]{1,100}$/.test(batchId) ? batchId : hash;
    return join(folder, `${name}.json`);
  }
}
