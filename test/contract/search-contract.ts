import { MaxKey } from "bson";
import fc from "fast-check";
import { expect, it } from "vitest";
import { DASHBOARD_SHEET } from "../../src/correction.ts";
import { keyOf } from "../../src/item.ts";
import { ALL_RECORDS, type RecordCondition, type RecordOrder, type RecordSelection } from "../../src/selection.ts";
import type { RecordSearch, SourceDocument, Store, Target } from "../../src/store.ts";
import { anyId, recordWith } from "./store-contract.ts";

const LONG_MS = 20_000;
const T0 = Date.UTC(2026, 10, 1);

/** What a target's search must do on every store. @param opened the store, once it is open */
export function searchContract(opened: () => Store): void {
  let collections = 0;
  const filled = async (documents: readonly SourceDocument[]): Promise<Target> => {
    const collection = `searched_${collections++}`;
    await opened().insert(collection, documents);
    const target = opened().target(collection);
    await indexed(target.search);
    return target;
  };

  it("finds every record once in each order over mixed ids, ties and missing fields, whatever the page size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .uniqueArray(anyId, { minLength: 1, maxLength: 40, selector: keyOf })
          .map((ids) => [...ids.filter((id) => keyOf(id) !== keyOf(new MaxKey())), new MaxKey()]),
        fc.infiniteStream(anyFields),
        fc.integer({ min: 1, max: 13 }),
        async (ids, fields, limit) => {
          const documents = ids.map((_id): SourceDocument => ({ ...fields.next().value, _id }));
          const target = await filled(documents);
          for (const order of ["id", "newest", "oldest", "review"] as const) {
            const found = await pagesOf(target.search, order, limit);
            expect(found.map(({ _id }) => keyOf(_id)).sort()).toEqual(documents.map(({ _id }) => keyOf(_id)).sort());
            expect(found.map(rankIn(order))).toEqual(found.map(rankIn(order)).toSorted((a, b) => a - b));
          }
          const billing = await pagesOf(target.search, "newest", limit, selecting(is("category", "billing")));
          const expected = documents.filter(({ category }) => category === "billing");
          expect(billing.map(({ _id }) => keyOf(_id)).sort()).toEqual(expected.map(({ _id }) => keyOf(_id)).sort());
        },
      ),
      { seed: 11, numRuns: 12 },
    );
  });

  it("shows nothing twice and loses nothing that was there when records come between pages", async () => {
    const at = (id: number): SourceDocument => ({
      ...recordWith({ classifiedAt: new Date(T0 + (id % 7) * 1_000), confidence: { category: (id % 5) / 5 } }),
      _id: id,
    });
    const before = Array.from({ length: 60 }, (_, id) => at(id * 2));
    for (const order of ["id", "newest", "oldest", "review"] as const) {
      const target = await filled(before);
      let next = 1;
      const found = await pagesOf(target.search, order, 7, ALL_RECORDS, async () => {
        for (let times = 0; times < 5; times++, next += 2)
          await target.write([{ key: keyOf(next), record: at(next) as never }]);
      });
      const ids = found.map(({ _id }) => Number(_id));
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids).toEqual(expect.arrayContaining(before.map(({ _id }) => _id)));
    }
  });

  it("meets conditions as the page and the command line write them", async () => {
    const target = await filled(conditionDocuments);
    for (const [conditions, expected] of conditionCases) {
      const found = await pagesOf(target.search, "newest", 3, selecting(...conditions));
      const label = JSON.stringify(conditions);
      expect([label, found.map(({ _id }) => Number(_id)).sort()]).toEqual([label, expected]);
      const reviewed = await pagesOf(target.search, "review", 2, selecting(...conditions));
      expect([label, reviewed.map(({ _id }) => Number(_id)).sort()]).toEqual([label, expected]);
      expect(await target.search.count(selecting(...conditions), 100, LONG_MS)).toEqual({
        items: expected.length,
        atLeast: false,
      });
    }
    const within = { ...ALL_RECORDS, fromMs: T0 + 2_000, toMs: T0 + 4_000 };
    for (const order of ["id", "newest", "oldest", "review"] as const)
      expect((await pagesOf(target.search, order, 1, within)).map(({ _id }) => _id).sort()).toEqual([2, 3]);
    expect(await target.search.count(within, 100, LONG_MS)).toEqual({ items: 2, atLeast: false });
    const chosen = { ...selecting(is("category", "billing")), keys: [keyOf(1), keyOf(2), keyOf("1")] };
    expect((await pagesOf(target.search, "newest", 2, chosen)).map(({ _id }) => _id)).toEqual([1]);
    expect(await target.search.count(chosen, 10, LONG_MS)).toEqual({ items: 1, atLeast: false });
  });

  it("breaks off when the time is over and goes on from there", async () => {
    const target = await filled(
      Array.from({ length: 9_000 }, (_, _id) => ({
        ...recordWith({ category: _id % 4_000 === 3_999 ? "rare" : "usual", classifiedAt: new Date(T0 + _id) }),
        _id,
      })),
    );
    const rare = selecting(is("category", "rare"));
    for (const order of ["id", "newest", "oldest", "review"] as const) {
      const pages: number[] = [];
      const found: unknown[] = [];
      for (let after: string | null = null; ; ) {
        const page = await target.search.find({ selection: rare, order, after, limit: 10, maxMs: 0 });
        pages.push(page.documents.length);
        found.push(...page.documents.map(({ _id }) => _id));
        if (page.next === null) break;
        expect(page.next).not.toBe(after);
        after = page.next;
      }
      expect(pages.length).toBeGreaterThan(1);
      // In one go over several parts of the walk, ties and borders of the parts among them.
      const all = selecting(is("category", "rare", "usual"));
      for (const [selection, items] of [
        [rare, 2],
        [all, 9_000],
      ] as const) {
        const whole = await target.search.find({ selection, order, after: null, limit: 9_001, maxMs: LONG_MS });
        expect(new Set(whole.documents.map(({ _id }) => _id)).size).toBe(items);
        expect([whole.documents.length, whole.next]).toEqual([items, null]);
      }
      expect(found.sort()).toEqual([3_999, 7_999]);
    }
    expect(await target.search.count(rare, 10, LONG_MS)).toEqual({ items: 2, atLeast: false });
    expect(await target.search.count(rare, 1, LONG_MS)).toEqual({ items: 1, atLeast: true });
    expect(await target.search.count(rare, 10, 0)).toMatchObject({ atLeast: true });
    expect(await target.search.count(ALL_RECORDS, 10, LONG_MS)).toEqual({ items: 9_000, atLeast: false });
  });

  it("counts labels by time, each entry of a list, and says what there was no time for", async () => {
    const target = await filled(conditionDocuments);
    const bounds = [T0, T0 + 2_000, T0 + 4_000, T0 + 60_000];
    const buckets = await target.search.timeline(["category", "labels.topic"], bounds, LONG_MS);
    expect(buckets).toEqual([
      { total: 1, labels: { category: { billing: 1 }, "labels.topic": { a: 1, b: 1 } } },
      { total: 2, labels: { category: { refund: 1, billing: 1 }, "labels.topic": { b: 1 } } },
      { total: 2, labels: { category: {}, "labels.topic": { a: 1 } } },
    ]);
    const many = await filled(
      Array.from({ length: 3_000 }, (_, _id) => ({ ...recordWith({ classifiedAt: new Date(T0) }), _id })),
    );
    const hurried = await many.search.timeline(["category"], [T0 - 1, T0, T0 + 1], -1);
    expect(hurried[0]).toBeNull();
    expect(await many.search.timeline(["category"], [T0 - 1, T0, T0 + 1], LONG_MS)).toMatchObject([
      { total: 0 },
      { total: 3_000, labels: { category: { billing: 3_000 } } },
    ]);
  });

  it("has nothing to find where nothing was written, and refuses a place of another list", async () => {
    const { search } = opened().target(`searched_${collections++}`);
    expect(await search.prepare()).toEqual([]);
    const page = await search.find({ selection: ALL_RECORDS, order: "newest", after: null, limit: 5, maxMs: LONG_MS });
    expect(page).toMatchObject({ documents: [], next: null });
    expect(await search.count(ALL_RECORDS, 5, LONG_MS)).toEqual({ items: 0, atLeast: false });
    expect(await search.timeline(["category"], [T0, T0 + 1], LONG_MS)).toEqual([
      { total: 0, labels: { category: {} } },
    ]);
    const target = await filled([{ ...recordWith({}), _id: 1 }]);
    for (const after of ["nonsense", '["review",false,1,2,3]', '["newest"]'])
      await expect(
        target.search.find({ selection: ALL_RECORDS, order: "newest", after, limit: 5, maxMs: LONG_MS }),
      ).rejects.toMatchObject({ code: "USAGE" });
  });

  it("takes the last decision of a sheet back, and none that something came after", async () => {
    const target = opened().target(`searched_${collections++}`);
    const keys = [1, 2, 3, 4, 5].map(keyOf);
    const record = recordWith({ needsReview: true, reviewReasons: ["low-confidence"], labels: { topic: ["a"] } });
    await target.write(keys.map((key) => ({ key, record })));
    const before = await target.readByKeys(keys);
    const at = new Date(record.classifiedAt.getTime() + 5_000);
    const review = { sheet: DASHBOARD_SHEET, part: "uncertain" as const, of: 1, by: "ann" };
    const decide = (key: string, fields: Record<string, string | string[]>, sheet = DASHBOARD_SHEET) =>
      target.correct([{ key, fields, contentHash: null, review: { ...review, sheet } }], at);
    for (const key of keys.slice(0, 3)) await decide(key, { category: "refund", "labels.topic": ["b"] });
    await decide(keys[3]!, { category: "refund" }, "s-1");
    const newer = { ...record, executionId: "later", fence: 2, classifiedAt: new Date(at.getTime() + 1_000) };
    await target.write([{ key: keys[2]!, record: newer }]);
    await target.correct([{ key: keys[1]!, fields: { category: "third" }, contentHash: null, review }], at);
    const undone = [];
    for (const key of [...keys, keyOf(99)]) undone.push(await target.uncorrect(key, DASHBOARD_SHEET));
    expect(undone).toEqual(["undone", "undone", "kept", "kept", "unchanged", "missing"]);
    const after = await target.readByKeys(keys);
    expect([after[0], after[1], after[4]]).toEqual([before[0], before[1], before[4]]);
    expect(after[2]).toMatchObject({ category: "refund", decidedBy: "person" });
    // On a sheet it stays, and what was decided there is not taken back here.
    await decide(keys[3]!, { category: "fourth" });
    expect(await target.uncorrect(keys[3]!, DASHBOARD_SHEET)).toBe("kept");
    expect(await target.readByKeys([keys[3]!])).toMatchObject([{ category: "fourth", review: { sheet: "s-1" } }]);
    // Drawn for a sheet, decided here first, then the same on the sheet: the draw keeps it.
    await decide(keys[4]!, { category: "refund" });
    expect(await decide(keys[4]!, { category: "refund" }, "s-2")).toEqual([{ key: keys[4], status: "unchanged" }]);
    expect(await target.readByKeys([keys[4]!])).toMatchObject([{ category: "refund", review: { sheet: "s-2" } }]);
  });

  it("counts what persons decided of an execution by whose answer it was, and no more after an undo", async () => {
    const at = (_id: number, changes: object): SourceDocument => ({ ...recordWith(changes), _id });
    const target = await filled([
      ...[0, 1, 2, 3].map((id) => at(id, { executionId: "one" })),
      at(4, { executionId: "one", decidedBy: "cache" }),
      at(5, { executionId: "two" }),
      at(6, { executionId: "one", decidedBy: "person" }),
    ]);
    const { search } = target;
    await expect.poll(() => search.countByPersons("one", LONG_MS)).toEqual({ "": 1 });
    const review = { sheet: DASHBOARD_SHEET, part: "uncertain", of: 1 } as const;
    const decide = (...ids: number[]) =>
      target.correct(
        ids.map((id) => ({ key: keyOf(id), fields: { category: "refund" }, contentHash: null, review })),
        new Date(T0),
      );
    await decide(0, 1, 4, 5);
    expect(await search.countByPersons("one", LONG_MS)).toEqual({ "": 1, model: 2, cache: 1 });
    expect(await search.countByPersons("two", LONG_MS)).toEqual({ model: 1 });
    expect(await search.countByPersons("three", LONG_MS)).toEqual({});
    expect(await target.uncorrect(keyOf(1), DASHBOARD_SHEET)).toBe("undone");
    expect(await search.countByPersons("one", LONG_MS)).toEqual({ "": 1, model: 1, cache: 1 });
    expect(await opened().target("never_written").search.countByPersons("one", LONG_MS)).toEqual({});
  });
}

