import { basename, join } from "node:path";
import { keyOf } from "../item.ts";
import { fingerprintOf, type JobSettings, MARK_FIELDS, modelLabel, shortHash } from "../job.ts";
import { chooseAdapters, openStore } from "../jobs/wiring.ts";
import type { ClassificationRecord } from "../record.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { openStateFolder } from "../state/files.ts";
import type { SourceDocument, Store } from "../store.ts";
import { dimensionOf, type Taxonomy } from "../taxonomy.ts";
import type { Evaluation, RowAnswers } from "./evaluation.ts";
import { rowsOf } from "./evaluation.ts";
import { type LabelledFile, type LabelledFileOptions, type LabelledRow, openLabelledFile } from "./labelled-file.ts";
import { answerOf, confidenceOf, costOf } from "./record-answers.ts";
import { scoreDimension } from "./score.ts";

const ROWS = "rows";
const ANSWERS = "answers";
const CHUNK = 500;

/**
 * The job that asks the model about the rows: an ordinary one with a store of its own in `evaluations` of the batch
 * directory, so that an evaluation that was killed goes on and pays for no answer twice. It is named by the texts and by all
 * that decides an answer: the same evaluation finds its answers again, another one does not meet them.
 */
export async function evaluationJob(
  settings: JobSettings,
  file: Pick<LabelledFile, "textVersion" | "mapping">,
  path: string,
): Promise<JobSettings> {
  const { mapping } = file;
  const { prompt } = await chooseAdapters({ ...settings, mapping });
  const version = [file.textVersion, fingerprintOf({ ...settings, mapping }, prompt.version)];
  const slug = basename(path)
    .replace(/\.[a-z]+$/i, "")
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  const job = `${slug.slice(0, 40) || "rows"}-${shortHash(version)}`;
  const { tenant } = settings;
  // Of a tenant it is among what is the tenant's, and goes with it.
  const batchDir = join(settings.batchDir, ...(tenant === "default" ? [] : [tenant]), "evaluations");
  return {
    ...settings,
    mode: "batch",
    job,
    batchDir,
    // An evaluation measures the model, what it costs and how long it takes.
    cache: null,
    recover: true,
    fresh: false,
    dryRun: false,
    storeUri: `sqlite:${join(batchDir, `${job}.sqlite`)}`,
    db: "querymill",
    sourceCollection: ROWS,
    targetCollection: ANSWERS,
    mapping,
    mark: MARK_FIELDS,
    filter: null,
    retryOnly: null,
    growing: null,
    limit: null,
    // Somebody waits for its figures.
    window: null,
  };
}

/** Opens the file for a job's taxonomy. @throws QuerymillError FILE_INVALID, USAGE */
export async function openRows(
  settings: JobSettings,
  options: Omit<LabelledFileOptions, "taxonomy" | "mapping" | "contentsBy">,
): Promise<LabelledFile> {
  const { taxonomy, mapping } = settings;
  const contentsBy: LabelledFileOptions["contentsBy"] = async (found) => {
    const { makeItem } = await chooseAdapters({ ...settings, mapping: found });
    return (document) => {
      const read = makeItem(document);
      return "text" in read ? read.contentHash : null;
    };
  };
  return await openLabelledFile({ ...options, taxonomy, mapping, contentsBy });
}

/** Puts the rows that are not there yet into the job's store. @returns how many have no outcome yet */
export async function putRows(job: JobSettings, file: LabelledFile): Promise<number> {
  const manager = new BatchFileManager(job.batchDir, job);
  await openStateFolder(manager.files, manager.folder);
  await manager.files.write(join(job.batchDir, ".gitignore"), "*\n");
  const store = await openStore(job);
  try {
    let chunk: SourceDocument[] = [];
    for await (const document of file.documents()) {
      chunk.push(document);
      if (chunk.length === CHUNK) {
        await insertNew(store, chunk);
        chunk = [];
      }
    }
    await insertNew(store, chunk);
    return (await answersOf(store, job, file.rows)).pending;
  } finally {
    await store.close();
  }
}

/** What was answered so far, scored. */
export async function evaluationOf(job: JobSettings, file: LabelledFile, path: string): Promise<Evaluation> {
  const store = await openStore(job);
  try {
    const { answers, records, failed, pending } = await answersOf(store, job, file.rows);
    const { prompt } = await chooseAdapters(job);
    return {
      ...headOf(job.taxonomy, answers, records),
      createdAt: new Date().toISOString(),
      origin: "file",
      data: path === "-" ? "stdin" : basename(path),
      dataVersion: file.version,
      model: modelsOf(job),
      promptVersion: prompt.version,
      estimates: [],
      rows: { ...file.counts, scored: answers.length - failed, failed, pending },
    };
  } finally {
    await store.close();
  }
}

