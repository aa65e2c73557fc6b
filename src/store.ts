import type { FleetStore } from "./cluster/ports.ts";
import type { Correction, CorrectionResult, UndoResult } from "./correction.ts";
import type { Filter } from "./filter.ts";
import type { ItemKey } from "./item.ts";
import type { MarkFields, RangeSettings } from "./job.ts";
import type { ClassificationRecord } from "./record.ts";
import type { RecordOrder, RecordSelection } from "./selection.ts";

/** A document of the source: any shape; `_id` of any BSON type. */
export type SourceDocument = Readonly<Record<string, unknown>> & { readonly _id: unknown };

/** Where reading goes on: opaque text made by the store that reads it. null is the start. */
export type Cursor = string;

/** What one job reads, fixed when its source is opened. */
export interface SourceOptions {
  readonly collection: string;
  /** null: documents carry no marks, all of them are unprocessed, and nothing is written to them. */
  readonly mark: MarkFields | null;
  /** Which unprocessed documents, in the checked grammar of `filter.ts`; null for all. */
  readonly filter: Filter | null;
  /** Top-level fields that are needed (`_id` is always there); null for whole documents. */
  readonly fields: readonly string[] | null;
  /** Path to when a document was last changed; `prepare` looks for an index on it, or builds it. @default null */
  readonly updatedAt?: string | null;
  /** Only documents with these ids are read; null: all. @default null */
  readonly range?: Pick<RangeSettings, "from" | "to"> | null;
}

export interface Page {
  readonly documents: readonly SourceDocument[];
  /** Behind the last document of this page. */
  readonly cursor: Cursor;
  /** True when nothing lay behind the page when it was read. */
  readonly last: boolean;
}

export interface MarkGroup {
  readonly keys: readonly ItemKey[];
  readonly at: Date;
  readonly by: {
    readonly job: string;
    readonly executionId: string;
    readonly outcome: "classified" | "skipped" | "deadLetter";
  };
}

/** What a job noted of an item that it settled. */
export interface SettledMark {
  readonly outcome: MarkGroup["by"]["outcome"];
  /** When, epoch ms; null when that is not known. */
  readonly atMs: number | null;
}

/** A document that says when it was changed. */
export interface UpdatedDocument {
  readonly key: ItemKey;
  /** Epoch ms. */
  readonly updatedAtMs: number | null;
  /** null where documents carry no marks. */
  readonly mark: SettledMark | null;
}

/** How well a source serves a job. */
export interface SourceInspection {
  /** All documents, marked or not; an estimate where counting is slow. */
  readonly documents: number;
  /** True when an index lets reading pass finished documents by. */
  readonly indexed: boolean;
  /** Whether `prepare` could build the index; null when that cannot be told. */
  readonly mayBuildIndex: boolean | null;
  /** Why the mark cannot be written, completing `because …`; null when it can. */
  readonly notMarkable: string | null;
}

/** A change of the source that somebody else made: never our own marks. */
export interface SourceChange {
  readonly key: ItemKey;
  /** `new`: came, or lost its mark; `text`: a marked document was changed or replaced; `pending`: one without a mark was. */
  readonly kind: "new" | "text" | "pending";
}

export interface WatchOptions {
  /** Opaque, from an earlier watch; null: from now on. */
  readonly resumeAfter: string | null;
  readonly signal: AbortSignal;
  /** Called with changes (possibly none: then only the token moved on). No more are read until it resolves. */
  readonly onChanges: (changes: readonly SourceChange[], resumeToken: string) => void | Promise<void>;
  /** Called when watching began (again): null; and when it broke off: why. It comes back by itself. */
  readonly onState: (trouble: string | null) => void;
}

