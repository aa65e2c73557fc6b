import fc from "fast-check";
import { Binary, Decimal128, Long, MaxKey, MinKey, MongoClient, ObjectId, Timestamp, UUID } from "mongodb";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { RangeCutter } from "../../src/cluster/range-cutter.ts";
import { type ItemKey, keyOf } from "../../src/item.ts";
import { MARK_FIELDS } from "../../src/job.ts";
import type { Source, SourceDocument, Store } from "../../src/store.ts";
import { JobStore } from "../../src/stores/job-store.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";

const database = `partition_${process.pid}`;
let client: MongoClient;
let store: Store;
let made = 0;

beforeAll(async () => {
  client = await new MongoClient(inject("mongoReplicaUri")).connect();
  store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
});
afterAll(async () => {
  await client.db(database).dropDatabase();
  await client.close();
});

const scalar = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.string({ maxLength: 12 }),
  fc.boolean(),
  fc.date({ noInvalidDate: true }),
  // Smaller ones are read as numbers.
  fc.bigInt({ min: 2n ** 53n + 1n, max: 2n ** 62n }).map((n) => Long.fromBigInt(n)),
  fc.integer().map((n) => Decimal128.fromString(`${n}.5`)),
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => new ObjectId(bytes)),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => new UUID(bytes)),
  fc.uint8Array({ maxLength: 8 }).map((bytes) => new Binary(bytes, 0)),
  fc.constantFrom(null, new MinKey(), new MaxKey(), new Timestamp({ t: 1, i: 1 })),
);
const id = fc.oneof(
  { weight: 8, arbitrary: scalar },
  { weight: 2, arbitrary: fc.record({ a: fc.integer(), b: fc.string({ maxLength: 4 }) }) },
);
/** Without a mark, with the explicit `false`, or done. */
const mark = fc.constantFrom(undefined, null, false, true);

interface Part {
  readonly from: ItemKey | null;
  readonly to: ItemKey | null;
  readonly items: number;
}

describe.each(["with our indexes", "without the right to build any", "with marks in the target"])(
  "cutting %s",
  (how) => {
    it("puts every unprocessed document into exactly one part, whatever its id is", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.tuple(id, mark), { selector: ([one]) => sameId(one), minLength: 1, maxLength: 60 }),
          fc.integer({ min: 1, max: 25 }),
          async (documents, size) => {
            const { source, over, open } = await fill(how, documents);
            const parts = await cutAll(source, size);
            const read: ItemKey[] = [];
            for (const part of parts) read.push(...(await readAll(over(part))));
            expect(read.toSorted()).toEqual([...open].sort());
            // Not much larger than asked for: at most as much again of the second index.
            for (const part of parts) expect((await readAll(over(part))).length).toBeLessThanOrEqual(2 * size + 1);
          },
        ),
        { numRuns: 25 },
      );
    });
  },
);

describe.each(["with our indexes", "with marks in the target"])("ranges cut %s", (how) => {
  it("become smaller towards the end, and nothing is in two or in none, also when another one goes on with them", async () => {
    const kinds = [(at: number) => at, (at: number) => `s${at}`, () => new ObjectId(), () => new UUID()];
    const documents = Array.from(
      { length: 5_000 },
      (_, at) => [kinds[at % 4]!(at), [undefined, false][at % 2]] as const,
    );
    const { source, over, open, insert } = await fill(how, documents);
    const [size, workers] = [600, 2];
    const parts: Part[] = [];
    const cutSome = async (most: number): Promise<boolean> => {
      const cutter = new RangeCutter(source.cut!.bind(source), size);
      for (let at = 0; at < most; at += 1) {
        const from = parts.at(-1)?.to ?? null;
        const end = await cutter.next(from, workers);
        if (end !== null) parts.push({ from, ...end });
        if (end === null || end.to === null) return true;
      }
      return false;
    };
    expect(await cutSome(3)).toBe(false);
    await insert([{ _id: "s0late", text: "late" }]);
    expect(await cutSome(1_000)).toBe(true);
    const read: ItemKey[] = [];
    for (const part of parts) read.push(...(await readAll(over(part), 1_000)));
    expect(new Set(read).size).toBe(read.length);
    expect(read.filter((key) => key !== keyOf("s0late")).toSorted()).toEqual([...open].sort());
    const sizes = parts.map(({ items }) => items);
    expect(sizes.slice(0, 4)).toEqual([size, size, size, size]);
    expect(sizes.slice(4)).toEqual(sizes.slice(4).sort((a, b) => b - a));
    expect(Math.max(...sizes.slice(-4))).toBeLessThan(size / 2);
  });
});

