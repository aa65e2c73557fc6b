import { Binary, Decimal128, Double, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID } from "bson";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Filter } from "../../src/filter.ts";
import { parseFilter } from "../../src/filter.ts";
import { type ItemKey, idOf, keyOf } from "../../src/item.ts";
import { MARK_FIELDS, type MarkFields } from "../../src/job.ts";
import type { ClassificationRecord } from "../../src/record.ts";
import type { LeaseHolder, Source, SourceDocument, Store, Target } from "../../src/store.ts";
import { JobStore } from "../../src/stores/job-store.ts";
import { searchContract } from "./search-contract.ts";

export interface OpenedStore {
  readonly store: Store;
  /** Takes a document out behind the store's back. */
  remove(collection: string, key: ItemKey): Promise<void>;
  /** Ends what the store does not own. */
  dispose(): Promise<void>;
}

function nothing(_name: string, _test: () => unknown): void {}

/**
 * What every store must do, run against each with real parts.
 * @param marks where settled items are noted: in the source's documents, or in the target, where the source is only read
 */
export function storeContract(
  name: string,
  open: () => Promise<OpenedStore>,
  marks: "source" | "target" = "source",
): void {
  const inTarget = marks === "target";
  // What has nothing to do with where marks are, or cannot be without them, is tested once.
  const [itMarked, describeMarked, itReadOnly] = inTarget ? [nothing, nothing, it] : [it, describe, nothing];
  describe(`store contract: ${name}${inTarget ? ", marks in the target" : ""}`, () => {
    let opened: OpenedStore;
    let store: Store;
    let collections = 0;
    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(async () => {
      await store.close();
      await opened.dispose();
    });

    const filled = async (documents: readonly SourceDocument[]): Promise<string> => {
      const collection = `source_${collections++}`;
      await store.insert(collection, documents);
      return collection;
    };
    const sourceOf = (
      collection: string,
      filter: Filter | null = null,
      mark: MarkFields = MARK_FIELDS,
      fields: readonly string[] | null = null,
    ): Source => {
      const options = { collection, mark, filter, fields };
      if (!inTarget) return store.source(options);
      const results = `results_of_${collection}`;
      const source = new JobStore({ source: store, target: store, marks: results }).source(options);
      return withRecords(source, store.target(results));
    };
    const numbered = (count: number): SourceDocument[] =>
      Array.from({ length: count }, (_, at) => ({ _id: at + 1, text: `query ${at + 1}` }));

    it("lists the collections that were put there with their documents, not its own", async () => {
      const collection = await filled(numbered(3));
      await store.lease.acquire("leased", { job: "j", ownerId: "a", host: "h", pid: 1, executionId: "e" }, 1_000);
      const listed = await store.collections();
      expect(listed).toContainEqual({ name: collection, documents: 3 });
      expect(listed.map(({ name }) => name)).toEqual(listed.map(({ name }) => name).toSorted());
      expect(listed.filter(({ name }) => /lease/.test(name))).toEqual([]);
    });

    describe("reading what is unprocessed", () => {
      it("gives every document exactly once over mixed kinds of ids, whatever the page size", async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.uniqueArray(anyId, { minLength: 1, maxLength: 40, selector: keyOf }),
            fc.integer({ min: 1, max: 13 }),
            fc.boolean(),
            async (ids, limit, prepared) => {
              const collection = await filled(ids.map((_id) => ({ _id, text: "a" })));
              const source = sourceOf(collection);
              if (prepared) await source.prepare();
              const seen = await keysOf(source, limit);
              await store.drop(collection);
              expect([...seen].sort()).toEqual(ids.map(keyOf).sort());
            },
          ),
          { seed: 7, numRuns: 25 },
        );
      });

      it("keeps ids apart that look alike, and reads them back as they were", async () => {
        const id = new ObjectId();
        const ids = [1, "1", id, id.toHexString(), { a: 1, b: "x" }, { b: "x", a: 1 }, null, new Date(0), "1970-01-01"];
        const collection = await filled(ids.map((_id) => ({ _id, text: keyOf(_id) })));
        const page = await sourceOf(collection).readUnprocessed(null, 100);
        expect(page.documents.map(({ _id }) => keyOf(_id)).sort()).toEqual(ids.map(keyOf).sort());
        for (const document of page.documents) expect(document.text).toBe(keyOf(document._id));
      });

      it("says that a page is the last exactly when nothing lies behind it", async () => {
        const source = sourceOf(await filled(numbered(6)));
        await source.prepare();
        const first = await source.readUnprocessed(null, 3);
        const second = await source.readUnprocessed(first.cursor, 3);
        expect([first.last, second.last]).toEqual([false, true]);
        const behind = await source.readUnprocessed(second.cursor, 3);
        expect(behind).toMatchObject({ documents: [], last: true });
      });

      it("neither skips nor repeats neighbours when the document at the border is deleted between pages", async () => {
        const collection = await filled(numbered(20));
        const source = sourceOf(collection);
        await source.prepare();
        const first = await source.readUnprocessed(null, 7);
        await opened.remove(collection, keyOf(first.documents.at(-1)!._id));
        const rest = await keysOf(source, 7, first.cursor);
        expect(rest).toHaveLength(13);
        const all = new Set([...first.documents.map(({ _id }) => keyOf(_id)), ...rest]);
        expect(all.size).toBe(20);
      });

      it("finds a document that was inserted behind the cursor when it starts anew", async () => {
        const collection = await filled(numbered(10).slice(5));
        const source = sourceOf(collection);
        await source.prepare();
        const page = await source.readUnprocessed(null, 3);
        await mark(
          source,
          page.documents.map(({ _id }) => keyOf(_id)),
        );
        await store.insert(collection, [{ _id: 1, text: "late" }]);
        const rest = await keysOf(source, 3);
        expect(rest).toHaveLength(3);
        expect(rest).toContain(keyOf(1));
      });

      itMarked("counts and reads missing, null and false marks and nothing else", async () => {
        const marks = [undefined, null, false, true, 0, "", "yes"];
        const documents = marks.map((processed, at) => ({
          _id: at,
          ...(processed === undefined ? {} : { processed }),
        }));
        const source = sourceOf(await filled(documents));
        for (const prepared of [false, true]) {
          if (prepared) await source.prepare();
          expect(await source.countUnprocessed(5_000)).toBe(3);
          expect((await keysOf(source, 2)).sort()).toEqual([0, 1, 2].map(keyOf).sort());
        }
      });

      it("draws a sample from all over the unprocessed documents, each once", async () => {
        const collection = await filled(numbered(400));
        const source = sourceOf(collection);
        await mark(
          source,
          numbered(100).map(({ _id }) => keyOf(_id)),
        );
        const ids = (await source.sample(50)).map(({ _id }) => Number(_id));
        expect(new Set(ids).size).toBe(50);
        expect(Math.min(...ids)).toBeGreaterThan(100);
        // By chance once in 10^15: the first 50, or none of the last 150.
        expect(Math.max(...ids)).toBeGreaterThan(250);
        const filtered = sourceOf(collection, parseFilter({ _id: { $gt: 395 } }));
        expect((await filtered.sample(50)).map(({ _id }) => Number(_id)).sort()).toEqual([396, 397, 398, 399, 400]);
        expect(await sourceOf(await filled([])).sample(5)).toEqual([]);
        const narrow = sourceOf(collection, null, MARK_FIELDS, []);
        expect(Object.keys((await narrow.sample(1))[0]!)).toEqual(["_id"]);
      });

      it("reads only the fields asked for", async () => {
        const collection = await filled([{ _id: 1, text: "a", secret: "b" }]);
        const source = sourceOf(collection, null, MARK_FIELDS, ["text"]);
        const page = await source.readUnprocessed(null, 5);
        expect(page.documents).toEqual([{ _id: 1, text: "a" }]);
        expect(await source.readByKeys([keyOf(1), keyOf(2)])).toEqual([{ _id: 1, text: "a" }]);
      });

      it("keeps dates, ids, numbers and text that is hard to write", async () => {
        const text = "NUL \u0000, RTL \u202e, ZWJ 👩‍👩‍👧, BOM \ufeff, 'quotes' \"$\"";
        const document = {
          _id: 1,
          text,
          at: new Date(5),
          by: new ObjectId("64b000000000000000000000"),
          n: 1.5,
          deep: [{ a: null }],
        };
        const source = sourceOf(await filled([document]));
        expect(await source.readByKeys([keyOf(1)])).toEqual([document]);
      });

      it("works through an empty collection without complaint", async () => {
        const source = sourceOf(await filled([]));
        await source.prepare();
        expect(await source.countUnprocessed(1_000)).toBe(0);
        expect(await source.readUnprocessed(null, 10)).toMatchObject({ documents: [], last: true });
      });

      it("names the nearest collections and their documents when the wanted one is missing", async () => {
        await store.insert("conversation_set", numbered(3));
        const refused = sourceOf("conversation_sets").prepare();
        await expect(refused).rejects.toMatchObject({ code: "COLLECTION_MISSING" });
        await expect(refused).rejects.toThrow(
          /conversation_sets does not exist in .*Nearest: conversation_set \(3 documents\)/,
        );
      });
    });

    describe("marking", () => {
      itMarked(
        "takes marked documents out of reading, whichever the fields' names, and twice changes nothing",
        async () => {
          const own: MarkFields = { processed: "state.done", processedAt: "doneAt", processedBy: "doneBy" };
          for (const fields of [MARK_FIELDS, own]) {
            const collection = await filled([...numbered(4), { _id: 5, [fields.processed]: false }]);
            const source = sourceOf(collection, null, fields);
            await source.prepare();
            await mark(source, [keyOf(2), keyOf(5), keyOf("gone")]);
            const once = await source.readByKeys([keyOf(2)]);
            await mark(source, [keyOf(2), keyOf(5)]);
            expect(await source.readByKeys([keyOf(2)])).toEqual(once);
            expect(once[0]).toMatchObject({ text: "query 2", [fields.processedAt]: new Date(1_000) });
            expect(once[0]![fields.processedBy]).toEqual({ job: "j", executionId: "e", outcome: "classified" });
            expect((await keysOf(source, 2)).sort()).toEqual([1, 3, 4].map(keyOf).sort());
          }
        },
      );

      it("gives documents back when the marks are taken away", async () => {
        const source = sourceOf(await filled(numbered(3)));
        await source.prepare();
        await mark(source, [keyOf(1), keyOf(2)]);
        await source.unmark([keyOf(2)]);
        expect((await keysOf(source, 10)).sort()).toEqual([2, 3].map(keyOf).sort());
        expect(await source.readByKeys([keyOf(2)])).toEqual([{ _id: 2, text: "query 2" }]);
      });

      it("finds what a job marked with an outcome, page by page, also while marks are taken away", async () => {
        const own: MarkFields = { processed: "state.done", processedAt: "doneAt", processedBy: "doneBy" };
        for (const fields of [MARK_FIELDS, own]) {
          const source = sourceOf(await filled(numbered(9)), null, fields);
          const group = (ids: number[], job: string, outcome: "skipped" | "classified") => ({
            keys: ids.map((id) => keyOf(id)),
            at: new Date(1_000),
            by: { job, executionId: "e", outcome },
          });
          await source.mark([group([1, 2, 5, 7], "it's", "skipped"), group([3], "it's", "classified")]);
          await source.mark([group([4, 8], "other", "skipped")]);
          const seen: ItemKey[] = [];
          let cursor: string | null = null;
          for (let last = false; !last; ) {
            const page = await source.readMarked({ job: "it's", outcome: "skipped" }, cursor, 3);
            expect(page.documents.length).toBeLessThanOrEqual(3);
            const keys = page.documents.map(({ _id }) => keyOf(_id));
            seen.push(...keys);
            await source.unmark(keys);
            ({ cursor, last } = page);
          }
          expect(seen.sort()).toEqual([1, 2, 5, 7].map(keyOf));
          const none = await source.readMarked({ job: "it's", outcome: "skipped" }, null, 3);
          expect(none).toMatchObject({ documents: [], last: true });
          await source.mark([group([9], "it's", "skipped")]);
          const late = await source.readMarked({ job: "it's", outcome: "skipped" }, none.cursor, 3);
          expect(late.documents.map(({ _id }) => _id)).toEqual([9]);
        }
      });

      itMarked("lets two jobs share a source under different names", async () => {
        const collection = await filled(numbered(3));
        const other: MarkFields = { processed: "p2", processedAt: "p2At", processedBy: "p2By" };
        await mark(sourceOf(collection), [keyOf(1)]);
        await mark(sourceOf(collection, null, other), [keyOf(2)]);
        expect((await keysOf(sourceOf(collection), 10)).sort()).toEqual([2, 3].map(keyOf).sort());
        expect((await keysOf(sourceOf(collection, null, other), 10)).sort()).toEqual([1, 3].map(keyOf).sort());
      });
    });

    itReadOnly("leaves the source as it is, and knows records, notes and what is to be done again", async () => {
      const documents = numbered(9);
      const collection = await filled(documents);
      const source = sourceOf(collection);
      await source.prepare();
      const noted = (ids: number[], outcome: "classified" | "skipped" | "deadLetter") => ({
        keys: ids.map(keyOf),
        at: new Date(1_000),
        by: { job: "j", executionId: "e", outcome },
      });
      const open = async (): Promise<number[]> =>
        (await keysOf(source, 2)).map((key) => Number(idOf(key))).sort((a, b) => a - b);
      for (let times = 0; times < 2; times++) {
        await source.mark([noted([1, 2], "classified"), noted([3, 4], "skipped"), noted([5], "deadLetter")]);
        expect(await open()).toEqual([6, 7, 8, 9]);
      }
      expect(await source.countUnprocessed(5_000)).toBe(4);
      await source.reopen!([keyOf(1)]);
      await source.unmark([keyOf(3)]);
      expect(await open()).toEqual([1, 3, 6, 7, 8, 9]);
      await source.mark([noted([1, 3], "classified")]);
      expect(await open()).toEqual([6, 7, 8, 9]);
      expect((await store.target(`results_of_${collection}_outcomes`).readAll(null, 10)).documents).toHaveLength(4);
      const records = store.target(`results_of_${collection}`);
      await records.write([6, 7].map((id) => ({ key: keyOf(id), record: recordWith({ job: "j" }) })));
      await source.reopen!([keyOf(7)]);
      const settled = await source.readMarked({ job: "j", outcome: "classified" }, null, 10);
      expect(settled.documents.map(({ _id }) => _id)).toEqual([1, 2, 3, 6]);
      expect(await source.readByKeys(documents.map(({ _id }) => keyOf(_id)))).toEqual(
        expect.arrayContaining(documents as SourceDocument[]),
      );
    });

    it("decides filters as MongoDB does", async () => {
      // A source that is only read has no marks: what looks like one is a field like any other.
      const collection = await filled(filterDocuments.filter(({ processed }) => !inTarget || processed !== true));
      for (const [filter, expected] of filterCases) {
        const source = sourceOf(collection, parseFilter(filter));
        const seen = (await keysOf(source, 2)).map((key) => JSON.parse(key).$numberInt).sort();
        expect([JSON.stringify(filter), seen]).toEqual([JSON.stringify(filter), expected.map(String)]);
        expect(await source.countUnprocessed(5_000)).toBe(expected.length);
      }
    });

    describeMarked("searching records", () => {
      searchContract(() => store);
    });

    describeMarked("writing records", () => {
      const newTarget = () => store.target(`target_${collections++}`);

      it("writes each record under its source's id, and writing again changes nothing", async () => {
        const target = newTarget();
        const ids = [1, "1", new ObjectId(), { a: 1 }, null];
        const records = ids.map((id) => ({ key: keyOf(id), record: recordWith({}) }));
        for (let times = 0; times < 2; times++) {
          const results = await target.write(records);
          expect(results).toEqual(records.map(({ key }) => ({ key, status: "written" })));
          expect(await target.count()).toBe(ids.length);
        }
        const [stored] = await target.readByKeys([keyOf("1")]);
        expect(stored).toEqual({ _id: "1", ...recordWith({}) });
      });

      it("refuses a lower fence and leaves what is there", async () => {
        const target = newTarget();
        const key = keyOf("a");
        await target.write([{ key, record: recordWith({ fence: 5, category: "new" }) }]);
        const results = await target.write([
          { key, record: recordWith({ fence: 4, category: "old" }) },
          { key: keyOf("b"), record: recordWith({ fence: 4 }) },
        ]);
        expect(results.map(({ status }) => status)).toEqual(["fenced", "written"]);
        expect(await target.readByKeys([key])).toMatchObject([{ category: "new", fence: 5 }]);
        const higher = await target.write([{ key, record: recordWith({ fence: 6, category: "newest" }) }]);
        expect(higher).toEqual([{ key, status: "written" }]);
      });

      it("keeps what a person decided and puts the new answer beside it", async () => {
        const collection = `target_${collections++}`;
        const target = store.target(collection);
        await store.insert(collection, [{ _id: 1, category: "mine", decidedBy: "person", note: "checked" }]);
        for (let times = 0; times < 2; times++) {
          const [result] = await target.write([
            { key: keyOf(1), record: recordWith({ category: "model's", fence: 3 }) },
          ]);
          expect(result).toEqual({ key: keyOf(1), status: "kept-person" });
        }
        const [stored] = await target.readByKeys([keyOf(1)]);
        expect(stored).toMatchObject({ category: "mine", note: "checked", modelSuggestion: { category: "model's" } });
        const [late] = await target.write([{ key: keyOf(1), record: recordWith({ category: "late", fence: 2 }) }]);
        expect(late).toEqual({ key: keyOf(1), status: "fenced" });
      });

      it("takes what a person decided once, keeps the model's answer beside it, and lets no run overwrite it", async () => {
        const target = newTarget();
        const keys = [1, 2, 3, 4].map(keyOf);
        await target.write(
          keys.map((key) => ({
            key,
            record: recordWith({ category: "guess", contentHash: "h1", fence: 3, costUsd: 0.5 }),
          })),
        );
        const review = { sheet: "s-1", part: "random" as const, of: 90 };
        const corrections = [
          { key: keys[0]!, fields: { category: "right", "labels.topic": ["a", "b"] }, contentHash: "h1", review },
          { key: keys[1]!, fields: {}, contentHash: "h1", review },
          { key: keys[2]!, fields: { category: "right" }, contentHash: "another text", review },
          { key: keyOf(99), fields: { category: "right" }, contentHash: "h1", review },
        ];
        const at = new Date("2026-02-03T04:05:06.789Z");
        const statuses = async () => (await target.correct(corrections, at)).map(({ status }) => status);
        expect(await statuses()).toEqual(["corrected", "confirmed", "changed", "missing"]);
        const stored = await target.readByKeys(keys);
        expect(await statuses()).toEqual(["unchanged", "unchanged", "changed", "missing"]);
        expect(await target.readByKeys(keys)).toEqual(stored);
        const [corrected, confirmed, changed] = stored;
        expect(corrected).toMatchObject({
          category: "right",
          labels: { topic: ["a", "b"] },
          decidedBy: "person",
          needsReview: false,
          reviewedAt: at,
          review,
          modelSuggestion: { category: "guess", decidedBy: "model", costUsd: 0.5, fence: 3 },
        });
        expect(confirmed).toMatchObject({
          category: "guess",
          decidedBy: "person",
          modelSuggestion: { category: "guess" },
        });
        expect(changed).toMatchObject({ category: "guess", decidedBy: "model" });
        const [kept] = await target.write([
          { key: keys[0]!, record: recordWith({ category: "newer guess", fence: 4 }) },
        ]);
        expect(kept).toEqual({ key: keys[0], status: "kept-person" });
        const again = [{ ...corrections[0]!, fields: { category: "still right" } }];
        expect(await target.correct(again, at)).toEqual([{ key: keys[0], status: "corrected" }]);
        expect(await target.readByKeys([keys[0]!])).toMatchObject([
          { category: "still right", decidedBy: "person", modelSuggestion: { category: "newer guess", fence: 4 } },
        ]);
      });

      it("leaves fields of others in the document alone", async () => {
        const collection = `target_${collections++}`;
        await store.insert(collection, [{ _id: 1, team: "blue", category: "old" }]);
        await store.target(collection).write([{ key: keyOf(1), record: recordWith({ category: "new" }) }]);
        expect(await store.target(collection).readByKeys([keyOf(1)])).toMatchObject([
          { team: "blue", category: "new" },
        ]);
      });

      it("refuses a record that is too large for a document and writes the others", async () => {
        const target = newTarget();
        const records = Array.from({ length: 9 }, (_, at) => ({ key: keyOf(at), record: recordWith({}) }));
        records[4] = { key: keyOf(4), record: recordWith({ summary: "x".repeat(16_000_000) }) };
        const results = await target.write(records);
        expect(results.map(({ status }) => status)).toEqual(records.map((_, at) => (at === 4 ? "refused" : "written")));
        expect(results[4]).toMatchObject({ message: expect.stringContaining("bytes") });
        expect(await target.count()).toBe(8);
      });

      it("takes away what a record can be without when the new one is without it, and keeps what others added", async () => {
        const target = newTarget();
        const key = keyOf(1);
        await target.write([{ key, record: recordWith({ fields: { order: "A1" }, requestedModel: "alias" }) }]);
        const [first] = await target.readByKeys([key]);
        expect(first).toMatchObject({ fields: { order: "A1" }, requestedModel: "alias" });
        await target.write([{ key, record: recordWith({ model: "m-2" }) }]);
        const [second] = await target.readByKeys([key]);
        expect(second).toMatchObject({ _id: 1, model: "m-2" });
        expect(second).not.toHaveProperty("fields");
        expect(second).not.toHaveProperty("requestedModel");
      });

      it("keeps what another answer replaces, once each however often it is written, by item and time", async () => {
        const collection = `target_${collections++}`;
        const target = store.target(collection);
        const at = (second: number) => new Date(1_700_000_000_000 + second * 1_000);
        const answers = [
          recordWith({ contentHash: "h1", classifiedAt: at(1), requestedModel: "alias", fields: { order: "A1" } }),
          recordWith({ contentHash: "h2", classifiedAt: at(2), executionId: "y" }),
          recordWith({ contentHash: "h2", classifiedAt: at(3), taxonomyVersion: "t-2", fence: 2 }),
          recordWith({ contentHash: "h2", classifiedAt: at(4), taxonomyVersion: "t-2", fence: 2, executionId: "z" }),
        ];
        const ids = [1, "1", "12", new ObjectId(), { a: 1 }, null, new Date(0)];
        for (const record of answers)
          for (let times = 0; times < 2; times++) await target.write(ids.map((id) => ({ key: keyOf(id), record })));
        for (const id of ids) {
          const history = await target.history(keyOf(id));
          expect(history.map(({ reason, supersededBy }) => [reason, supersededBy])).toEqual([
            ["changed", "y"],
            ["stale", "x"],
            ["all", "z"],
          ]);
          expect(history.map(({ supersededAt }) => supersededAt)).toEqual([at(2), at(3), at(4)]);
          expect(history.map(({ record }) => record)).toEqual(answers.slice(0, 3));
          expect(history[0]?._id).toEqual({ item: id, classifiedAt: at(1), contentHash: "h1" });
        }
        expect(await store.target(`${collection}_history`).count()).toBe(3 * ids.length);
        expect(await target.count()).toBe(ids.length);
        // Who is no owner any more replaces nothing.
        const late = recordWith({ contentHash: "h3", classifiedAt: at(5), fence: 1 });
        expect(await target.write([{ key: keyOf(1), record: late }])).toMatchObject([{ status: "fenced" }]);
        // What a person decided is not replaced: the answer stands beside it.
        await store.insert(collection, [{ _id: 1, ...answers[3], decidedBy: "person" }]);
        const new5 = { ...late, fence: 2 };
        expect(await target.write([{ key: keyOf(1), record: new5 }])).toMatchObject([{ status: "kept-person" }]);
        expect(await target.history(keyOf(1))).toHaveLength(3);
        expect(await target.history(keyOf("none"))).toEqual([]);
      });

      it("tells which records exist, whatever their ids", async () => {
        const target = newTarget();
        const ids = [1, "1", new ObjectId(), { a: 1 }, null, new Date(0)];
        await target.write(ids.map((id) => ({ key: keyOf(id), record: recordWith({}) })));
        const asked = [...ids, 2, "2", { b: 1 }].map(keyOf);
        expect(await target.existing(asked)).toEqual(new Set(ids.map(keyOf)));
        expect(await target.existing([])).toEqual(new Set());
      });

      it("tells what is settled", async () => {
        const target = newTarget();
        await target.write([{ key: keyOf(1), record: recordWith({ contentHash: "h1", decidedBy: "offline" }) }]);
        const settled = await target.findSettled([keyOf(1), keyOf(2)]);
        expect(settled).toEqual([
          {
            key: keyOf(1),
            contentHash: "h1",
            taxonomyVersion: "t-1",
            promptVersion: "p-1",
            model: "m",
            decidedBy: "offline",
            requestedModel: null,
            executionId: "x",
          },
        ]);
      });

      it("reads everything page by page for an export, each record once", async () => {
        const target = newTarget();
        const ids = [3, "b", 1, new ObjectId(), 2, "a", { z: 1 }];
        await target.write(ids.map((id) => ({ key: keyOf(id), record: recordWith({}) })));
        const seen: ItemKey[] = [];
        let cursor: string | null = null;
        for (let last = false; !last; ) {
          const page = await target.readAll(cursor, 2);
          seen.push(...page.documents.map(({ _id }) => keyOf(_id)));
          expect(seen.length, "records come again and again").toBeLessThan(100);
          ({ cursor, last } = page);
        }
        expect(seen.sort()).toEqual(ids.map(keyOf).sort());
        expect(await newTarget().readAll(null, 2)).toMatchObject({ documents: [], last: true });
      });
    });

    describeMarked("the lease of a target", () => {
      const holder = (ownerId: string, job = "j"): LeaseHolder => ({
        job,
        ownerId,
        host: "h",
        pid: 1,
        executionId: "e",
      });
      let leases = 0;
      const newName = () => `lease_${leases++}`;

      it("is held by one owner; a second one is told who holds it and for how long", async () => {
        const name = newName();
        expect(await store.lease.acquire(name, holder("a"), 60_000)).toEqual({ status: "held", fence: 1 });
        const busy = await store.lease.acquire(name, holder("b"), 60_000);
        expect(busy).toMatchObject({ status: "busy", holder: holder("a") });
        expect(busy.status === "busy" && busy.expiresInMs > 50_000 && busy.expiresInMs <= 60_000).toBe(true);
      });

      it("goes to only one of many that ask at once", async () => {
        const name = newName();
        const asked = ["a", "b", "c", "d", "e", "f"].map((owner) => store.lease.acquire(name, holder(owner), 60_000));
        const results = await Promise.all(asked);
        expect(results.filter(({ status }) => status === "held")).toHaveLength(1);
        expect(results.filter(({ status }) => status === "busy")).toHaveLength(5);
      });

      it("is taken over at once by the same owner, with a higher token", async () => {
        const name = newName();
        await store.lease.acquire(name, holder("a"), 60_000);
        expect(await store.lease.acquire(name, holder("a"), 60_000)).toEqual({ status: "held", fence: 2 });
        expect(await store.lease.renew(name, "a", 1, 60_000)).toBe(false);
        expect(await store.lease.renew(name, "a", 2, 60_000)).toBe(true);
      });

      it("can be taken by another owner after it expired; the old one cannot renew it", async () => {
        const name = newName();
        await store.lease.acquire(name, holder("a"), 0);
        expect(await store.lease.acquire(name, holder("b"), 60_000)).toEqual({ status: "held", fence: 2 });
        expect(await store.lease.renew(name, "a", 1, 60_000)).toBe(false);
      });

      it("is refused to another job even when nobody holds it, until it is forgotten", async () => {
        const name = newName();
        await store.lease.acquire(name, holder("a"), 0);
        expect(await store.lease.acquire(name, holder("a", "other"), 1_000)).toMatchObject({
          status: "other-job",
          holder: { job: "j" },
        });
        await store.lease.release(name, "a", 1);
        expect(await store.lease.acquire(name, holder("b", "other"), 1_000)).toMatchObject({ holder: { job: "j" } });
        await store.lease.forget(name);
        expect(await store.lease.acquire(name, holder("b", "other"), 1_000)).toEqual({ status: "held", fence: 2 });
      });

      it("is gone with its target: nothing is known of who wrote it", async () => {
        const name = newName();
        await store.lease.acquire(name, holder("a"), 60_000);
        await store.lease.remove(name);
        expect(await store.lease.look(name)).toBeNull();
        expect(await store.lease.renew(name, "a", 1, 60_000)).toBe(false);
        expect(await store.lease.acquire(name, holder("b", "other"), 60_000)).toEqual({ status: "held", fence: 1 });
        await store.lease.remove(newName());
      });

      it("is free after a release by its holder, and only by its holder", async () => {
        const name = newName();
        await store.lease.acquire(name, holder("a"), 60_000);
        await store.lease.release(name, "b", 1);
        await store.lease.release(name, "a", 9);
        expect((await store.lease.acquire(name, holder("b"), 60_000)).status).toBe("busy");
        await store.lease.release(name, "a", 1);
        expect(await store.lease.acquire(name, holder("b"), 60_000)).toEqual({ status: "held", fence: 2 });
      });

      it("takes names and ids with a dollar sign as they are", async () => {
        const name = newName();
        await store.lease.acquire(name, holder("$a", "$job"), 60_000);
        expect(await store.lease.acquire(name, holder("b", "$job"), 1)).toMatchObject({ holder: holder("$a", "$job") });
      });
    });

    it("replaces documents that are inserted again and removes collections", async () => {
      const collection = await filled(numbered(3));
      await store.insert(collection, [{ _id: 2, text: "new" }]);
      const source = sourceOf(collection);
      expect(await source.readByKeys([keyOf(2)])).toEqual([{ _id: 2, text: "new" }]);
      expect(await source.countUnprocessed(1_000)).toBe(3);
      await store.drop(collection);
      await store.drop(collection);
      await expect(source.prepare()).rejects.toMatchObject({ code: "COLLECTION_MISSING" });
    });

    itMarked("leaves what is there alone when it is told to keep it", async () => {
      const collection = await filled([{ _id: 1, text: "first", processed: true }]);
      const more = [
        { _id: 1, text: "second" },
        { _id: new ObjectId(), text: "new" },
        { _id: 1, text: "third" },
      ];
      await store.insert(collection, more, "keep");
      await store.insert(collection, more, "keep");
      const found = await sourceOf(collection).readByKeys(more.map(({ _id }) => keyOf(_id)));
      const texts = new Map(found.map((document) => [keyOf(document._id), document.text]));
      expect([...texts.values()].sort()).toEqual(["first", "new"]);
      await expect(sourceOf(collection).readUnprocessed(null, 9)).resolves.toMatchObject({
        documents: [{ text: "new" }],
      });
    });

    it("gives a collection the place of another, with its documents and no others", async () => {
      const [old, next] = [await filled(numbered(3)), await filled([{ _id: 7, text: "next" }])];
      await sourceOf(old).prepare();
      await store.replace(old, next);
      expect(await keysOf(sourceOf(old), 2)).toEqual([keyOf(7)]);
      await sourceOf(old).prepare();
      expect(await keysOf(sourceOf(old), 2)).toEqual([keyOf(7)]);
      await expect(sourceOf(next).inspect()).rejects.toMatchObject({ code: "COLLECTION_MISSING" });
    });

    it("prints an address without credentials and says what it is", () => {
      expect(store.address).not.toContain("@");
      expect(store.description).toMatch(/^(mongodb|sqlite) \d+\.\d+/);
    });
  });
}