/** The side that is read and marked. */
export interface Source {
  /**
   * Finds out what works before anything is spent: that the collection exists, the mark may be written, the index is
   * there (built when allowed).
   * @returns sentences to tell the user, e.g. that it works without an index and so slower
   * @throws QuerymillError COLLECTION_MISSING (with the nearest names), SOURCE_NOT_MARKABLE
   */
  prepare(): Promise<readonly string[]>;
  /**
   * Finds out the same and changes nothing.
   * @throws QuerymillError COLLECTION_MISSING
   */
  inspect(): Promise<SourceInspection>;
  /** @returns how many are unprocessed, or null when counting would take longer than `maxMs` */
  countUnprocessed(maxMs: number): Promise<number | null>;
  /** A page of unprocessed documents in a stable total order, each once, behind `after`. Missing, null and `false` marks all count as unprocessed. */
  readUnprocessed(after: Cursor | null, limit: number): Promise<Page>;
  /**
   * At most `size` unprocessed documents drawn at random over all of them, each once; fewer only when there are fewer.
   * @param maxMs after so long it settles for a rougher draw. @default 10_000
   */
  sample(size: number, maxMs?: number): Promise<readonly SourceDocument[]>;
  /** A page of documents that a job marked with this outcome, in a stable order behind `after`. Marking and unmarking meanwhile moves none of the others. */
  readMarked(by: Pick<MarkGroup["by"], "job" | "outcome">, after: Cursor | null, limit: number): Promise<Page>;
  /** Which of these documents a job has settled, and how. */
  settledBy(job: string, keys: readonly ItemKey[]): Promise<ReadonlyMap<ItemKey, SettledMark>>;
  /**
   * Documents that a job has settled and that say (`SourceOptions.updatedAt`) they were changed after `sinceMs`, in no
   * order, in pages as they come; some may be older. Begin anew when it breaks off.
   */
  readUpdated(job: string, sinceMs: number): AsyncIterable<readonly UpdatedDocument[]>;
  /**
   * Where a part of about `size` unprocessed documents ends that begins with the id `from`, found along the index without
   * reading them all. `to` null: behind the last one. @returns null when nothing lies there. Missing where a source
   * cannot be worked on by several machines.
   */
  cut?(from: ItemKey | null, size: number): Promise<{ readonly to: ItemKey | null; readonly items: number } | null>;
  /** How many documents of the range these executions settled, by outcome. Missing where only the records know. */
  settledIn?(job: string, executionIds: readonly string[]): Promise<Record<MarkGroup["by"]["outcome"], number>>;
  /** The documents with these keys that still exist, in any order, marked or not. */
  readByKeys(keys: readonly ItemKey[]): Promise<readonly SourceDocument[]>;
  /** Marks settled items. Doing it twice changes nothing. Keys that no longer exist are ignored. */
  mark(groups: readonly MarkGroup[]): Promise<void>;
  /** Takes the marks away, so that the items are read again. */
  unmark(keys: readonly ItemKey[]): Promise<void>;
  /**
   * Where a record is the mark itself: its items changed while they were classified and have to be read again. Missing
   * where an item that is not marked is read again anyway.
   */
  reopen?(keys: readonly ItemKey[]): Promise<void>;
  /**
   * Tells of changes that others make, until the signal. Missing where the store has no such thing. Resolves early when
   * this server has none either: `onState` has said why.
   */
  watch?(options: WatchOptions): Promise<void>;
}

/** What became of one guarded write. */
export type WriteResult =
  | { readonly key: ItemKey; readonly status: "written" }
  /** A person decided it: our record went to its `modelSuggestion`. */
  | { readonly key: ItemKey; readonly status: "kept-person" }
  /** A higher fence is there: we are no longer the owner and must stop. */
  | { readonly key: ItemKey; readonly status: "fenced" }
  /** The store refuses this one document for good (too large, validator). */
  | { readonly key: ItemKey; readonly status: "refused"; readonly message: string };

export interface RecordToWrite {
  readonly key: ItemKey;
  readonly record: ClassificationRecord;
}

