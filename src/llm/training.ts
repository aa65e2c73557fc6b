import { setImmediate as nextTurn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { messageOf, QuerymillError } from "../errors.ts";
import type { CalibratedModel, Lesson } from "./calibrated-classifier.ts";
import type { TrainingRow } from "./linear-classifier.ts";
import type { TrainingMessage } from "./training-worker.ts";

/** Rows in one message: reading and sending them takes about a millisecond. */
const PORTION = 500;

/** A lesson whose examples are read while they are sent. */
export interface LessonToSend extends Omit<Lesson, "examples"> {
  examples(): Iterable<TrainingRow>;
}

/**
 * Trains in a thread of its own, so that this one goes on; the thread ends with its work.
 * @returns the models in the order of the lessons
 * @throws QuerymillError MODEL_CALL_FAILED when the thread fails, such as for want of memory
 */
export async function trainAside(lessons: readonly LessonToSend[]): Promise<CalibratedModel[]> {
  // Sources run as .ts, the built package as .js: the ending is the one of this file.
  const file = new URL(`./training-worker${import.meta.url.slice(-3)}`, import.meta.url);
  const worker = new Worker(file, { execArgv: [] });
  const answer = new Promise<CalibratedModel[]>((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void =>
      reject(
        new QuerymillError("MODEL_CALL_FAILED", `The offline classifier could not be trained: ${why}.`, { cause }),
      );
    worker.once("message", resolve);
    worker.once("error", (error) => fail(messageOf(error), error));
    worker.once("exit", (code) => fail(`its thread ended with ${code}`));
  });
  // Awaited below; a thread that fails while rows are sent is no unhandled rejection.
  answer.catch(() => {});
  const send = (message: TrainingMessage): void => worker.postMessage(message);
  for (const [lesson, { examples }] of lessons.entries()) {
    let rows: TrainingRow[] = [];
    for (const row of examples()) {
      if (rows.push(row) < PORTION) continue;
      send({ kind: "rows", lesson, rows });
      rows = [];
      await nextTurn();
    }
    send({ kind: "rows", lesson, rows });
  }
  send({ kind: "train", lessons: lessons.map(({ names, labels }) => ({ names, labels })) });
  return await answer;
}
