import { EJSON } from "bson";
import { QuerymillError } from "../errors.ts";
import type { ItemKey } from "../item.ts";
import type { MarkFields } from "../job.ts";
import type {
  Cursor,
  MarkGroup,
  Page,
  SettledMark,
  Source,
  SourceDocument,
  SourceInspection,
  SourceOptions,
  UpdatedDocument,
} from "../store.ts";
import { valueAt } from "./document-path.ts";
import { collectionMissing, nearestNames } from "./missing-collection.ts";
import { bodyOf, documentOf } from "./sqlite-body.ts";
import type { RowsToMark } from "./sqlite-documents.ts";
import type { Row } from "./sqlite-pages.ts";
import type { Ask } from "./sqlite-thread.ts";
import { timeOf, updatedAtOf } from "./updated-at.ts";

/** Rows of one page of changed documents. */
const UPDATED_AT_ONCE = 500;

/** Reads in the order of insertion. */
export class SqliteSource implements Source {
  readonly #ask: Ask;
  readonly #options: SourceOptions;
  readonly #place: string;

  /** @param place the file's path, for messages */
  constructor(ask: Ask, options: SourceOptions, place: string) {
    for (const name of Object.values(options.mark ?? {})) {
      if (/["\\]/.test(name) || name.split(".").includes(""))
        throw new QuerymillError(
          "USAGE",
          `"${name}" cannot be the name of a mark field. Use letters, digits, _ and dots.`,
        );
    }
    this.#ask = ask;
    this.#options = options;
    this.#place = place;
  }

  async prepare(): Promise<readonly string[]> {
    await this.#checkExists();
    const { collection, mark, updatedAt = null } = this.#options;
    if (mark !== null) await this.#ask("buildIndex", collection, mark);
    if (updatedAt === null) return [];
    // A file that is only read gets no index.
    if (mark === null) return [`Looking for changed documents goes through all of ${collection} at each poll.`];
    await this.#ask("buildUpdatedIndex", collection, updatedAt);
    return [];
  }

  async inspect(): Promise<SourceInspection> {
    await this.#checkExists();
    const { collection, mark } = this.#options;
    const documents = await this.#ask("count", collection);
    const indexed = mark === null || (await this.#ask("isIndexed", collection, mark));
    return { documents, indexed, mayBuildIndex: true, notMarkable: null };
  }

  async countUnprocessed(maxMs: number): Promise<number | null> {
    const { collection, mark } = this.#options;
    return await this.#ask("countUnprocessed", collection, mark, this.#filterText(), maxMs);
  }

  async readUnprocessed(after: Cursor | null, limit: number): Promise<Page> {
    const { collection, mark } = this.#options;
    const page = await this.#ask("readUnprocessed", collection, mark, this.#filterText(), Number(after ?? 0), limit);
    return { documents: page.rows.map((row) => this.#documentOf(row)), cursor: String(page.seq), last: page.last };
  }

  async sample(size: number, maxMs = 10_000): Promise<readonly SourceDocument[]> {
    const { collection, mark } = this.#options;
    const rows = await this.#ask("sample", collection, mark, this.#filterText(), size, maxMs);
    return rows.map((row) => this.#documentOf(row));
  }

  async readMarked(by: Pick<MarkGroup["by"], "job" | "outcome">, after: Cursor | null, limit: number): Promise<Page> {
    const { collection } = this.#options;
    const marked = { mark: markOf(this.#options), job: by.job, outcome: by.outcome };
    const page = await this.#ask("readMarked", collection, marked, this.#filterText(), Number(after ?? 0), limit);
    return { documents: page.rows.map((row) => this.#documentOf(row)), cursor: String(page.seq), last: page.last };
  }

  async settledBy(job: string, keys: readonly ItemKey[]): Promise<ReadonlyMap<ItemKey, SettledMark>> {
    const mark = markOf(this.#options);
    const rows = await this.#ask("marked", this.#options.collection, mark, job, keys);
    return new Map(rows.map(({ key, body }) => [key, markIn(documentOf(key, body), mark)]));
  }

  async *readUpdated(job: string, sinceMs: number): AsyncGenerator<readonly UpdatedDocument[]> {
    const { collection, mark, updatedAt } = this.#options;
    const path = updatedAt!;
    for (let after = 0, last = false; !last; ) {
      const wanted = { path, mark, job, sinceMs };
      const page = await this.#ask("readUpdated", collection, wanted, this.#filterText(), after, UPDATED_AT_ONCE);
      ({ seq: after, last } = page);
      yield page.rows.map(({ key, body }) => {
        const document = documentOf(key, body);
        return {
          key,
          updatedAtMs: updatedAtOf(document, path),
          mark: mark === null ? null : markIn(document, mark),
        };
      });
    }
  }

  async readByKeys(keys: readonly ItemKey[]): Promise<readonly SourceDocument[]> {
    const rows = await this.#ask("readByKeys", this.#options.collection, keys);
    return rows.map((row) => this.#documentOf(row));
  }

  async mark(groups: readonly MarkGroup[]): Promise<void> {
    const { processed, processedAt, processedBy } = markOf(this.#options);
    const rows = groups.map(({ keys, at, by }): RowsToMark => {
      const { time } = JSON.parse(bodyOf({ time: at }));
      const fields = { [processed]: "true", [processedAt]: JSON.stringify(time), [processedBy]: JSON.stringify(by) };
      return { keys, fields };
    });
    await this.#ask("mark", this.#options.collection, rows);
  }

  async unmark(keys: readonly ItemKey[]): Promise<void> {
    const fields = Object.fromEntries(Object.values(markOf(this.#options)).map((name) => [name, null]));
    await this.#ask("mark", this.#options.collection, [{ keys, fields }]);
  }

  async #checkExists(): Promise<void> {
    const wanted = this.#options.collection;
    const names = await this.#ask("names");
    if (names.includes(wanted)) return;
    const nearest = nearestNames(wanted, names).map(async (name) => ({
      name,
      documents: await this.#ask("count", name),
    }));
    throw collectionMissing(wanted, this.#place, await Promise.all(nearest));
  }

  #documentOf({ key, body }: Row): SourceDocument {
    const document = documentOf(key, body);
    const { fields } = this.#options;
    if (fields === null) return document;
    const wanted = fields.filter((name) => Object.hasOwn(document, name)).map((name) => [name, document[name]]);
    return { _id: document._id, ...Object.fromEntries(wanted) };
  }

  /** Dates and ids lose their class on the way to a thread, so the filter goes as text. */
  #filterText(): string | null {
    const { filter } = this.#options;
    return filter === null ? null : EJSON.stringify(filter, { relaxed: false });
  }
}

function markIn(document: SourceDocument, { processedAt, processedBy }: MarkFields): SettledMark {
  return {
    outcome: valueAt(document, `${processedBy}.outcome`) as SettledMark["outcome"],
    atMs: timeOf(valueAt(document, processedAt)),
  };
}

/** Only what reads and writes marks may ask for their fields. */
function markOf({ mark }: SourceOptions): MarkFields {
  if (mark === null) throw new Error("this source is read without marks");
  return mark;
}