/** What is known of an item that the target already has. */
export interface Settled {
  readonly key: ItemKey;
  readonly contentHash: string | null;
  readonly taxonomyVersion: string | null;
  readonly promptVersion: string | null;
  readonly model: string | null;
  /** What was asked for, where the server answered under an unrelated name; else null. */
  readonly requestedModel: string | null;
  readonly decidedBy: string | null;
  readonly executionId: string | null;
}

export interface FindOptions {
  readonly selection: RecordSelection;
  readonly order: RecordOrder;
  /** The `next` of an earlier page of the same order; null for the first. */
  readonly after: Cursor | null;
  /** Records of a page, integer >= 1. */
  readonly limit: number;
  /** After so long it gives what it has. */
  readonly maxMs: number;
}

/** Records in order, each once; one that is there all the time is on one of the pages, whatever comes and goes meanwhile. */
export interface RecordPage {
  readonly documents: readonly SourceDocument[];
  /** Where to go on; null when nothing lies behind. There may be less than a page although more follow. */
  readonly next: Cursor | null;
  /** `id` where the index of another order is missing. */
  readonly order: RecordOrder;
}

/** How many records there are; `atLeast` when counting was broken off. */
export interface RecordCount {
  readonly items: number;
  readonly atLeast: boolean;
}