describe("a part", () => {
  it("is counted and read by pages, each document once", async () => {
    const documents = Array.from({ length: 500 }, (_, at) => [at % 3 === 0 ? `s${at}` : at, undefined] as const);
    const { source, over } = await fill("with our indexes", documents);
    const parts = await cutAll(source, 90);
    expect(parts.length).toBeGreaterThanOrEqual(5);
    let all = 0;
    for (const part of parts) {
      const bounded = over(part);
      const keys = await readAll(bounded, 7);
      expect(new Set(keys).size).toBe(keys.length);
      expect(await bounded.countUnprocessed(5_000)).toBe(keys.length);
      all += keys.length;
    }
    expect(all).toBe(500);
  });

  it("knows how many of its documents an execution settled, and not those of its neighbours", async () => {
    const documents = Array.from({ length: 60 }, (_, at) => [at, undefined] as const);
    const { source, over } = await fill("with our indexes", documents);
    const parts = await cutAll(source, 20);
    const by = { job: "j", executionId: "e1", outcome: "classified" } as const;
    const dead = { ...by, executionId: "e2", outcome: "deadLetter" } as const;
    await source.mark([
      { keys: [1, 2, 25].map(keyOf), at: new Date(), by },
      { keys: [3].map(keyOf), at: new Date(), by: dead },
    ]);
    const settled = (part: Part, ids: string[]) => over(part).settledIn!("j", ids);
    expect(await settled(parts[0]!, ["e1", "e2"])).toEqual({ classified: 2, skipped: 0, deadLetter: 1 });
    expect(await settled(parts[0]!, ["e2"])).toEqual({ classified: 0, skipped: 0, deadLetter: 1 });
    expect(await settled(parts[1]!, ["e1"])).toEqual({ classified: 1, skipped: 0, deadLetter: 0 });
  });

  it("is found though documents come while the source is cut: behind the cut by the next pass", async () => {
    const { source, over, insert } = await fill(
      "with our indexes",
      Array.from({ length: 100 }, (_, at) => [at * 10, undefined] as const),
    );
    const first = await source.cut!(null, 30);
    await insert([5, 15, 995].map((_id) => ({ _id, text: "late" })));
    const rest = await cutAll(source, 30, first!.to);
    const read = [];
    for (const part of [{ from: null, to: first!.to, items: 30 }, ...rest]) read.push(...(await readAll(over(part))));
    expect(read.length).toBe(103);
    expect(new Set(read).size).toBe(103);
  });

  it("is none where nothing is left", async () => {
    const { source } = await fill("with our indexes", [[1, true] as const]);
    expect(await source.cut!(null, 10)).toBeNull();
  });
});

/** MongoDB takes numbers of all kinds for equal, so that they cannot be ids beside each other. */
function sameId(one: unknown): string {
  if (typeof one === "number" || one instanceof Long || one instanceof Decimal128) return `n${Number(one.toString())}`;
  return keyOf(one);
}

async function fill(how: string, documents: readonly (readonly [unknown, unknown])[]) {
  made += 1;
  const collection = `c${made}`;
  const target = how === "with marks in the target" ? `t${made}` : null;
  const insert = (more: readonly SourceDocument[]) => store.insert(collection, more);
  await insert(
    documents.map(([_id, processed]) =>
      target !== null || processed === undefined ? { _id, text: "x" } : { _id, text: "x", processed },
    ),
  );
  const job = target === null ? store : new JobStore({ source: store, target: store, marks: target });
  const options = { collection, mark: MARK_FIELDS, filter: null, fields: null };
  const source = job.source(options);
  if (how !== "without the right to build any") await source.prepare();
  const isDone = ([, processed]: readonly [unknown, unknown]): boolean => processed === true;
  if (target !== null) {
    const done = documents.filter(isDone).map(([_id]) => keyOf(_id));
    await store.insert(`${target}_outcomes`, []);
    await source.mark([{ keys: done, at: new Date(), by: { job: "j", executionId: "e", outcome: "skipped" } }]);
  }
  return {
    source,
    insert,
    over: ({ from, to }: Part): Source => job.source({ ...options, range: { from, to } }),
    open: new Set(documents.filter((one) => !isDone(one)).map(([_id]) => keyOf(_id))),
  };
}

async function cutAll(source: Source, size: number, begin: ItemKey | null = null): Promise<Part[]> {
  const parts: Part[] = [];
  for (let from = begin; ; ) {
    const end = await source.cut!(from, size);
    if (end === null) return parts;
    parts.push({ from, ...end });
    if (end.to === null) return parts;
    from = end.to;
  }
}

async function readAll(source: Source, limit = 13): Promise<ItemKey[]> {
  const keys: ItemKey[] = [];
  for (
    let page = await source.readUnprocessed(null, limit);
    ;
    page = await source.readUnprocessed(page.cursor, limit)
  ) {
    keys.push(...page.documents.map(({ _id }) => keyOf(_id)));
    if (page.last) return keys;
  }
}
