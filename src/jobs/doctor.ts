import { lstat } from "node:fs/promises";
import { dirname } from "node:path";
import { QuerymillError } from "../errors.ts";
import type { Item, Skipped, SkipReason } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { userMessage } from "../llm/prompt.ts";
import type { StateIdentity } from "../state/identity.ts";
import { whyFleeting } from "../state/lasting-folder.ts";
import type { SourceDocument, Store } from "../store.ts";
import { outcomesOf } from "../stores/target-marks.ts";
import { endpointFindings } from "./endpoint-findings.ts";
import { openExistingStore } from "./existing-store.ts";
import { bad, type Finding, ok, warn } from "./finding.ts";
import { presetHint, refuseWrongShape } from "./source-shape.ts";
import { whyNotWritable } from "./state-folder.ts";
import { readStatus, tenantJobs } from "./status.ts";
import { chooseAdapters } from "./wiring.ts";

export interface DoctorOptions {
  /** One real call to each endpoint, which may cost a fraction of a cent. */
  readonly call: boolean;
  /** Why no model could be resolved; null when one was. */
  readonly modelProblem: string | null;
  readonly now: () => number;
}

const COUNT_MS = 5_000;
const NODE = 24;

/** Looks at everything that a run needs. Changes nothing; asks the model only when told to. */
export async function* diagnose(settings: JobSettings, options: DoctorOptions): AsyncGenerator<Finding> {
  yield nodeFinding();
  let store: Store | null = null;
  try {
    const startedMs = performance.now();
    store = await openExistingStore(settings);
    const [reached, tookMs] = await timed(() => store!.lease.look(settings.targetCollection), startedMs);
    const { sourceAddress = store.address, sourceDescription } = store;
    const apart = sourceAddress !== store.address;
    if (apart) yield ok("Source store", `${sourceDescription} at ${sourceAddress}`);
    yield ok(
      apart ? "Target store" : "Store",
      `${store.description} at ${store.address}, answers in ${reached} ms (connecting took ${tookMs} ms)`,
    );
    yield* sourceFindings(settings, store);
    yield* shapeFindings(settings, store);
    yield await targetFinding(settings, store);
  } catch (error) {
    yield bad(store === null ? "Store" : "Source", error);
  } finally {
    await store?.close();
  }
  if (options.modelProblem !== null) yield bad("Model", options.modelProblem);
  else yield* endpointFindings(settings, options.call);
  yield* stateFindings(settings);
  yield* await scheduleFindings(settings, options.now());
}

/** What the model would be shown of one document. Customer text. */
export interface SampleText {
  readonly key: string;
  /** The user message as it would be sent, text and delimiters; null for a skipped document. */
  readonly message: string | null;
  /** Of the text in it, in UTF-16 units. */
  readonly chars: number;
  /** A long text was cut in the middle. */
  readonly cut: boolean;
  /** Why nothing would be sent; null when something would. */
  readonly skipped: SkipReason | null;
}

/**
 * What the model would be shown of some unprocessed documents, drawn at random, and whether a preset reads them.
 * Customer text: only where somebody asked for it.
 * @throws QuerymillError as opening the store and reading its source
 */
export async function sampleTexts(
  settings: JobSettings,
  count: number,
): Promise<{ readonly texts: SampleText[]; readonly shape: Finding | null }> {
  const { sourceCollection, mark, filter } = settings;
  const { makeItem } = await chooseAdapters(settings);
  const store = await openExistingStore(settings);
  try {
    const source = store.source({ collection: sourceCollection, mark, filter, fields: null });
    const documents = await source.sample(count);
    return {
      texts: documents.map((document) => sampleText(makeItem(document))),
      shape: presetFinding(settings, documents),
    };
  } finally {
    await store.close();
  }
}

function sampleText(read: Item | Skipped): SampleText {
  if ("reason" in read) return { key: read.key, message: null, chars: 0, cut: false, skipped: read.reason };
  const { key, text, truncated } = read;
  return { key, message: userMessage(text), chars: text.length, cut: truncated, skipped: null };
}

/** A preset that would read these documents, when nothing was said of where their texts are. */
function presetFinding({ mapping }: JobSettings, documents: readonly SourceDocument[]): Finding | null {
  const hint = presetHint(documents, mapping);
  return hint === null ? null : warn("Shape", hint);
}

function nodeFinding(): Finding {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= NODE) return ok("Node", node);
  return bad("Node", `${node} is too old; Querymill needs ${NODE} or newer.`);
}