async function indexed(search: RecordSearch): Promise<void> {
  while ((await search.prepare()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function pagesOf(
  search: RecordSearch,
  order: RecordOrder,
  limit: number,
  selection: RecordSelection = ALL_RECORDS,
  between: () => Promise<void> = async () => {},
): Promise<SourceDocument[]> {
  const found: SourceDocument[] = [];
  for (let after: string | null = null; ; await between()) {
    const page = await search.find({ selection, order, after, limit, maxMs: LONG_MS });
    expect(page.documents.length).toBeLessThanOrEqual(limit);
    expect(page.order).toBe(selection.keys === null ? order : "id");
    expect(found.length, "records come again and again").toBeLessThan(500);
    found.push(...page.documents);
    if (page.next === null) return found;
    after = page.next;
  }
}

/** Ascending in the order; ties are in an order of the store's own. */
function rankIn(order: RecordOrder): (document: SourceDocument) => number {
  if (order === "id") return () => 0;
  if (order !== "review")
    return ({ classifiedAt }) =>
      (order === "oldest" ? 1 : -1) * (classifiedAt instanceof Date ? classifiedAt.getTime() : Number.MIN_SAFE_INTEGER);
  return ({ needsReview, confidence }) =>
    (needsReview === true ? 0 : 10) + ((confidence as { category?: number | null } | undefined)?.category ?? -1);
}

function selecting(...conditions: RecordCondition[]): RecordSelection {
  return { ...ALL_RECORDS, conditions };
}

function is(field: string, ...values: RecordCondition["values"]): RecordCondition {
  return { field, is: "in", values, not: false };
}

const anyFields = fc.record(
  {
    classifiedAt: fc.integer({ min: 0, max: 4 }).map((n) => new Date(T0 + n)),
    needsReview: fc.boolean(),
    confidence: fc.record({ category: fc.constantFrom(null, 0, 0.25, 0.5, 1) }, { requiredKeys: [] }),
    category: fc.constantFrom("billing", "refund", null),
  },
  { requiredKeys: ["needsReview"] },
);

const conditionDocuments: SourceDocument[] = [
  {
    _id: 1,
    classifiedAt: new Date(T0 + 1_000),
    category: "billing",
    labels: { topic: ["a", "b"] },
    needsReview: true,
    confidence: { category: 0.4 },
    summary: "Über 100 % (doppelt) bezahlt.",
    executionId: "20261101T1-aa",
  },
  {
    _id: 2,
    classifiedAt: new Date(T0 + 2_000),
    category: "refund",
    labels: { topic: "b" },
    needsReview: false,
    confidence: { category: 0.6 },
    costUsd: 0.02,
    summary: "Wants the money back",
    executionId: "20261101T2-aa",
  },
  { _id: 3, classifiedAt: new Date(T0 + 3_999), category: "billing", labels: {}, costUsd: 0, summary: null },
  { _id: 4, classifiedAt: new Date(T0 + 4_000), category: null, labels: { topic: ["a"] }, costUsd: null },
  { _id: 5, classifiedAt: new Date(T0 + 5_000), needsReview: "true", confidence: { category: null }, summary: 7 },
];
const not = (condition: RecordCondition): RecordCondition => ({ ...condition, not: true });
const compare = (field: string, by: "<" | "<=" | ">" | ">=", value: number): RecordCondition => ({
  field,
  is: by,
  values: [value],
  not: false,
});
const contains = (value: string): RecordCondition => ({
  field: "summary",
  is: "contains",
  values: [value],
  not: false,
});
const conditionCases: [RecordCondition[], number[]][] = [
  [[], [1, 2, 3, 4, 5]],
  [[is("category", "billing")], [1, 3]],
  [[is("category", "billing", "refund")], [1, 2, 3]],
  [[not(is("category", "billing"))], [2, 4, 5]],
  [[is("category", null)], [4, 5]],
  [[is("category", null, "refund")], [2, 4, 5]],
  [[is("labels.topic", "a")], [1, 4]],
  [[is("labels.topic", "b")], [1, 2]],
  [[not(is("labels.topic", "b"))], [3, 4, 5]],
  [[is("needsReview", true)], [1]],
  [[not(is("needsReview", true))], [2, 3, 4, 5]],
  [[compare("confidence.category", "<", 0.6)], [1]],
  [[compare("confidence.category", "<=", 0.6)], [1, 2]],
  [[not(compare("confidence.category", "<", 0.6))], [2, 3, 4, 5]],
  [[compare("costUsd", ">", 0)], [2]],
  [[compare("costUsd", ">=", 0)], [2, 3]],
  [[contains("über 100 % (DOPPELT)")], [1]],
  [[contains("money"), is("category", "refund")], [2]],
  [[not(contains("money"))], [1, 3, 4, 5]],
  [[{ field: "executionId", is: "begins", values: ["20261101T1"], not: false }], [1]],
  [[is("category", "billing"), compare("costUsd", "<", 1)], [3]],
];