/** As the sink does it: a record is written before its item is marked. */
function withRecords(source: Source, target: Target): Source {
  const mark = source.mark.bind(source);
  source.mark = async (groups) => {
    for (const { keys, by } of groups)
      if (by.outcome === "classified") await target.write(keys.map((key) => ({ key, record: recordWith({}) })));
    await mark(groups);
  };
  return source;
}

/** A record with every field set. */
export function recordWith(changes: Partial<ClassificationRecord>): ClassificationRecord {
  return {
    category: "billing",
    subcategory: null,
    sentiment: "negative",
    urgency: "high",
    language: "en",
    summary: "Charged twice.",
    labels: { product: null },
    alternatives: [{ label: "refund", p: 0.2 }],
    confidence: { category: 0.9, sentiment: null },
    confidenceKind: "self-rated",
    needsReview: false,
    reviewReasons: [],
    job: "j",
    decidedBy: "model",
    provider: "p",
    model: "m",
    endpoint: "e",
    promptVersion: "p-1",
    taxonomyVersion: "t-1",
    contentHash: "h",
    usage: { inputTokens: 1, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 1, reasoningTokens: 0 },
    costUsd: null,
    latencyMs: 5,
    attempts: 1,
    executionId: "x",
    fence: 1,
    classifiedAt: new Date(1_700_000_000_000),
    ...changes,
  };
}

