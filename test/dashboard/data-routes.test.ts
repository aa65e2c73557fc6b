import { Hono } from "hono";
import { afterEach, describe, expect, it } from "vitest";
import {
  API,
  type CorrectionDone,
  type Insights,
  type ItemDetail,
  type ItemPage,
  type Problem,
  type RunComparison,
  type Runs,
  type SimilarItem,
} from "../../src/dashboard/api.ts";
import { CallRing } from "../../src/dashboard/call-ring.ts";
import { type DataDeps, mountData } from "../../src/dashboard/data-routes.ts";
import { Exports } from "../../src/dashboard/export-stream.ts";
import { scoreReviewed } from "../../src/evaluation/evaluate-reviewed.ts";
import { Events } from "../../src/events.ts";
import { keyOf } from "../../src/item.ts";
import type { JobSettings } from "../../src/job.ts";
import { countToReview } from "../../src/results/decisions.ts";
import { LazyStore } from "../../src/results/lazy-store.ts";
import type { SourceDocument } from "../../src/store.ts";
import { recordWith } from "../contract/store-contract.ts";
import { type Job, makeJob, STORES, textWith } from "../support/job.ts";

const TARGET = "sentimental_analysis";
const stores: LazyStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

function open(settings: JobSettings, changes: Partial<DataDeps> = {}) {
  const store = new LazyStore(settings);
  stores.push(store);
  const app = new Hono();
  mountData(app, { settings, store: store.get, exports: new Exports(), by: () => "ann", timezone: "UTC", ...changes });
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
    await app.request(`${API}${path}`, init);
  return {
    ask,
    get: async <T>(path: string): Promise<T> => {
      const response = await ask(path);
      expect(response.status, `${path}: ${response.status === 200 ? "" : await response.clone().text()}`).toBe(200);
      return (await response.json()) as T;
    },
    post: (path: string, body: unknown) => ask(path, { method: "POST", body: JSON.stringify(body) }),
    problem: async (response: Response): Promise<[number, Problem["error"]]> => [
      response.status,
      ((await response.json()) as Problem).error,
    ],
  };
}

