import { type JobSettings, mappingHash, type TextMapping } from "../job.ts";
import type { RedactionSettings } from "../redaction/kinds.ts";
import type { Store } from "../store.ts";
import type { Doubled } from "./row-ids.ts";

/** How texts of the file were read once. */
export interface Reading {
  /** As `mappingHash`. */
  readonly hash: string;
  readonly mapping: TextMapping;
  readonly redaction: RedactionSettings;
}

/** What the store of a file's job remembers of the file. */
export interface InputRecord {
  /** Rows of the file that are stored, from the first on. */
  readonly rows: number;
  /** True when these were all. */
  readonly whole: boolean;
  /** SHA-256 of the file, hex; null for stdin. */
  readonly digest: string | null;
  readonly idColumn: string | null;
  /** The ways in which its texts were read, each once, the latest last. */
  readonly readings: readonly Reading[];
  readonly doubled: Doubled;
}

const COLLECTION = "querymill_input";
const ID = "input";
/** Readings kept. */
const MOST_READINGS = 8;

/** @returns null when the store is not that of a file */
export async function readInputRecord(store: Store): Promise<InputRecord | null> {
  const [document] = await store.target(COLLECTION).readByKeys([JSON.stringify(ID)]);
  return document === undefined ? null : (document as unknown as InputRecord);
}

export async function writeInputRecord(store: Store, record: InputRecord): Promise<void> {
  await store.insert(COLLECTION, [{ _id: ID, ...record }]);
}

/** @returns the readings with that of these settings as the latest; the same list when it is so already */
export function withReading(readings: readonly Reading[], settings: JobSettings): readonly Reading[] {
  const hash = mappingHash(settings);
  if (readings.at(-1)?.hash === hash) return readings;
  const { mapping, redaction } = settings;
  const others = readings.filter((reading) => reading.hash !== hash);
  return [...others.slice(1 - MOST_READINGS), { hash, mapping, redaction }];
}
