import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import type { SourceDocument } from "../../src/store.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { hash32, uniform } from "../../test/support/model-draw.ts";
import type { Fault } from "../../test/support/model-faults.ts";
import { type ModelServer, type ModelServerOptions, startModelServer } from "../../test/support/model-server.ts";
import { TOLD, type Told, toldOf } from "./queries.ts";

const DAY_MS = 86_400_000;
/** How far back records go: the period that Insights shows, and the one before it. */
const DAYS = 56;
const A_DAY = 900;
const TAILS = ["; case ####", "; second contact, case ####", "; wants an answer by 1#:00", "; customer since 201#"];
const SOURCE = "conversation_set";
const TARGET = "sentimental_analysis";

/** The job of the pictures, ready to be run in its folder. */
export interface PictureJob {
  /** From now on its runs begin by schedules, the first one at `cron`. */
  schedule(cron: string): Promise<void>;
  /** From now on the third endpoint answers that it is overloaded. */
  overload(): void;
  close(): Promise<void>;
}

/** Makes a shop's inbox: four weeks of records, `waiting` queries to classify, and three endpoints that answer. */
export async function makePictureJob(folder: string, waiting: number): Promise<PictureJob> {
  let overloaded = false;
  const servers = [
    await startModelServer({ latency: "lognormal:1900:4400", seed: 1, ...answers() }),
    await startModelServer({ latency: "lognormal:2100:4700", seed: 2, ...answers() }),
    await startModelServer({ latency: "lognormal:2000:5000", seed: 3, ...answers(() => overloaded) }),
  ];
  const store = await openSqliteStore(join(folder, "inbox.sqlite"));
  const past = Array.from({ length: DAYS * A_DAY }, (_, at) => pastAt(at));
  await store.insert(
    SOURCE,
    past.map(({ document }) => document),
  );
  await store.insert(
    TARGET,
    past.map(({ record }) => record),
  );
  const numbers = Array.from({ length: waiting }, (_, at) => DAYS * A_DAY + at);
  await store.insert(
    SOURCE,
    numbers.map((number) => documentOf(number, drawnAt(number, 0), Date.now())),
  );
  await store.close();
  const config = join(folder, "querymill.yaml");
  await writeFile(config, settingsFor(servers));
  return {
    schedule: (cron) => writeFile(config, settingsFor(servers) + schedulesAt(cron)),
    overload: () => {
      overloaded = true;
    },
    close: async () => {
      for (const server of servers) await server.close();
    },
  };
}

function settingsFor(servers: readonly ModelServer[]): string {
  const endpoints = ["main", "eu", "overflow"].map(
    (name, at) => `  - { name: ${name}, baseUrl: "${servers[at]!.baseUrl}", limits: { requestsPerMinute: 4000 } }`,
  );
  return `job: support-inbox
store: inbox.sqlite
model: support-small-2
concurrent: auto
concurrentMax: 24
budget: { usd: 9 }
retry: { rounds: [60000, 300000, 900000], retries: 1, baseDelayMs: 400, maxDelayMs: 2000 }
prices:
  support-small-2: { input: 0.6, output: 2.4 }
endpoints:
${endpoints.join("\n")}
`;
}

function schedulesAt(cron: string): string {
  return `mode: scheduled
timezone: Europe/Berlin
schedules:
  - { name: intake, cron: "${cron}" }
  - { name: nightly, cron: "30 2 * * *", catchUp: once }
  - { name: sunday, cron: "0 4 * * SUN", reclassify: stale, budget: 20 }
`;
}

/** What the model answers, and what goes wrong on the way. */
export function answers(isOverloaded: () => boolean = () => false): ModelServerOptions {
  return {
    content: (id, _attempt, value, text) => {
      const told = toldOf(text);
      if (told === null) return JSON.stringify(value);
      const { category, sentiment, urgency, language, nearly } = told;
      const sure = nearly === undefined ? 0.74 + uniform(id, 21) * 0.24 : 0.42 + uniform(id, 22) * 0.3;
      const rest = nearly === undefined ? [] : [{ label: nearly, p: round(sure - 0.03 - uniform(id, 23) * 0.1) }];
      return JSON.stringify({
        ...value,
        ...{ category, sentiment, language },
        summary: summaryOf(told, id),
        urgency,
        confidence_category: round(sure),
        confidence_sentiment: round(0.6 + uniform(id, 25) * 0.38),
        confidence_urgency: round(0.6 + uniform(id, 26) * 0.38),
        alternatives: rest,
      });
    },
    fail: (id, attempt): Fault | null => {
      if (isOverloaded()) return "529";
      const drawn = uniform(id, 27);
      if (drawn < 0.004) return "content-filter";
      if (drawn < 0.007) return "unknown-label";
      if (drawn < 0.013) return "503";
      return drawn < 0.05 && attempt === 1 ? "503" : null;
    },
  };
}