async function keysOf(source: Source, limit: number, after: string | null = null): Promise<ItemKey[]> {
  const keys: ItemKey[] = [];
  let cursor = after;
  for (let last = false; !last; ) {
    const page = await source.readUnprocessed(cursor, limit);
    expect(page.documents.length).toBeLessThanOrEqual(limit);
    expect(keys.length, "documents come again and again").toBeLessThan(1_000);
    expect(page.last || page.documents.length > 0, "a page without documents is the last").toBe(true);
    keys.push(...page.documents.map(({ _id }) => keyOf(_id)));
    ({ cursor, last } = page);
  }
  return keys;
}

async function mark(source: Source, keys: readonly ItemKey[]): Promise<void> {
  await source.mark([{ keys, at: new Date(1_000), by: { job: "j", executionId: "e", outcome: "classified" } }]);
}

const anyScalar = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)),
  fc.boolean(),
  fc.constant(null),
  fc.date({ noInvalidDate: true }),
  fc.integer({ min: 0, max: 0xff_ffff }).map((n) => new ObjectId(n.toString(16).padStart(24, "0"))),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 62n }).map((n) => Long.fromBigInt(n)),
  fc.integer({ min: 1, max: 9_999 }).map((n) => Decimal128.fromString(`${n}.00000000000000000001`)),
  fc.uint8Array({ maxLength: 9 }).map((bytes) => new Binary(bytes)),
  fc.uuid().map((text) => new UUID(text)),
  fc.integer({ min: 1, max: 99 }).map((n) => new Timestamp({ t: n, i: 1 })),
  fc.constant(new Double(Number.NaN)),
);
export const anyId: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 12, arbitrary: anyScalar },
  { weight: 2, arbitrary: fc.record({ tenant: anyScalar, n: fc.integer() }) },
  { weight: 1, arbitrary: fc.constantFrom(new MinKey(), new MaxKey()) },
);

