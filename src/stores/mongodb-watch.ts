import { setTimeout as delay } from "node:timers/promises";
import { EJSON } from "bson";
import { type ChangeStream, type Collection, type Document, MongoServerError } from "mongodb";
import { messageOf } from "../errors.ts";
import { keyOf } from "../item.ts";
import type { SourceChange, SourceOptions, WatchOptions } from "../store.ts";
import type { StoreErrors } from "./mongodb-errors.ts";
import { changesPipeline } from "./mongodb-watch-pipeline.ts";

/** What the pipeline leaves of an event. */
interface SourceEvent extends Document {
  readonly operationType: "insert" | "replace" | "update" | "invalidate";
  readonly documentKey?: { readonly _id: unknown };
  readonly marked?: boolean;
  readonly unmarks?: boolean;
}

/** Changes told together at most, and how long the first of them waits for others, in ms. */
const GROUP_CHANGES = 1_000;
const GROUP_MS = 50;
/** How long the server holds a question open when nothing happens, in ms: 120 commands an hour. */
const AWAIT_MS = 30_000;
const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 60_000;
/** How long closing may take when the server is away, in ms. */
const CLOSE_MS = 1_000;
const STOPPED = Symbol("stopped");
/** Servers that answer so will answer so again. */
const NEVER = new Map<unknown, string>([
  [13, "the user of the store's URI may not read change streams: grant find and changeStream on the collection"],
  [8000, "the user of the store's URI may not read change streams"],
  [40573, "this MongoDB is a standalone server: only a replica set or a sharded cluster has change streams"],
  [40324, "this server has no change streams"],
  [59, "this server has no change streams"],
  [115, "this server has no change streams"],
  [136, "change streams are not switched on for this collection"],
  [166, "it is a view, which has no change stream"],
  [238, "this server has no change streams"],
  [323, "the server's API version leaves change streams out"],
]);
/** Elections, shutdowns and restarts: the server says so while it goes, and another answers. */
const AWAY = new Set<unknown>([
  6, 7, 43, 50, 63, 89, 91, 133, 134, 150, 189, 202, 234, 237, 262, 279, 9001, 10107, 11600, 11602, 13388, 13435, 13436,
]);

/** Watches one collection until the signal. @param guarded turns errors into messages without credentials */
export async function watchCollection(
  collection: Collection<Document>,
  source: Pick<SourceOptions, "mark" | "filter" | "fields">,
  guarded: StoreErrors,
  { resumeAfter, signal, onChanges, onState }: WatchOptions,
): Promise<void> {
  let token = tokenOf(resumeAfter);
  const reasonOf = async (error: unknown): Promise<string> => {
    const shown = await guarded(() => Promise.reject(error)).catch((told: unknown) => told);
    return messageOf(shown).replace(/\.$/, "");
  };
  // Each absence is told once, whatever its tries say.
  let isAway = false;
  for (let failures = 0; !signal.aborted; ) {
    const stream = new SourceStream(collection, source, token, {
      onBegin: () => {
        failures = 0;
        isAway = false;
        onState(null);
      },
      onChanges: async (changes, next) => {
        await onChanges(changes, EJSON.stringify(next));
        token = next;
      },
    });
    try {
      await stream.run(signal);
      if (signal.aborted) return;
      token = null;
      onState(`${collection.collectionName} was dropped or renamed, so watching begins anew`);
    } catch (error) {
      if (signal.aborted) return;
      const code = error instanceof MongoServerError ? error.code : undefined;
      if (NEVER.has(code)) return onState(NEVER.get(code)!);
      const isLost = error instanceof MongoServerError && !AWAY.has(code) && token !== null;
      if (isLost) token = null;
      const reason = await reasonOf(error);
      if (isLost) onState(`the place to go on from is no longer known (${reason}), so watching begins anew`);
      else if (!isAway) onState(reason);
      isAway = true;
    } finally {
      await stream.close();
    }
    failures += 1;
    const restMs = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
    await delay(restMs, undefined, { signal }).catch(() => {});
  }
}

interface StreamEvents {
  readonly onBegin: () => void;
  readonly onChanges: (changes: readonly SourceChange[], token: Document) => Promise<void>;
}