/** The texts of some rows, as the model saw them. */
export async function textsOf(job: JobSettings, ids: readonly string[]): Promise<Map<string, string>> {
  const { makeItem } = await chooseAdapters(job);
  const store = await openStore(job);
  try {
    const found = await sourceOf(store).readByKeys(ids.map(keyOf));
    return new Map(
      found.flatMap((document) => {
        const read = makeItem(document);
        return "text" in read ? [[String(document._id), read.text]] : [];
      }),
    );
  } finally {
    await store.close();
  }
}

/** The parts of an evaluation that follow from answers and records. */
export function headOf(
  taxonomy: Taxonomy,
  answers: readonly RowAnswers[],
  records: readonly Partial<ClassificationRecord>[],
): Pick<
  Evaluation,
  "kind" | "formatVersion" | "taxonomy" | "taxonomyVersion" | "confidenceKind" | "cost" | "scores" | "answers"
> {
  const scores = taxonomy.dimensions.flatMap(({ id, choose }) => scoreDimension(id, choose, rowsOf(answers, id)) ?? []);
  const [confidenceKind = null, ...others] = new Set(records.map((record) => record.confidenceKind ?? null));
  return {
    kind: "querymill-evaluation",
    formatVersion: 1,
    taxonomy: taxonomy.name,
    taxonomyVersion: taxonomy.version,
    confidenceKind: others.length === 0 ? confidenceKind : "mixed",
    cost: costOf(records),
    scores,
    answers,
  };
}

async function insertNew(store: Store, documents: readonly SourceDocument[]): Promise<void> {
  if (documents.length === 0) return;
  const there = await sourceOf(store).readByKeys(documents.map(({ _id }) => keyOf(_id)));
  const known = new Set(there.map(({ _id }) => _id));
  await store.insert(
    ROWS,
    documents.filter(({ _id }) => !known.has(_id)),
  );
}

async function answersOf(store: Store, job: JobSettings, rows: readonly LabelledRow[]) {
  const { deadLetters } = new BatchFileManager(job.batchDir, job);
  await deadLetters.open({ readOnly: true });
  const target = store.target(ANSWERS);
  const answers: RowAnswers[] = [];
  const records: Partial<ClassificationRecord>[] = [];
  let failed = 0;
  for (let at = 0; at < rows.length; at += CHUNK) {
    const chunk = rows.slice(at, at + CHUNK);
    const found = await target.readByKeys(chunk.map(({ id }) => keyOf(id)));
    const byId = new Map(found.map((record) => [record._id, record as Partial<ClassificationRecord>]));
    for (const { id, gold } of chunk) {
      const record = byId.get(id);
      if (record !== undefined) {
        const { costUsd, usage, latencyMs, confidenceKind } = record;
        records.push({ costUsd, usage, latencyMs, confidenceKind } as Partial<ClassificationRecord>);
        answers.push(rowAnswers(id, gold, record, job.taxonomy));
      } else if (deadLetters.get(keyOf(id)) !== null) {
        failed += 1;
        answers.push({ id, gold, answer: null, confidence: {} });
      }
    }
  }
  return { answers, records, failed, pending: rows.length - answers.length };
}

/** What a record says of the dimensions for which there is a right answer. */
export function rowAnswers(
  id: string,
  gold: RowAnswers["gold"],
  record: Partial<ClassificationRecord>,
  taxonomy: Taxonomy,
): RowAnswers {
  const asked = Object.keys(gold).map((name) => dimensionOf(taxonomy, name)!);
  return {
    id,
    gold,
    answer: Object.fromEntries(asked.map((dimension) => [dimension.id, answerOf(record, dimension)])),
    confidence: Object.fromEntries(asked.map((dimension) => [dimension.id, confidenceOf(record, dimension.id)])),
  };
}

function sourceOf(store: Store) {
  return store.source({ collection: ROWS, mark: MARK_FIELDS, filter: null, fields: null });
}

function modelsOf({ endpoints }: JobSettings): string {
  const first = endpoints.filter(({ fallback }) => fallback === 0);
  return [...new Set(first.map(({ model }) => modelLabel(model)))].join(", ");
}
