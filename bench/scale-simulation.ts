/**
 * What a job of any size takes: how long, how much money, and which resource decides. `docs/scale.md` has the figures.
 *
 *   npm run scale -- --items 1000000000 --workers 40 --concurrent 500 --tpm 180000000
 *   npm run scale -- --check              a real fleet on this machine beside what is calculated for it
 *   npm run scale -- --measure            what MongoDB takes here: records and marks a second
 *
 * --latency is `fixed:MS` or `lognormal:MEDIAN:P99`. Limits are those of all keys together, 0 for none. --price IN,OUT in
 * USD per million tokens beats the price list. Defaults are what was measured on the machine of docs/scale.md.
 */
import { parseArgs } from "node:util";
import { MongoClient } from "mongodb";
import { loadPricing } from "../src/llm/usage.ts";
import { makeLatency } from "../test/support/model-draw.ts";
import { openFleet } from "./fleet-processes.ts";
import { type Plan, planOf, type Scale } from "./scale/plan.ts";
import { startMongo } from "./servers.ts";

const text = (value: string) => ({ type: "string" as const, default: value });
const { values } = parseArgs({
  options: {
    ...{ items: text("1000000"), workers: text("4"), concurrent: text("50"), latency: text("lognormal:900:4000") },
    ...{ input: text("900"), output: text("80"), rpm: text("0"), tpm: text("0"), range: text("2000") },
    ...{ faults: text("0.01"), cpu: text("0.16"), store: text("3500"), shards: text("1") },
    ...{ ranges: text("20"), model: text("openai/gpt-5-mini"), price: text("") },
    check: { type: "boolean", default: false },
    measure: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const scale: Scale = {
  items: Number(values.items),
  workers: Number(values.workers),
  concurrent: Number(values.concurrent),
  latency: makeLatency(values.latency),
  inputTokens: Number(values.input),
  outputTokens: Number(values.output),
  rpm: Number(values.rpm),
  tpm: Number(values.tpm),
  rangeSize: Number(values.range),
  faults: Number(values.faults),
  cpuMs: Number(values.cpu),
  storePerSecond: Number(values.store) * Number(values.shards),
  queueOpsARange: 4,
  queueOpsASecond: 0.3,
  queuePerSecond: 50_000,
  rangesPerSecond: Number(values.ranges),
};

if (values.measure) await measure();
else if (values.check) await check();
else await show(planOf(scale));

async function show(plan: Plan): Promise<void> {
  const usd = await costOf();
  if (values.json) {
    console.log(JSON.stringify({ ...plan, usd }));
    return;
  }
  console.log(`${count(scale.items)} items, ${scale.workers} workers of ${scale.concurrent} calls, ${values.latency}`);
  console.log(`duration   ${duration(plan.seconds)} at ${count(plan.perSecond)} items/s, limited by ${plan.limitedBy}`);
  console.log(`cost       ${usd === null ? "price not known" : `${count(usd)} USD`}, ${count(plan.calls)} calls`);
  console.log(`queue      ${plan.queueOpsAnItem.toFixed(4)} operations an item`);
  for (const [name, perSecond] of Object.entries(plan.alone).sort(([, a], [, b]) => a - b))
    console.log(`  ${name.padEnd(20)} ${Number.isFinite(perSecond) ? `${count(perSecond)} items/s` : "no limit"}`);
}

/** Failed calls are not paid. null: nobody knows the price. */
async function costOf(): Promise<number | null> {
  const [input, output] = values.price.split(",").map(Number);
  const prices = values.price === "" ? {} : { [values.model]: { input: input!, output: output! } };
  const pricing = await loadPricing(prices);
  const [provider, model] = values.model.split("/") as [string, string];
  const usage = {
    ...{ inputTokens: scale.inputTokens, outputTokens: scale.outputTokens },
    ...{ cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  };
  const one = pricing.costOf(usage, provider, model);
  return one === null ? null : one * scale.items;
}

async function check(): Promise<void> {
  const latency = "lognormal:200:800";
  const own: Scale = {
    ...scale,
    items: 6_000,
    workers: 2,
    concurrent: 40,
    rangeSize: 500,
    faults: 0,
    latency: makeLatency(latency),
  };
  const calculated = planOf(own);
  let [first, last] = [0, 0];
  const arrived = (): void => {
    last = performance.now();
    first ||= last;
  };
  const fleet = await openFleet(own.items, { latency, arrived });
  try {
    const startedMs = performance.now();
    await fleet.run({ concurrent: String(own.concurrent), "range-size": String(own.rangeSize) }, own.workers);
    const seconds = (performance.now() - startedMs) / 1_000;
    const perSecond = own.items / ((last - first) / 1_000);
    const { ok } = fleet.server.ledger();
    const operations = await fleet.operations();
    console.log(
      `${ok} answers for ${own.items} items; queue-store operations an item ${(operations / own.items).toFixed(4)}`,
    );
    const beside = (what: string, a: number, b: number): void =>
      console.log(
        `${what}: calculated ${a.toFixed(1)}, measured ${b.toFixed(1)}, off by ${((a / b - 1) * 100).toFixed(0)} %`,
      );
    beside("items/s", calculated.perSecond, perSecond);
    beside("seconds", calculated.seconds, seconds);
  } finally {
    await fleet.close();
  }
}

/** Records of 1 kB and marks as a run writes them, 500 at once, by two writers, to a majority with journal. */
async function measure(): Promise<void> {
  const mongo = await startMongo();
  const client = await MongoClient.connect(mongo.uri);
  const db = client.db(`querymill_bench_scale_${process.pid}`);
  try {
    const [source, target] = [db.collection<{ _id: number }>("source"), db.collection<{ _id: number }>("target")];
    const total = 40_000;
    const filler = "x".repeat(900);
    for (let from = 0; from < total; from += 2_000)
      await source.insertMany(Array.from({ length: 2_000 }, (_, at) => ({ _id: from + at, text: filler })));
    let next = 0;
    const startedMs = performance.now();
    const concern = { ordered: false, writeConcern: { w: "majority" as const, j: true } };
    const writer = async (): Promise<void> => {
      while (next < total) {
        const ids = Array.from({ length: 500 }, (_, at) => next + at);
        next += 500;
        await target.bulkWrite(
          ids.map((_id) => ({
            updateOne: { filter: { _id }, update: { $set: { text: filler, at: new Date() } }, upsert: true },
          })),
          concern,
        );
        const update = {
          $set: { processed: true, processedAt: new Date(), processedBy: { job: "j", outcome: "done" } },
        };
        await source.bulkWrite(
          ids.map((_id) => ({ updateOne: { filter: { _id }, update } })),
          concern,
        );
      }
    };
    await Promise.all([writer(), writer()]);
    const seconds = (performance.now() - startedMs) / 1_000;
    console.log(
      `MongoDB: ${count(total / seconds)} items/s, each a record and a mark (${total} in ${seconds.toFixed(1)} s)`,
    );
  } finally {
    await db.dropDatabase();
    await client.close();
    await mongo.stop();
  }
}

function count(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? 1 : 0 });
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  if (seconds < 7_200) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 172_800 ? `${(seconds / 3_600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`;
}