/** One change stream, from its opening until it breaks off. */
class SourceStream {
  readonly #stream: ChangeStream<Document, Document & { _id: unknown }>;
  readonly #collection: Collection<Document>;
  readonly #source: Pick<SourceOptions, "mark" | "filter">;
  readonly #on: StreamEvents;
  #group: SourceEvent[] = [];
  #token: Document | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Groups are told one after the other. */
  #telling: Promise<void> = Promise.resolve();
  #begun = false;

  constructor(
    collection: Collection<Document>,
    source: Pick<SourceOptions, "mark" | "filter" | "fields">,
    token: Document | null,
    on: StreamEvents,
  ) {
    this.#collection = collection;
    this.#source = source;
    this.#on = on;
    this.#stream = collection.watch<Document, Document & { _id: unknown }>(changesPipeline(source), {
      ...(token === null ? {} : { startAfter: token }),
      maxAwaitTimeMS: AWAIT_MS,
      readConcern: { level: "majority" },
    });
    this.#stream.on("resumeTokenChanged", (token) => this.#begin(token as Document));
  }

  /** Resolves when the collection is gone, or after the signal. @throws what the driver throws */
  async run(signal: AbortSignal): Promise<void> {
    let leave: () => void = () => {};
    const stop = (): void => leave();
    signal.addEventListener("abort", stop);
    try {
      while (!signal.aborted) {
        // A question that the server holds open is left alone after the signal: nobody waits for its answer. Each has a
        // promise of its own: one that all of them were raced with would remember them for months.
        const event = await new Promise<SourceEvent | null | typeof STOPPED>((resolve, reject) => {
          leave = () => resolve(STOPPED);
          (this.#stream.tryNext() as Promise<SourceEvent | null>).then(resolve, reject);
        });
        if (event === STOPPED) break;
        this.#begin(null);
        if (event?.operationType === "invalidate") return;
        this.#token = (event === null ? this.#stream.resumeToken : event._id) as Document;
        if (event !== null) this.#group.push(event);
        if (event === null || this.#group.length >= GROUP_CHANGES) await this.#tell();
        else this.#timer ??= setTimeout(() => void this.#tell().catch(() => {}), GROUP_MS);
      }
    } finally {
      signal.removeEventListener("abort", stop);
      await this.#tell().catch(() => {});
    }
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    await Promise.race([this.#stream.close().catch(() => {}), delay(CLOSE_MS, undefined, { ref: false })]);
  }

  /** @param token where it begins: told at once, so that what comes next is told again after a crash */
  #begin(token: Document | null): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#on.onBegin();
    this.#token ??= token;
    void this.#tell().catch(() => {});
  }

  #tell(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const group = this.#group;
    const token = this.#token;
    this.#group = [];
    this.#telling = this.#telling.then(async () => {
      if (token !== null) await this.#on.onChanges(await this.#changesOf(group), token);
    });
    return this.#telling;
  }

  /** Each document once. An update does not say whether its document is marked: one question for the whole group does. */
  async #changesOf(group: readonly SourceEvent[]): Promise<SourceChange[]> {
    const { mark, filter } = this.#source;
    const kinds = new Map<string, SourceChange["kind"]>();
    const doubtful = new Map<string, unknown>();
    for (const { operationType, documentKey, marked, unmarks } of group) {
      if (documentKey === undefined) continue;
      const key = keyOf(documentKey._id);
      doubtful.delete(key);
      if (operationType === "insert" || unmarks === true) kinds.set(key, "new");
      else if (mark === null || operationType === "replace")
        kinds.set(key, mark === null || marked === true ? "text" : "pending");
      else doubtful.set(key, documentKey._id);
    }
    if (doubtful.size > 0 && mark !== null) {
      const own = { _id: { $in: [...doubtful.values()] as never[] } };
      const found = await this.#collection
        .find(filter === null ? own : { $and: [own, filter] }, { projection: { [mark.processed]: 1 } })
        .toArray();
      for (const document of found)
        kinds.set(keyOf(document._id), document[mark.processed] === true ? "text" : "pending");
    }
    return [...kinds].map(([key, kind]) => ({ key, kind }));
  }
}

/** A token that cannot be read is none. */
function tokenOf(text: string | null): Document | null {
  if (text === null) return null;
  try {
    const token: unknown = EJSON.parse(text);
    return typeof token === "object" && token !== null ? (token as Document) : null;
  } catch {
    return null;
  }
}