async function* sourceFindings(settings: JobSettings, store: Store): AsyncGenerator<Finding> {
  const { sourceCollection, targetCollection, mark, filter } = settings;
  const source = store.source({ collection: sourceCollection, mark, filter, fields: [] });
  const { documents, indexed, mayBuildIndex, notMarkable } = await source.inspect();
  const inTarget = settings.markIn === "target";
  const startedMs = performance.now();
  const unprocessed = await source.countUnprocessed(COUNT_MS);
  const tookMs = Math.round(performance.now() - startedMs);
  const open = unprocessed === null ? `more than ${COUNT_MS / 1_000} s of counting` : number(unprocessed);
  const filtered = filter === null ? "" : " and fit the filter";
  yield ok("Source", `${sourceCollection}: ${open} unprocessed${filtered}, of ${number(documents)}`);
  if (inTarget) {
    yield ok("Marking", `in ${targetCollection} and ${outcomesOf(targetCollection)}; ${sourceCollection} is only read`);
    yield ok("Index", `none is needed; the ids are compared with the target's at each start (it took ${tookMs} ms)`);
    return;
  }
  if (indexed) yield ok("Index", "finished documents cost nothing");
  else if (mayBuildIndex === false)
    yield warn(
      "Index",
      "there is none, and this user may not build one: reading is slower the more documents are done. Grant createIndex on it.",
    );
  else yield ok("Index", `not built yet; the next run builds it at its start (counting without it took ${tookMs} ms)`);
  if (notMarkable === null) yield ok("Marking", `may write ${mark.processed} to ${sourceCollection}`);
  else
    yield bad(
      "Marking",
      `${sourceCollection} cannot be marked, because ${notMarkable}. Grant update on it, or leave it as it is and keep the marks beside the results: --mark target.`,
    );
}

async function* shapeFindings(settings: JobSettings, store: Store): AsyncGenerator<Finding> {
  const { preset } = settings.mapping;
  if (preset === undefined) return;
  try {
    await refuseWrongShape(settings, store);
    yield ok("Shape", `the first unprocessed documents are as --preset ${preset} expects`);
  } catch (error) {
    if (!(error instanceof QuerymillError) || error.code !== "SOURCE_SHAPE") throw error;
    yield bad("Shape", error);
  }
}

async function targetFinding({ targetCollection, job }: JobSettings, store: Store): Promise<Finding> {
  const taken = await store.lease.look(targetCollection);
  const records = `${number(await store.target(targetCollection).count())} records`;
  if (taken === null) return ok("Target", `${targetCollection}: ${records}, written by no job yet`);
  if (taken.job !== job)
    return bad(
      "Target",
      `${targetCollection} is written by job ${taken.job}, not ${job}. Choose another with --target-collection, or go on with --job ${taken.job}.`,
    );
  const held = taken.holder === null ? "" : `, now by process ${taken.holder.pid} on ${taken.holder.host}`;
  return ok("Target", `${targetCollection}: ${records}, written by job ${job} only${held}`);
}

async function* stateFindings({ batchDir, job, tenant }: JobSettings): AsyncGenerator<Finding> {
  const there = await lstat(batchDir).catch(() => null);
  const problem = await whyNotWritable(batchDir);
  if (problem !== null) {
    yield bad("State folder", problem);
    return;
  }
  let folder = batchDir;
  while (there === null && (await lstat(folder).catch(() => null)) === null) folder = dirname(folder);
  const fleeting = await whyFleeting(folder).catch(() => null);
  const open = there !== null && (there.mode & 0o077) !== 0;
  if (fleeting !== null) yield warn("State folder", `${batchDir} ${fleeting}`);
  else if (open)
    yield warn(
      "State folder",
      `${batchDir} can be read by other users (mode ${(there.mode & 0o777).toString(8)}): chmod 700 ${batchDir}`,
    );
  else yield ok("State folder", there === null ? `${batchDir}, made by the first run` : batchDir);
  let found: StateIdentity[];
  try {
    found = await tenantJobs(batchDir, tenant);
  } catch (error) {
    yield bad("Job", error);
    return;
  }
  const identity = found.find((one) => one.job === job);
  if (identity === undefined) return;
  const { state, problem: unreadable, journaled, owner } = await readStatus(batchDir, identity);
  if (state === "unreadable") yield bad("Job", unreadable!);
  else if (state === "unclean")
    yield bad("Job", `${job} did not end cleanly; ${number(journaled)} answers are journaled. Go on with --recover.`);
  else if (owner !== null)
    yield warn("Job", `${job} is running: process ${owner.pid} on ${owner.host}. A second run is refused.`);
  else yield ok("Job", `${job} ended in good order`);
}

async function scheduleFindings({ schedules = [] }: JobSettings, nowMs: number): Promise<Finding[]> {
  if (schedules.length === 0) return [];
  const { CronTimes } = await import("../scheduling/cron.ts");
  return schedules.map(({ name, cron, timezone }) => {
    const next = new CronTimes(cron, timezone).after(nowMs);
    if (next === null) return bad("Schedule", `${name}: "${cron}" has no time to come.`);
    const [at, now] = [next, nowMs].map((ms) => new Date(ms).toISOString());
    return ok("Schedule", `${name}: "${cron}" in ${timezone}: next at ${at}; it is ${now} now`);
  });
}

async function timed(action: () => Promise<unknown>, sinceMs: number): Promise<[actionMs: number, beforeMs: number]> {
  const startedMs = performance.now();
  await action();
  return [Math.max(1, Math.round(performance.now() - startedMs)), Math.round(startedMs - sinceMs)];
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