/** Waits until lists come in their own order: MongoDB builds the indexes beside them. */
async function indexed(job: Job): Promise<void> {
  const { search } = job.store.target(TARGET);
  while ((await search.prepare()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

const put = (job: Job, records: SourceDocument[]): Promise<void> => job.store.insert(TARGET, records);
const encoded = (id: unknown): string => encodeURIComponent(keyOf(id));

describe.each(STORES)("what the dashboard shows of a job, over %s", (name) => {
  it("lists items by outcome page by page, and says what a query means and how to type it", async () => {
    const job = await makeJob(name, { fail: (id) => (id === "q0003" ? "refusal" : null) });
    await job.seed(9, (id) => (id === "q0005" ? null : textWith(id)));
    await job.run();
    await job.seed(2, textWith, 50);
    await indexed(job);
    const { get, ask, problem } = open(job.settings, { jobFlags: "--job flow" });
    const seen: string[] = [];
    for (let after = ""; ; ) {
      const page = await get<ItemPage>(`/items?limit=3&after=${encodeURIComponent(after)}`);
      expect(page.command).toBe("querymill items --job flow");
      expect(page.count).toEqual(after === "" ? { items: 7, atLeast: false } : null);
      seen.push(...page.items.map(({ id }) => id));
      if (page.next === null) break;
      after = page.next;
    }
    expect(seen.sort()).toEqual(["q0001", "q0002", "q0004", "q0006", "q0007", "q0008", "q0009"]);
    const dead = await get<ItemPage>("/items?q=outcome:deadLetter+failure:content");
    expect(dead).toMatchObject({
      query: "outcome:dead failure:content",
      command: "querymill items 'outcome:dead failure:content' --job flow",
      count: { items: 1, atLeast: false },
      items: [{ id: "q0003", outcome: "deadLetter", reviewReasons: ["content"] }],
    });
    expect((await get<ItemPage>("/items?q=outcome:dead+failure:malformed")).items).toEqual([]);
    const file = (await (await ask("/export?q=outcome:dead+failure:content")).text()).trimEnd().split("\n");
    expect(file).toHaveLength(1 + dead.items.length);
    expect(file[1]).toMatch(new RegExp(`^${dead.items[0]!.id},deadLetter,content,.+,20..-.+Z$`));
    expect((await get<ItemPage>("/items?q=outcome:skipped")).items).toMatchObject([
      { id: "q0005", outcome: "skipped" },
    ]);
    const pending = await get<ItemPage>("/items?q=outcome:pending&limit=1");
    expect(pending).toMatchObject({
      items: [{ id: "q0050", outcome: "pending" }],
      count: { items: 2, atLeast: false },
    });
    const rest = await get<ItemPage>(`/items?q=outcome:pending&limit=1&after=${encodeURIComponent(pending.next!)}`);
    expect(rest.items).toMatchObject([{ id: "q0051" }]);
    expect((await get<ItemPage>("/items?q=outcome:pending+id:q0001,q0050")).items).toMatchObject([{ id: "q0050" }]);
    expect((await get<ItemPage>("/items?q=id:q0002&order=oldest")).command).toContain("--order oldest");
    for (const [path, words] of [
      ["/items?q=categry:x", "Did you mean category?"],
      ["/items?order=random", "order is one of newest"],
      ["/items?limit=0", "limit is a whole number from 1 to 200"],
      ["/items?after=%5B%5D", "belongs to another list"],
    ])
      expect(await problem(await ask(path!))).toMatchObject([
        400,
        { code: "USAGE", message: expect.stringContaining(words!) },
      ]);
  });

  it("shows one item with its conversation, its record, what happened and what it cost", async () => {
    const watched = Promise.withResolvers<void>();
    const job = await makeJob(name, {
      fail: async (_id, attempt) => {
        await watched.promise;
        return attempt === 1 ? "malformed" : null;
      },
    });
    await job.store.insert("conversation_set", [
      {
        _id: "a/1 %?",
        subject: "[doc:a/1 %?] Parcel",
        messages: [
          { role: "customer", text: "Where is <b>it</b>?", created_at: "2026-11-01T10:00:00Z" },
          { role: "agent", text: "note to self", private: true },
          { role: "agent", text: "On its way.", created_at: "2026-11-01T11:00:00Z" },
        ],
      },
    ]);
    const events = new Events();
    const calls = new CallRing();
    calls.hear(events);
    const started = await job.start();
    started.execution.events.pipeTo(events);
    const { get, ask, problem } = open(job.settings, { calls });
    watched.resolve();
    await started.ended;
    const detail = await get<ItemDetail>(`/items/${encoded("a/1 %?")}`);
    expect(detail.conversation).toEqual([
      { who: "Subject", atMs: null, text: "[doc:a/1 %?] Parcel" },
      { who: "Customer", atMs: Date.UTC(2026, 10, 1, 10), text: expect.stringContaining("Where is") },
      { who: "Agent", atMs: Date.UTC(2026, 10, 1, 11), text: "On its way." },
    ]);
    expect(detail).toMatchObject({ asked: null, row: { id: "a/1 %?", outcome: "classified" }, history: [] });
    expect(detail.record).toMatchObject({ _id: "a/1 %?", job: "flow", classifiedAt: { $date: expect.any(String) } });
    const what = detail.attempts.map((attempt) => attempt.what);
    expect(what.filter((one) => one === "Call to main: answered")).toHaveLength(2);
    expect(what).toContain("Marked in the source");
    expect(what).toContain("Classified by openai-compatible/drawn-1");
    expect(detail.attempts.map(({ atMs }) => atMs)).toEqual(
      detail.attempts.map(({ atMs }) => atMs).toSorted((a, b) => a - b),
    );
    const usd = detail.cost.reduce((sum, part) => sum + (part.usd ?? Number.NaN), 0);
    expect(usd).toBeCloseTo(Number(detail.row.costUsd), 6);
    const cut = open({ ...job.settings, mapping: { text: null, maxChars: 40 } });
    expect((await cut.get<ItemDetail>(`/items/${encoded("a/1 %?")}`)).asked).toContain("left out");
    for (const key of [encoded("none"), "nonsense", "%7B"])
      expect(await problem(await ask(`/items/${key}`))).toMatchObject([404, { code: "ITEM_NOT_FOUND" }]);
  });

  it("takes decisions in the order of doubt, counts them honestly, and takes the last one back", async () => {
    const job = await makeJob(name);
    const at = (id: string, category: number | null, changes: object = {}): SourceDocument => ({
      ...recordWith({
        category: "billing",
        sentiment: "negative",
        labels: {},
        needsReview: true,
        confidence: { category },
        ...changes,
      }),
      _id: id,
    });
    await put(job, [
      at("b", 0.4, { summary: "Charged twice for the same invoice" }),
      at("c", 0.2),
      at("a", null),
      at("sure", 0.1, { needsReview: false }),
      at("mine", 0.1, {
        decidedBy: "person",
        summary: "Invoice was charged twice",
        needsReview: true,
        category: "returns",
        reviewedAt: new Date(),
        review: { sheet: "s-1", part: "random", of: 4 },
        modelSuggestion: recordWith({ category: "billing", sentiment: "negative" }),
      }),
    ]);
    await indexed(job);
    let told = 0;
    const { get, post, problem } = open(job.settings, { changed: () => told++ });
    const review = await get<ItemPage>("/review");
    expect(review.items.map(({ id }) => id)).toEqual(["a", "c", "b"]);
    expect(review).toMatchObject({ query: "review:yes -by:person", count: { items: 3, atLeast: false } });
    expect(await countToReview(job.store, job.settings)).toEqual({ items: 3, atLeast: false });
    const similar = await get<SimilarItem[]>(`/items/${encoded("b")}/similar`);
    expect(similar[0]).toMatchObject({ id: "mine", label: "returns", decidedBy: "person" });
    expect(similar[0]!.likeness).toBeGreaterThan(0.3);
    const key = keyOf("b");
    for (const [body, words] of [
      [{ key, fields: { categry: "returns" } }, "Did you mean category?"],
      [{ key, fields: { category: "return" } }, "Did you mean returns?"],
      [{ key, fields: { category: null } }, "category needs a label"],
      [{ key, fields: { category: ["returns"] } }, "category takes one label"],
      [{ key, fields: [] }, "fields is an object"],
      [{ fields: {} }, "key is the key of an item"],
      [[], "not a JSON object"],
    ] as const)
      expect(await problem(await post("/corrections", body))).toMatchObject([
        400,
        { message: expect.stringContaining(words) },
      ]);
    const before = (await job.records()).get("b");
    const fields = { category: "returns" };
    const done = (await (await post("/corrections", { key, fields, contentHash: "h" })).json()) as CorrectionDone;
    expect(done).toMatchObject({
      key,
      status: "corrected",
      row: { decidedBy: "person", labels: { category: "returns" } },
    });
    expect((await job.records()).get("b")).toMatchObject({
      review: { sheet: "dashboard", part: "uncertain", by: "ann" },
      modelSuggestion: { category: "billing" },
    });
    const other = (await (
      await post("/corrections", { key: keyOf("c"), fields, contentHash: "x" })
    ).json()) as CorrectionDone;
    expect(other.status).toBe("changed");
    // One of two answers was right on the whole, by the random part of the sheet alone: none of it.
    const { evaluation } = await scoreReviewed(job.store, job.settings);
    expect(evaluation.rows.scored).toBe(2);
    expect(evaluation.estimates.find(({ dimension }) => dimension === "category")).toMatchObject({
      random: 1,
      reviewed: 1,
    });
    expect((await get<ItemPage>("/review")).items.map(({ id }) => id)).toEqual(["a", "c"]);
    const undone = (await (await post("/corrections/undo", { key })).json()) as CorrectionDone;
    expect(undone).toMatchObject({ status: "undone", row: { decidedBy: "model", needsReview: true } });
    expect((await job.records()).get("b")).toEqual(before);
    expect(await problem(await post("/corrections/undo", { key: keyOf("mine") }))).toMatchObject([
      409,
      { code: "NOT_UNDONE" },
    ]);
    expect(told).toBe(3);
  });

  it("counts what customers write about against the period before, and says only what is no noise", async () => {
    const job = await makeJob(name);
    const day = (days: number) => new Date(Date.now() - days * 86_400_000);
    const records = Array.from({ length: 1_200 }, (_, at) => {
      const isNow = at % 2 === 0;
      const billing = isNow ? at % 10 < 6 : at % 10 < 2;
      return {
        ...recordWith({
          category: billing ? "billing" : "shipping",
          sentiment: at % 3 === 0 ? "negative" : "neutral",
          language: at % 100 === 0 ? "de" : "en",
          classifiedAt: day(isNow ? 1 + (at % 5) : 8 + (at % 5)),
        }),
        _id: at,
      };
    });
    await put(job, records);
    await indexed(job);
    const { get, ask, problem } = open(job.settings);
    const insights = await get<Insights>("/insights?days=7");
    expect(insights).toMatchObject({ days: 7, total: 600, totalBefore: 600, complete: true, bucketMs: 86_400_000 });
    const category = insights.dimensions.find(({ id }) => id === "category")!;
    expect(category.labels.map(({ id, count }) => [id, count])).toEqual([
      ["billing", 360],
      ["shipping", 240],
    ]);
    expect(category.labels[0]!.counts).toHaveLength(7);
    expect(category.labels[0]!.counts.reduce((sum, count) => sum + count, 0)).toBe(360);
    expect(insights.dimensions.map(({ id }) => id)).toEqual(["category", "sentiment", "language"]);
    expect(insights.sentences.map(({ text }) => text.split(" to ")[0])).toEqual(
      expect.arrayContaining(["category billing rose", "category shipping fell"]),
    );
    expect(insights.sentences.filter(({ text }) => /^(sentiment|language)/.test(text))).toEqual([]);
    const [first] = insights.sentences;
    const page = await get<ItemPage>(`/items?q=${encodeURIComponent(first!.query)}`);
    expect(page.count?.items).toBe(first!.text.includes("billing") ? 360 : 240);
    expect((await get<Insights>("/insights?days=1")).bucketMs).toBe(3_600_000);
    expect(await problem(await ask("/insights?days=0"))).toMatchObject([400, { code: "USAGE" }]);
  });

  it("lists executions and compares two by the answers that are still there", async () => {
    const job = await makeJob(name);
    await job.seed(12);
    const first = await job.run();
    const otherwise = [...(await job.records()).values()].slice(0, 4);
    const turned = (category: unknown) => (category === "returns" ? "billing" : "returns");
    await put(
      job,
      otherwise.map((record) => ({ ...record, category: turned(record.category) })),
    );
    const before = await job.records();
    const second = await job.run({ reclassify: "all", cache: null });
    const after = await job.records();
    await indexed(job);
    const { get, ask, problem } = open(job.settings, { schedules: async () => [] });
    const { executions, schedules } = await get<Runs>("/runs");
    expect(executions.map(({ executionId }) => executionId)).toEqual([second.end.executionId, first.end.executionId]);
    expect(schedules).toEqual([]);
    const compared = await get<RunComparison>(`/runs/compare?a=${first.end.executionId}&b=${second.end.executionId}`);
    const agree = [...before].filter(([id, { category }]) => after.get(id)!.category === category).length;
    expect(compared).toMatchObject({ both: 12, complete: true, cost: { a: first.end.costUsd, b: second.end.costUsd } });
    expect(compared.dimensions.find(({ id }) => id === "category")).toEqual({ id: "category", agree, compared: 12 });
    expect(compared.changed.filter(({ dimension }) => dimension === "category")).toHaveLength(12 - agree);
    const swapped = await get<RunComparison>(`/runs/compare?a=${second.end.executionId}&b=${first.end.executionId}`);
    expect(swapped.both).toBe(12);
    expect(swapped.changed).toHaveLength(4);
    const back = swapped.changed.map(({ a, b, ...rest }) => ({ ...rest, a: b, b: a }));
    expect(back.sort(byText)).toEqual([...compared.changed].sort(byText));
    const detail = await get<ItemDetail>(`/items/${encoded("q0001")}`);
    expect(detail.history).toHaveLength(1);
    expect(detail.attempts.map(({ detail: words }) => words)).toContainEqual(
      expect.stringContaining("replaced when all"),
    );
    expect(await problem(await ask("/runs/compare?a=x&b=y"))).toMatchObject([
      400,
      { message: expect.stringContaining("x is not known") },
    ]);
  });

  it("exports what a query means, streamed, safe for spreadsheets", async () => {
    const job = await makeJob(name);
    await put(
      job,
      Array.from({ length: 1_300 }, (_, at) => ({
        ...recordWith({ summary: at === 0 ? "=1+1" : "x".repeat(50), category: at < 1_100 ? "billing" : "returns" }),
        _id: at,
      })),
    );
    const { ask, problem } = open(job.settings);
    const csv = await ask("/export?q=category:billing");
    expect(csv.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(csv.headers.get("content-disposition")).toBe('attachment; filename="flow.csv"');
    const lines = (await csv.text()).trimEnd().split("\n");
    expect(lines).toHaveLength(1_101);
    expect(lines[0]).toMatch(/^_id,job,category/);
    expect(lines.filter((line) => line.includes(",'=1+1,"))).toHaveLength(1);
    const jsonl = await ask("/export?format=jsonl");
    expect(
      new Set(
        (await jsonl.text())
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)._id),
      ).size,
    ).toBe(1_300);
    // Each reads all there is: so there are only so many at a time, and what nobody reads on makes room.
    const open4 = await Promise.all(Array.from({ length: 4 }, () => ask("/export?format=jsonl")));
    expect(await problem(await ask("/export"))).toMatchObject([503, { code: "TOO_MANY" }]);
    expect((await ask("/export", { method: "HEAD" })).status).toBe(200);
    await open4[0]!.body!.cancel();
    // A head is answered whether there is a place or not, and takes none.
    for (let times = 0; times < 5; times++) {
      const head = await ask("/export?format=jsonl", { method: "HEAD" });
      expect([head.status, head.body]).toEqual([200, null]);
      expect(head.headers.get("content-disposition")).toBe('attachment; filename="flow.jsonl"');
    }
    expect((await ask("/export?format=xlsx", { method: "HEAD" })).status).toBe(400);
    const next = await ask("/export");
    expect(next.status).toBe(200);
    for (const one of [next, ...open4.slice(1)]) await one.text();
    expect((await ask("/export?q=by:person")).status).toBe(200);
    expect(await problem(await ask("/export?format=xlsx"))).toMatchObject([400, {}]);
    expect(await (await ask("/export?q=outcome:dead")).text()).toBe("id,outcome,failure,message,at\n");
  });
});

function byText(a: { key: string; dimension: string }, b: { key: string; dimension: string }): number {
  return a.key + a.dimension < b.key + b.dimension ? -1 : 1;
}

describe("a store that is away, or may only be read", () => {
  it("is said in words with status 503, and comes back", async () => {
    const job = await makeJob("the embedded store");
    const settings = { ...job.settings, storeUri: `${job.settings.storeUri}.not-there` };
    const { ask, problem } = open(settings);
    for (const path of ["/items", "/review", "/insights", "/export", `/items/${encoded("a")}`])
      expect(await problem(await ask(path))).toMatchObject([
        503,
        { code: "STORE_UNREACHABLE", message: expect.stringContaining("no store at") },
      ]);
    const mongo = {
      ...job.settings,
      storeUri: "mongodb://127.0.0.1:1",
      deadlines: { ...job.settings.deadlines, connectMs: 300 },
    };
    expect(await problem(await open(mongo).ask("/items"))).toMatchObject([503, { code: "STORE_UNREACHABLE" }]);
    await put(job, [{ ...recordWith({}), _id: 1 }]);
    expect((await open(job.settings).get<ItemPage>("/items")).items).toHaveLength(1);
  });

  it("is read all the same, and a decision is refused", async () => {
    const job = await makeJob("the embedded store");
    await put(job, [{ ...recordWith({ category: "billing" }), _id: 1 }]);
    const readOnly = new LazyStore({ ...job.settings, readOnly: true });
    stores.push(readOnly);
    const app = open(job.settings, { store: readOnly.get });
    const page = await app.get<ItemPage>("/items");
    expect(page.items).toHaveLength(1);
    expect(page.note).toMatch(/may not be written: it is listed by id only/);
    expect((await app.get<Insights>("/insights?days=92")).complete).toBe(true);
    const refused = await app.post("/corrections", {
      key: keyOf(1),
      fields: { category: "returns" },
      contentHash: null,
    });
    expect(refused.status).toBe(503);
  });
});
