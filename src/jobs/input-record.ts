import type { Store } from "../store.ts";
import type { Doubled } from "./row-ids.ts";

/** What the store of a file's job remembers of the file. */
export interface InputRecord {
  /** Rows of the file that are stored, from the first on. */
  readonly rows: number;
  /** True when these were all. */
  readonly whole: boolean;
  /** SHA-256 of the file, hex; null for stdin. */
  readonly digest: string | null;
  readonly idColumn: string | null;
  /** Where the text of a row is, as `source.text`. */
  readonly mapping: string | readonly string[] | null;
  readonly doubled: Doubled;
}

const COLLECTION = "querymill_input";
const ID = "input";

/** @returns null when the store is not that of a file */
export async function readInputRecord(store: Store): Promise<InputRecord | null> {
  const [document] = await store.target(COLLECTION).readByKeys([JSON.stringify(ID)]);
  return document === undefined ? null : (document as unknown as InputRecord);
}

export async function writeInputRecord(store: Store, record: InputRecord): Promise<void> {
  await store.insert(COLLECTION, [{ _id: ID, ...record }]);
}
