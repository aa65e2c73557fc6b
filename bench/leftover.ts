import { type ClassificationRecord, keyOf, loadSettings, makeItem } from "../src/index.ts";
import { fingerprintOf, type JobSettings } from "../src/job.ts";
import { buildPrompt } from "../src/llm/prompt.ts";
import { applySettlement, EMPTY_JOB_STATE, type JobState, NO_SPEND, type Settlement } from "../src/outcome.ts";
import { BatchFileManager } from "../src/state/batch-file-manager.ts";
import { Journal } from "../src/state/journal.ts";
import type { Cursor, Page, Source } from "../src/store.ts";
import { idOf, textOf } from "./items.ts";

export interface LeftoverOptions {
  readonly batchDir: string;
  readonly job: string;
  /** Of the store that the items are in. */
  readonly source: Source;
  /** As the next run will name it, so that it goes on instead of refusing. */
  readonly server: string;
  /** The first item that is journaled. */
  readonly from: number;
  /** Items that are journaled and not stored. */
  readonly unsettled: number;
}

/** Calls that were under way when the process died. */
const IN_FLIGHT = 50;
const GROUP = 500;
const PAGE_ITEMS = 5_000;
/** Settled since the last checkpoint. */
const BEHIND_CHECKPOINT = 500;

/** Writes what a process leaves that was killed after it had journaled outcomes and stored none: journal and checkpoint. */
export async function leaveBehind(options: LeftoverOptions): Promise<void> {
  const { batchDir, job, source, server, from, unsettled } = options;
  const { settings } = await loadSettings({
    flags: { model: "bench", baseUrl: `${server}/v1`, job },
    env: {},
    cwd: batchDir,
    files: false,
  });
  const manager = new BatchFileManager(batchDir, { job });
  await manager.open();
  let state: JobState = EMPTY_JOB_STATE;
  let checkpoint = { settled: 0, seq: 0, state };
  const journal = await Journal.open(manager.files, manager.journalFolder, manager.identity, () => state, {
    seq: 0,
    segments: new Map(),
  });
  for (let at = 0; at < unsettled; at += GROUP) {
    const settlements = Array.from({ length: Math.min(GROUP, unsettled - at) }, (_, n) =>
      settlementOf(from + at + n, settings),
    );
    for (const { key } of settlements) journal.note({ kind: "start", key });
    const seqs = await Promise.all(settlements.map((settlement) => journal.append({ kind: "settled", settlement })));
    for (const settlement of settlements) state = applySettlement(state, settlement);
    const settled = at + settlements.length;
    if (settled <= unsettled - BEHIND_CHECKPOINT) checkpoint = { settled, seq: seqs.at(-1)!, state };
  }
  for (let n = 0; n < IN_FLIGHT; n += 1) journal.note({ kind: "start", key: keyOf(idOf(from + unsettled + n)) });
  await journal.close();
  await manager.saveCheckpoint({
    format: 1,
    ...manager.identity,
    generation: 1,
    executionId: "killed",
    status: "running",
    fingerprint: fingerprintOf(settings, buildPrompt(settings.taxonomy).version),
    cursor: checkpoint.settled === 0 ? null : await cursorBehind(source, idOf(from + checkpoint.settled - 1)),
    settled: checkpoint.settled,
    stateSeq: checkpoint.seq,
    sunkSeq: 0,
    state: checkpoint.state,
    suspects: {},
    startedAt: new Date().toISOString(),
    savedAt: new Date().toISOString(),
    lastEnd: null,
  });
  await manager.close();
}

/** @returns where a run stands that has read up to this item */
async function cursorBehind(source: Source, id: string): Promise<Cursor> {
  for (let after: Cursor | null = null; ; ) {
    const page: Page = await source.readUnprocessed(after, PAGE_ITEMS);
    const at = page.documents.findIndex(({ _id }) => _id === id);
    if (at >= 0) return (await source.readUnprocessed(after, at + 1)).cursor;
    if (page.last) throw new Error(`${id} is not among the unprocessed items`);
    after = page.cursor;
  }
}

function settlementOf(n: number, { mapping, taxonomy, job }: JobSettings): Settlement {
  const item = makeItem({ _id: idOf(n), text: textOf(n) }, mapping);
  if ("reason" in item) throw new Error(`item ${n} has ${item.reason}`);
  const usage = { inputTokens: 500, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 70, reasoningTokens: 0 };
  const record: ClassificationRecord = {
    category: "shipping_delivery",
    subcategory: null,
    sentiment: "negative",
    urgency: "high",
    language: "en",
    summary: "The customer asks where the order is.",
    labels: {},
    alternatives: [{ label: "order_management", p: 0.2 }],
    confidence: { category: 0.8, sentiment: 0.7, urgency: 0.6 },
    confidenceKind: "self-rated",
    needsReview: false,
    reviewReasons: [],
    job,
    decidedBy: "model",
    provider: "openai-compatible",
    model: "bench",
    endpoint: "main",
    promptVersion: "p-00000000",
    taxonomyVersion: taxonomy.version,
    contentHash: item.contentHash,
    usage,
    costUsd: null,
    latencyMs: 400,
    attempts: 1,
    executionId: "killed",
    fence: 1,
    classifiedAt: new Date(),
  };
  return {
    key: item.key,
    origin: "source",
    contentHash: item.contentHash,
    attempts: 1,
    spend: { ...NO_SPEND, ...usage, calls: 1, unpricedCalls: 1 },
    executionId: "killed",
    atMs: Date.now(),
    outcome: "classified",
    record,
  };
}