/** A query of some day before today. @param daysAgo what customers write about changes with time */
export function drawnAt(number: number, daysAgo: number): Told {
  const key = `query ${number}`;
  const weights = TOLD.map(({ category }) => {
    const isRecent = daysAgo < DAYS / 2;
    if (category === "shipping_delivery") return isRecent ? 3.2 : 1.7;
    if (category === "account_access") return isRecent ? 0.9 : 2;
    return category === "billing_payment" ? 1.6 : category === "other" || category === "security_fraud" ? 0.4 : 1;
  });
  let left = uniform(key, 31) * weights.reduce((sum, weight) => sum + weight, 0);
  return (
    TOLD.find((_, at) => {
      left -= weights[at]!;
      return left < 0;
    }) ?? TOLD[0]!
  );
}

export function documentOf(number: number, told: Told, atMs: number): SourceDocument {
  let digit = 0;
  // One in eight writes what another one wrote: a form with one click.
  const key = uniform(`query ${number}`, 33) < 0.12 ? `twin ${number % 5}` : `query ${number}`;
  const text = told.text.replaceAll("#", () => String(hash32(key, 40 + digit++) % 10));
  const _id = `c-${4_815_000 + number}`;
  const createdAt = new Date(atMs - 3 * 60_000).toISOString();
  if (told.after === undefined) return { _id, channel: "form", text, createdAt };
  const said = [text, ...told.after].map((body, at) => ({
    role: at === 1 ? "agent" : "customer",
    text: body,
    created_at: new Date(atMs - (3 - at) * 15 * 60_000).toISOString(),
  }));
  return { _id, channel: "chat", messages: said, createdAt };
}

/** A query of the last weeks with its record. */
function pastAt(number: number): { readonly document: SourceDocument; readonly record: SourceDocument } {
  const key = `query ${number}`;
  const ago = DAYS - Math.floor(number / A_DAY) - uniform(key, 34) * 0.6;
  const at = new Date(Date.now() - ago * DAY_MS);
  const told = drawnAt(number, ago);
  const { category, sentiment, urgency, language } = told;
  const summary = summaryOf(told, key);
  const byPerson = uniform(key, 35) < 0.02;
  const executionId = `${at.toISOString().slice(2, 10).replaceAll("-", "")}-night`;
  const answer = {
    ...{ category, subcategory: null, sentiment, urgency, language, summary, labels: {}, alternatives: [] },
    confidence: { category: round(0.74 + uniform(key, 36) * 0.24), sentiment: 0.88, urgency: 0.8 },
    ...{ confidenceKind: "self-rated", needsReview: false, reviewReasons: [], decidedBy: "model" },
    ...{ provider: "openai-compatible", model: "support-small-2", endpoint: "main" },
    ...{ promptVersion: "p-7c1e04aa", taxonomyVersion: DEFAULT_TAXONOMY.version, contentHash: key },
    usage: { inputTokens: 1_900, cachedInputTokens: 1_500, cacheWriteTokens: 0, outputTokens: 85, reasoningTokens: 0 },
    ...{
      costUsd: 0.00135,
      latencyMs: 1_100,
      attempts: 1,
      executionId,
      fence: 1,
      job: "support-inbox",
      classifiedAt: at,
    },
  };
  const review = { sheet: "dashboard", part: "uncertain", of: 1, by: "operator" };
  const decided = byPerson ? { decidedBy: "person", modelSuggestion: answer, reviewedAt: at, review } : {};
  const mark = { job: "support-inbox", executionId, outcome: "classified" };
  const document = { ...documentOf(number, told, at.getTime()), processed: true, processedAt: at, processedBy: mark };
  return { document, record: { ...answer, ...decided, _id: document._id } };
}

/** Two who ask the same do not say the same. */
function summaryOf({ summary }: Told, key: string): string {
  let digit = 0;
  const tail = TAILS[hash32(key, 37) % TAILS.length] ?? "";
  return summary + tail.replaceAll("#", () => String(hash32(key, 60 + digit++) % 10));
}

function round(share: number): number {
  return Math.round(share * 100) / 100;
}
