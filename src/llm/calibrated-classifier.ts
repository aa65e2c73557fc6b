import { type Classifier, classifierOf, type LinearModel, type TrainingRow, trainModel } from "./linear-classifier.ts";

/** What one dimension is learned from. */
export interface Lesson {
  /** Rows that are always trained on: label names, descriptions. */
  readonly names: readonly TrainingRow[];
  /** Texts; every label should have some. */
  readonly examples: readonly TrainingRow[];
  readonly labels: readonly string[];
}

/** A model with the exponent that makes its probabilities honest. */
export interface CalibratedModel {
  readonly model: LinearModel;
  readonly exponent: number;
}

/** Up to this many examples × labels each example is answered once by a model that has not seen it, in so many folds. */
const SMALL = 60_000;
const FOLDS = 4;
/** Above it, one part is held out: a quarter, but no more than this. */
const MOST_HELD = 2_000;
/** From here on the part held out is so small a share that the model trained without it is the one to keep. */
const LARGE = 20_000;
/** Fewer examples tell nothing. */
const FEWEST_EXAMPLES = 30;
/** Exponents tried, from flatter to sharper. */
const EXPONENTS = Array.from({ length: 31 }, (_, step) => 0.5 * 1.07 ** step);
/** Where it is not measured. Three data sets with 3 and 10 examples a label asked for 1.5 to 2.2. */
const USUAL_EXPONENT = 1.8;
/** With names of labels alone: the same data sets asked for 2.5 to 3, and there it is better to be less sure. */
const NAMES_EXPONENT = 2.5;

/**
 * Trains a model whose probabilities are about how often it is right on texts like the examples: they are raised to the
 * power that makes held-out examples most likely, and normalised again. The order of labels stays.
 *
 * On texts unlike the examples nothing is known; there they are only as honest as the examples are varied.
 */
export function trainCalibrated({ names, examples, labels }: Lesson): CalibratedModel {
  const train = (rows: readonly TrainingRow[]): LinearModel => trainModel([...names, ...rows], labels);
  if (examples.length === 0) return { model: train(examples), exponent: NAMES_EXPONENT };
  if (examples.length < FEWEST_EXAMPLES) return { model: train(examples), exponent: USUAL_EXPONENT };
  const small = examples.length * labels.length <= SMALL;
  const parts = small ? FOLDS : Math.max(FOLDS, Math.ceil(examples.length / MOST_HELD));
  const partOf = partsByLabel(examples, labels, parts);
  const held: Likelihood[] = [];
  let last: LinearModel | null = null;
  for (let part = 0; part < (small ? parts : 1); part++) {
    last = train(examples.filter((_, index) => partOf[index] !== part));
    const unseen = examples.filter((_, index) => partOf[index] === part);
    held.push(...likelihoods(last, unseen));
  }
  const keep = last !== null && examples.length >= LARGE;
  return { model: keep ? last! : train(examples), exponent: bestExponent(held) };
}

/** Deals the examples of each label out in turn, so that every part has some of all labels, whatever their order. */
function partsByLabel(examples: readonly TrainingRow[], labels: readonly string[], parts: number): number[] {
  const next = new Map(labels.map((label, index) => [label, index]));
  return examples.map(({ label }) => {
    const at = next.get(label) ?? 0;
    next.set(label, at + 1);
    return at % parts;
  });
}

/** @returns what predicts by a calibrated model */
export function calibratedClassifier({ model, exponent }: CalibratedModel): Classifier {
  const { predict } = classifierOf(model);
  return {
    predict(text) {
      const predictions = predict(text);
      const top = predictions[0]?.p ?? 1;
      const raised = predictions.map(({ label, p }) => ({ label, p: (p / top) ** exponent }));
      const sum = raised.reduce((total, { p }) => total + p, 0);
      return raised.map(({ label, p }) => ({ label, p: p / sum }));
    },
  };
}

/** How a held-out text was answered: the logarithms of all probabilities, and of the right label's. */
interface Likelihood {
  readonly right: number;
  readonly all: Float64Array;
}

function likelihoods(model: LinearModel, held: readonly TrainingRow[]): Likelihood[] {
  const { predict } = classifierOf(model);
  return held.map(({ text, label }) => {
    const predictions = predict(text);
    const all = Float64Array.from(predictions, ({ p }) => Math.log(Math.max(p, 1e-12)));
    return { right: all[predictions.findIndex((prediction) => prediction.label === label)] ?? all.at(-1)!, all };
  });
}

function bestExponent(held: readonly Likelihood[]): number {
  let best = USUAL_EXPONENT;
  let least = Number.POSITIVE_INFINITY;
  for (const exponent of EXPONENTS) {
    let loss = 0;
    for (const { right, all } of held) {
      let sum = 0;
      for (const one of all) sum += Math.exp(exponent * (one - all[0]!));
      loss += Math.log(sum) - exponent * (right - all[0]!);
    }
    if (loss >= least) continue;
    least = loss;
    best = exponent;
  }
  return best;
}
