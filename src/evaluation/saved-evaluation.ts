import { readFile } from "node:fs/promises";
import { z } from "zod";
import { messageOf, QuerymillError } from "../errors.ts";
import { type Evaluation, rowsOf } from "./evaluation.ts";
import { scoreDimension } from "./score.ts";

const labels = z.union([z.string(), z.array(z.string())]);
const count = z.int().nonnegative();
/** Scores are not read but made again from the answers: the file holds them for other programs. */
const SAVED = z.looseObject({
  kind: z.literal("querymill-evaluation"),
  formatVersion: z.int(),
  createdAt: z.string(),
  origin: z.enum(["file", "reviewed"]),
  data: z.string(),
  dataVersion: z.string(),
  model: z.string(),
  taxonomy: z.string(),
  taxonomyVersion: z.string(),
  promptVersion: z.string(),
  confidenceKind: z.string().nullable(),
  rows: z.object({
    read: count,
    withoutText: count,
    withoutLabel: count,
    unknownLabel: count,
    notDrawn: count,
    scored: count,
    failed: count,
    pending: count,
  }),
  cost: z.object({
    answered: count,
    usd: z.number().nullable(),
    usdPerThousand: z.number().nullable(),
    usage: z.object({
      inputTokens: count,
      cachedInputTokens: count,
      cacheWriteTokens: count,
      outputTokens: count,
      reasoningTokens: count,
    }),
    latencyP50Ms: z.number().nullable(),
    latencyP95Ms: z.number().nullable(),
  }),
  estimates: z.array(
    z.object({
      dimension: z.string(),
      accuracy: z.object({ value: z.number(), low: z.number(), high: z.number() }),
      records: count,
      reviewed: count,
      random: count,
    }),
  ),
  scores: z.array(z.looseObject({ dimension: z.string(), choose: z.enum(["one", "many"]) })),
  answers: z.array(
    z.object({
      id: z.string(),
      gold: z.record(z.string(), labels),
      answer: z.record(z.string(), labels.nullable()).nullable(),
      confidence: z.record(z.string(), z.number().min(0).max(1).nullable()),
    }),
  ),
});

/** @returns whether a file looks like one that `evaluate --output` wrote: by its first bytes */
export function looksSaved(head: string): boolean {
  return /^\s*\{\s*"kind"\s*:\s*"querymill-evaluation"/.test(head);
}

/**
 * Reads what `evaluate --output` wrote.
 * @throws QuerymillError FILE_INVALID: not there, not one, damaged; STATE_NEWER
 */
export async function readSavedEvaluation(path: string): Promise<Evaluation> {
  const read = SAVED.safeParse(parsed(path, await textOf(path)));
  if (!read.success) {
    const [issue] = read.error.issues;
    throw invalid(path, `it is no saved evaluation (${issue!.path.join(".") || "its content"}: ${issue!.message})`);
  }
  const { data } = read;
  if (data.formatVersion > 1)
    throw new QuerymillError(
      "STATE_NEWER",
      `${path} was written by a newer Querymill (format ${data.formatVersion}). Use that version, or evaluate again.`,
    );
  const scores = data.scores.flatMap(
    ({ dimension, choose }) => scoreDimension(dimension, choose, rowsOf(data.answers, dimension)) ?? [],
  );
  return { ...data, formatVersion: 1, scores };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw invalid(path, `it cannot be read (${messageOf(error).split(",")[0]})`);
  }
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid(path, "it is not JSON");
  }
}

function invalid(path: string, what: string): QuerymillError {
  return new QuerymillError(
    "FILE_INVALID",
    `${path}: ${what}. Name a labelled table, or two files written by querymill evaluate --output.`,
  );
}