const filterDocuments: SourceDocument[] = [
  { _id: 1, channel: "mail", n: 5, at: new Date("2026-01-01"), tags: ["a", "b"] },
  { _id: 2, channel: "chat", n: "5", at: new Date("2026-02-01"), tags: [] },
  { _id: 3, channel: null, n: 7.5, author: { name: "x", ids: [1, 2] } },
  {
    _id: 4,
    n: Long.fromNumber(9),
    author: [{ name: "x" }, { age: 3 }],
    owner: new ObjectId("64b000000000000000000000"),
  },
  { _id: 5, channel: ["mail", null], n: null, author: "x" },
  { _id: 6, processed: true, channel: "mail", n: 5 },
  { _id: 7, processed: false, channel: "\ud83d\ude00", n: true },
];
const filterCases: [unknown, number[]][] = [
  [{}, [1, 2, 3, 4, 5, 7]],
  [{ channel: "mail" }, [1, 5]],
  [{ channel: { $ne: "mail" } }, [2, 3, 4, 7]],
  [{ channel: null }, [3, 4, 5]],
  [{ channel: { $ne: null } }, [1, 2, 7]],
  [{ channel: { $exists: false } }, [4]],
  [{ channel: { $in: ["chat", null] } }, [2, 3, 4, 5]],
  [{ channel: { $nin: ["chat", "mail"] } }, [3, 4, 7]],
  [{ channel: { $gt: "\uffff" } }, [7]],
  [{ n: { $gt: 5 } }, [3, 4]],
  [{ n: { $gte: 5, $lt: 9 } }, [1, 3]],
  [{ n: { $lte: null } }, [5]],
  [{ n: true }, [7]],
  [{ at: { $gte: { $date: "2026-01-15T00:00:00Z" } } }, [2]],
  [{ owner: { $oid: "64b000000000000000000000" } }, [4]],
  [{ tags: "b" }, [1]],
  [{ "tags.0": "a" }, [1]],
  [{ "author.name": "x" }, [3, 4]],
  [{ "author.ids": { $gt: 1 } }, [3]],
  [{ "author.age": null }, [1, 2, 3, 4, 5, 7]],
  [{ $or: [{ n: 5 }, { channel: "chat" }] }, [1, 2]],
  [{ $nor: [{ n: 5 }, { channel: "chat" }] }, [3, 4, 5, 7]],
  [{ $and: [{ n: { $gt: 1 } }, { $or: [{ channel: "mail" }, { channel: null }] }] }, [1, 3, 4]],
  [{ _id: { $in: [1, 3] } }, [1, 3]],
];
