import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { Item } from "../item.ts";
import type { FileSystem } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import type { StateIdentity } from "./identity.ts";

interface BatchContent extends StateIdentity {
  readonly format: 1;
  readonly batchId: string;
  readonly items: readonly Item[];
}

/**
 * Batch files: the extracted text of up to `--batch-size` items, written before any of them is asked. Hints that the
 * source can rebuild, so they are not synced; deleted once every item in them is settled.
 */
export class BatchFiles {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #identity: StateIdentity;
  readonly #made = new Set<string>();
  /** Items of each batch saved here that are not settled. */
  readonly #left = new Map<string, number>();

  constructor(files: FileSystem, folder: string, identity: StateIdentity) {
    this.#files = files;
    this.#folder = folder;
    this.#identity = identity;
  }

  async save(batchId: string, items: readonly Item[]): Promise<void> {
    const path = this.#path(batchId);
    const folder = dirname(path);
    if (!this.#made.has(folder)) {
      await this.#files.makeFolder(folder);
      this.#made.add(folder);
    }
    this.#left.set(batchId, items.length);
    const content: BatchContent = { format: 1, ...this.#identity, batchId, items };
    await this.#files.write(path, encodeFrame(1, JSON.stringify(content)));
  }

  /** One more item of the batch is settled: the file goes with the last of them. */
  async settle(batchId: string): Promise<void> {
    const left = (this.#left.get(batchId) ?? 1) - 1;
    if (left > 0) this.#left.set(batchId, left);
    else await this.remove(batchId);
  }

  async remove(batchId: string): Promise<void> {
    this.#left.delete(batchId);
    await this.#files.removeFile(this.#path(batchId));
  }

  /** Reads what an earlier process left, batch by batch. Damaged, foreign or newer files are skipped: the source has their items. */
  async *leftovers(): AsyncGenerator<{ path: string; items: readonly Item[] | null }> {
    for (const folder of await this.#files.list(this.#folder)) {
      for (const name of await this.#files.list(join(this.#folder, folder))) {
        const path = join(this.#folder, folder, name);
        const data = await this.#files.read(path);
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
    this.#left.clear();
  }

  #isOurs(content: BatchContent): boolean {
    const { tenant, job, range } = this.#identity;
    return content.format === 1 && content.tenant === tenant && content.job === job && content.range === range;
  }

  #path(batchId: string): string {
    const hash = createHash("sha256").update(batchId).digest("hex");
    // A name from outside could lead out of the folder, or be too long for it.
    const name = /^[\w-]{1,100}$/.test(batchId) ? batchId : hash;
    return join(this.#folder, hash.slice(0, 2), `${name}.json`);
  }
}
