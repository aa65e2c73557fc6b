import type { RunComparison } from "../dashboard/api.ts";
import { QuerymillError } from "../errors.ts";
import { type ItemKey, keyOf } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { type LoggedExecution, readExecutions } from "../state/execution-log.ts";
import type { SourceDocument, Store, Target } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { shownId, valueAt } from "./item-row.ts";
import { fieldOfDimension } from "./query-fields.ts";

const PAGE = 200;
/** Items of which the history is read at once. */
const TOGETHER = 20;
const MOST_COMPARED = 5_000;
const MOST_CHANGED = 200;
const COMPARE_MS = 8_000;
/** Records are written some time after the calls, and by clocks that may differ. */
const SLACK_MS = 10 * 60_000;

type Answer = Readonly<Record<string, unknown>>;

/**
 * Compares what two executions answered to the same items, as far as one of the two answers is an item's last one and
 * the other is in the history: at most 5,000 items, for at most 8 s.
 * @throws QuerymillError USAGE when they are the same, or one is not known
 */
export async function compareRuns(settings: JobSettings, store: Store, a: string, b: string): Promise<RunComparison> {
  if (a === b) throw new QuerymillError("USAGE", "These are the same execution. Choose two.");
  const executions = await executionsOf(settings);
  const [runA, runB] = [a, b].map((id) => executions.find(({ executionId }) => executionId === id));
  if (runA === undefined || runB === undefined)
    throw new QuerymillError(
      "USAGE",
      `Execution ${runA === undefined ? a : b} is not known: the last 1,000 of a job are, since they are kept.`,
    );
  const target = store.target(settings.targetCollection);
  const compared = new Map<string, { agree: number; compared: number }>(
    settings.taxonomy.dimensions.map(({ id }) => [id, { agree: 0, compared: 0 }]),
  );
  const changed: RunComparison["changed"][number][] = [];
  const deadline = performance.now() + COMPARE_MS;
  let both = 0;
  let complete = true;
  const add = (key: ItemKey, answerA: Answer, answerB: Answer): void => {
    both += 1;
    for (const difference of differencesOf(answerA, answerB, settings.taxonomy, compared))
      if (changed.length < MOST_CHANGED) changed.push({ key, id: shownId(key), ...difference });
  };
  for (const [last, other] of [
    [runB, a],
    [runA, b],
  ] as const) {
    for await (const records of answeredIn(target, last, deadline)) {
      if (records === null || both >= MOST_COMPARED) {
        complete = false;
        break;
      }
      const pairs = await Promise.all(records.map((record) => earlierOf(target, record, other)));
      for (const { key, now, earlier } of pairs.filter((pair) => pair.earlier !== null))
        if (last === runB) add(key, earlier!, now);
        else add(key, now, earlier!);
    }
  }
  return {
    a,
    b,
    both,
    dimensions: [...compared].map(([id, counts]) => ({ id, ...counts })),
    cost: { a: runA.costUsd, b: runB.costUsd },
    changed,
    complete,
  };
}

/** The executions of a job that are kept, oldest first. */
export async function executionsOf(
  settings: Pick<JobSettings, "batchDir" | "tenant" | "job">,
): Promise<LoggedExecution[]> {
  const { files, folder, identity } = new BatchFileManager(settings.batchDir, settings);
  return await readExecutions(files, folder, identity);
}

/** Records whose answer an execution made, in small groups; a last null when the time was over before the end. */
async function* answeredIn(
  { search }: Target,
  { executionId, startedAtMs, endedAtMs }: LoggedExecution,
  deadline: number,
): AsyncGenerator<readonly SourceDocument[] | null> {
  const conditions = [{ field: "executionId", is: "in" as const, values: [executionId], not: false }];
  const selection = { conditions, keys: null, fromMs: startedAtMs - SLACK_MS, toMs: endedAtMs + SLACK_MS };
  for (let after: string | null = null; ; ) {
    const maxMs = deadline - performance.now();
    if (maxMs <= 0) {
      yield null;
      return;
    }
    const page = await search.find({ selection, order: "newest", after, limit: PAGE, maxMs });
    for (let at = 0; at < page.documents.length; at += TOGETHER) yield page.documents.slice(at, at + TOGETHER);
    if (page.next === null) return;
    after = page.next;
  }
}

async function earlierOf(target: Target, record: SourceDocument, executionId: string) {
  const key = keyOf(record._id);
  const history = await target.history(key);
  const found = history.findLast((one) => (one.record as Answer | undefined)?.executionId === executionId);
  // What a person decided is no answer of the execution: its own stands beside it.
  const own = record.decidedBy === "person" ? (record.modelSuggestion as Answer | undefined) : record;
  return { key, now: own ?? record, earlier: (found?.record as Answer | undefined) ?? null };
}

function differencesOf(
  a: Answer,
  b: Answer,
  { dimensions }: Taxonomy,
  compared: ReadonlyMap<string, { agree: number; compared: number }>,
): { dimension: string; a: string; b: string }[] {
  const differences: { dimension: string; a: string; b: string }[] = [];
  for (const { id } of dimensions) {
    const [ofA, ofB] = [a, b].map((answer) => textOf(valueAt(answer, fieldOfDimension(id))));
    // Neither was asked for it.
    if (ofA === undefined && ofB === undefined) continue;
    const counts = compared.get(id)!;
    counts.compared += 1;
    if (ofA === ofB) counts.agree += 1;
    else differences.push({ dimension: id, a: ofA ?? "none", b: ofB ?? "none" });
  }
  return differences;
}

/** Lists hold the same labels in any order. */
function textOf(value: unknown): string | undefined {
  if (value === null) return "none";
  return Array.isArray(value) ? [...value].map(String).sort().join(", ") : (value as string | undefined);
}
