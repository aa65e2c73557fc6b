import { MongoClient } from "mongodb";
import { expect, it, onTestFinished } from "vitest";
import { keyOf } from "../../src/item.ts";
import type { JobSettings } from "../../src/job.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { machine, startFleetProcess } from "../support/fleet.ts";
import { makeJob, textWith } from "../support/job.ts";
import { startValkey } from "../support/valkey.ts";

it("two tenants with a job of one name, over one queue store, database and key: nothing of one is the other's", async () => {
  const valkey = await startValkey();
  onTestFinished(() => valkey.stop());
  const job = await makeJob("MongoDB", { latency: "fixed:20", fail: (id) => (id.endsWith("-7") ? "refusal" : null) });
  const { model } = job.settings;
  const prices = { [model.name]: { input: 10, output: 10 } };
  const idsOf = (tenant: string): string[] => Array.from({ length: 300 }, (_, at) => `${tenant}-${at}`);
  const of = async (tenant: string, usd: number): Promise<JobSettings> => {
    const collections = { sourceCollection: `${tenant}_mails`, targetCollection: `${tenant}_results` };
    const budget = { usd, per: "job" as const };
    return await machine(job, { tenant, ...collections, workersAt: valkey.url, prices, budget });
  };
  // As much as some 20 items cost: one of them is more than a hundredth of it.
  const small = 0.1;
  const tenants = { sales: small, legal: 1_000 };
  const ran = Object.entries(tenants).map(async ([tenant, usd]) => {
    const documents = idsOf(tenant).map((id) => ({ _id: id, text: textWith(id) }));
    await job.store.insert(`${tenant}_mails`, documents);
    const worker = startFleetProcess("worker", await of(tenant, usd));
    const settings = await of(tenant, usd);
    const { end, stderr } = await startFleetProcess("run", settings).ended;
    worker.kill("SIGTERM");
    await worker.ended;
    return { end, stderr, settings, worker };
  });
  const [sales, legal] = await Promise.all(ran);
  expect(sales!.end).toMatchObject({ stopReason: "budget" });
  // Of a budget that is spent beside it, it notices nothing.
  expect(legal!.end).toMatchObject({ stopReason: null, read: 300, deadLetters: 1 });
  const { documents } = await job.store.target("legal_results").readAll(null, 1_000);
  expect(documents.length).toBe(299);
  expect(documents.every(({ _id, tenant }) => String(_id).startsWith("legal-") && tenant !== "sales")).toBe(true);
  const letters = new BatchFileManager(legal!.settings.batchDir, legal!.settings).deadLetters;
  await letters.open({ readOnly: true });
  expect(letters.get(keyOf("legal-7"))).not.toBeNull();
  expect(letters.get(keyOf("sales-7"))).toBeNull();
  const taken = legal!.worker.lines.filter(({ event }) => event === "range:end");
  expect(taken.reduce((sum, { read }) => sum + Number(read), 0)).toBe(300);
  expect(job.server.ledger().docsPaidTwice).toBe(0);
  // Money in millionths of a USD, and queues.
  const client = await new MongoClient(job.settings.storeUri).connect();
  onTestFinished(() => client.close());
  const leased = async (tenant: string): Promise<number> => {
    const counters = client.db(job.settings.db).collection("querymill_allowances");
    return (await counters.findOne({ key: { $regex: `usd:${tenant}\\.flow:job$` } }))!.points;
  };
  expect(await leased("sales")).toBeLessThanOrEqual(100_000);
  expect(await leased("legal")).toBeGreaterThan(1_000_000);
  const keys = (await valkey.say("KEYS querymill:*")) as string[];
  expect([...new Set(keys.map((key) => key.split(":")[1]))].sort()).toEqual(["legal.flow", "sales.flow"]);
});