/** Labels counted over the records of one stretch of time. */
export interface TimelineBucket {
  readonly total: number;
  /** By field, then by label; of a list each entry counts. What is null or missing is not counted. */
  readonly labels: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Looking through the records of a target. Never sorts in memory, never passes records over by counting from the start. */
export interface RecordSearch {
  /**
   * Looks for the indexes of these orders, and builds those that are missing where that is allowed and holds
   * nobody up.
   * @returns a sentence for each that is missing still
   */
  prepare(): Promise<readonly string[]>;
  /** @throws QuerymillError USAGE for a cursor that is none of this order */
  find(options: FindOptions): Promise<RecordPage>;
  /** @param atMost counting stops there @returns null when nothing is known in time */
  count(selection: RecordSelection, atMost: number, maxMs: number): Promise<RecordCount | null>;
  /**
   * Counts the records of an execution that a person decided since, by who had decided before (`model`, `cache`).
   * @returns null when that is not known in time, or has no index yet: see {@link prepare}
   */
  countByPersons(executionId: string, maxMs: number): Promise<Readonly<Record<string, number>> | null>;
  /**
   * Counts labels by when the records were classified.
   * @param boundsMs ascending, at least two: each stretch reaches from one to the next, which it excludes
   * @returns one for each stretch, the last ones first in the making; null for those that there was no time for
   */
  timeline(
    fields: readonly string[],
    boundsMs: readonly number[],
    maxMs: number,
  ): Promise<readonly (TimelineBucket | null)[]>;
}

/** The side that is written. */
export interface Target {
  readonly search: RecordSearch;
  /**
   * Guarded upsert of each record by its key (`$set` of our fields only). Resending is harmless. A record of another
   * answer that it replaces is kept first, in the collection of `history.ts`.
   * @returns one result per record, in order
   */
  write(records: readonly RecordToWrite[]): Promise<readonly WriteResult[]>;
  /** Which of these keys have a record. */
  existing(keys: readonly ItemKey[]): Promise<ReadonlySet<ItemKey>>;
  findSettled(keys: readonly ItemKey[]): Promise<readonly Settled[]>;
  /** Whole records by key, with `_id`. */
  readByKeys(keys: readonly ItemKey[]): Promise<readonly SourceDocument[]>;
  /** What was replaced of an item, oldest first: documents of `history.ts`. */
  history(key: ItemKey): Promise<readonly SourceDocument[]>;
  /** Writes what people decided; no write of a run undoes it. Doing it twice changes nothing. @returns one result per correction, in order */
  correct(corrections: readonly Correction[], at: Date): Promise<readonly CorrectionResult[]>;
  /** Takes a decision back that was the last one on this sheet: the model's answer holds again, unless something came after. */
  uncorrect(key: ItemKey, sheet: string): Promise<UndoResult>;
  /** Records in key order for export, page by page. */
  readAll(after: Cursor | null, limit: number): Promise<Page>;
  count(): Promise<number>;
  /** Whether there is a record with an id of this part of the source. Missing where nothing is worked on in parts. */
  hasWithin?(range: Pick<RangeSettings, "from" | "to">): Promise<boolean>;
}

/** Who may write a target. One document per target; the token grows with every takeover. */
export interface LeaseHolder {
  readonly job: string;
  /** Identity of the local state folder: a new process on the same folder, which holds its lock, takes over at once. */
  readonly ownerId: string;
  readonly host: string;
  readonly pid: number;
  readonly executionId: string;
  /** It only shares the target out: others may hold ranges of it. @default false */
  readonly fleet?: boolean;
}
export type LeaseResult =
  | { readonly status: "held"; readonly fence: number }
  /** Another job writes this target. */
  | { readonly status: "other-job"; readonly holder: LeaseHolder }
  /** Another process holds this job; `expiresInMs` by the store's clock. */
  | { readonly status: "busy"; readonly holder: LeaseHolder; readonly expiresInMs: number };

export interface Lease {
  /** Takes the lease of `target` by the store's own clock, if it is free, expired, or held by the same `ownerId`. */
  acquire(target: string, holder: LeaseHolder, ttlMs: number): Promise<LeaseResult>;
  /** @returns false when it is no longer ours: stop at once */
  renew(target: string, ownerId: string, fence: number, ttlMs: number): Promise<boolean>;
  /** Lets it go; the token stays, so that the next holder's is higher. */
  release(target: string, ownerId: string, fence: number): Promise<void>;
  /** Forgets that the target belongs to a job. */
  forget(target: string): Promise<void>;
  /** The target is gone, and with it all that is known of who wrote it. */
  remove(target: string): Promise<void>;
  /**
   * The lease of one range of a target: held beside others, and only while no process holds the target for itself. Its
   * fence comes from the target's counter. Missing where the store is one machine's.
   */
  ofRange?(range: string): Pick<Lease, "acquire" | "renew" | "release">;
  /** Looks without taking: null when no job has written the target yet. `holder` is null when nobody holds it now. */
  look(target: string): Promise<{ readonly job: string; readonly holder: LeaseHolder | null } | null>;
}

/** A collection with its documents; null when counting them takes too long or is not allowed. */
export interface CollectionSize {
  readonly name: string;
  readonly documents: number | null;
}

/** A connection to one database. Adapters: `stores/mongodb.ts`, `stores/sqlite.ts`. */
export interface Store {
  readonly kind: "mongodb" | "sqlite";
  /** Printable, never with credentials: `mongodb://host/db` or the file's path. */
  readonly address: string;
  /** `mongodb 8.0 replica set`, `sqlite 3.53`, … for `doctor` and logs. */
  readonly description: string;
  /** Address and description of the store that documents are read from, when that is another one. */
  readonly sourceAddress?: string;
  readonly sourceDescription?: string;
  readonly lease: Lease;
  source(options: SourceOptions): Source;
  target(collection: string): Target;
  /** What a fleet keeps beside this target. Missing where the store is one machine's. */
  fleet?(target: string): FleetStore;
  /** Inserts documents as they are (demo, import); one whose `_id` exists replaces it, or is left out (`keep`). Creates the collection. @default "replace" */
  insert(collection: string, documents: readonly SourceDocument[], existing?: "replace" | "keep"): Promise<void>;
  /** The collection becomes what `by` is, at once; `by` is gone then. */
  replace(collection: string, by: string): Promise<void>;
  /** The collections that a person put there, by name, with their (estimated) documents; our own are left out. */
  collections(): Promise<readonly CollectionSize[]>;
  /** Removes a collection. */
  drop(collection: string): Promise<void>;
  close(): Promise<void>;
}
