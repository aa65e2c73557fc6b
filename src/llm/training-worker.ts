import { parentPort } from "node:worker_threads";
import { type CalibratedModel, type Lesson, trainCalibrated } from "./calibrated-classifier.ts";
import type { TrainingRow } from "./linear-classifier.ts";

/** Rows come in portions, so that neither thread is held up by one large message. */
export type TrainingMessage =
  | { readonly kind: "rows"; readonly lesson: number; readonly rows: readonly TrainingRow[] }
  | { readonly kind: "train"; readonly lessons: readonly Pick<Lesson, "names" | "labels">[] };

/** The thread of `training.ts`: gathers rows, trains each lesson, sends the models and ends. */
const examples = new Map<number, TrainingRow[]>();
parentPort!.on("message", (message: TrainingMessage) => {
  if (message.kind === "rows") {
    const rows = examples.get(message.lesson) ?? [];
    for (const row of message.rows) rows.push(row);
    examples.set(message.lesson, rows);
    return;
  }
  const models = message.lessons.map((lesson, at) => trainCalibrated({ ...lesson, examples: examples.get(at) ?? [] }));
  parentPort!.postMessage(models, models.flatMap(buffersOf));
  parentPort!.close();
});

function buffersOf({ model }: CalibratedModel): ArrayBuffer[] {
  return [model.slots, model.rarity, model.weights, model.bias].map(({ buffer }) => buffer);
}
