/** One text and the label it deserves. */
export interface TrainingRow {
  readonly text: string;
  readonly label: string;
}

/** A label with its probability, 0..1; all labels of a prediction sum to 1. */
export interface Prediction {
  readonly label: string;
  readonly p: number;
}

/** What training found, in plain arrays: one thread trains, another one predicts. */
export interface LinearModel {
  readonly labels: readonly string[];
  /** The slot of each bucket of features; -1 where training kept none. */
  readonly slots: Int32Array<ArrayBuffer>;
  /** How rare the feature of each slot is. */
  readonly rarity: Float32Array<ArrayBuffer>;
  /** The rarity of a feature that has no slot. */
  readonly unknownRarity: number;
  /** By slot, then by label. */
  readonly weights: Float32Array<ArrayBuffer>;
  readonly bias: Float32Array<ArrayBuffer>;
}

export interface Classifier {
  /** Every label, most likely first; equally likely ones in the order they were given. */
  predict(text: string): Prediction[];
}

export interface TrainingOptions {
  /** Passes over the rows. Integer >= 1. @default 10; fewer with more than 20,000 rows, at least 3 */
  readonly epochs?: number;
  /** Draws the order of the rows in each pass: uniform in [0, 1). @default a fixed sequence, so equal rows give equal weights */
  readonly random?: () => number;
}

/** Features are hashed into 2^18 buckets: some ten thousand words and grams rarely meet in one. */
const BUCKET_BITS = 18;
const BUCKETS = 1 << BUCKET_BITS;
const SHORTEST_GRAM = 3;
const LONGEST_GRAM = 4;

const LEARNING_RATE = 1;
/** What AdaGrad's sums of squares start from. Near 0 the first step of every weight would be of full size, however small its gradient: 8 points of accuracy less at 10 examples a label. */
const FIRST_SQUARE = 0.3;
/** Rows seen in all passes together, where there are many: more of them teach little and take long. */
const VISITS = 200_000;
/** Weights in memory at most, 4 bytes each and twice while training: the rarest features give way. */
const MOST_WEIGHTS = 16_000_000;
/** With more rows than this a feature of one row only is left out: it is a misspelling or a number. */
const KEEPS_SINGLE_FEATURES = 5_000;
/** Labels whose error on a row is smaller are not updated by it: three times faster at 150 labels. */
const SMALLEST_ERROR = 0.002;

/**
 * Trains multinomial logistic regression by AdaGrad over hashed words, pairs of words and character grams (3 and 4
 * letters inside a word), as TF-IDF with sublinear counts and unit length. Takes texts of any script: case, width and
 * Latin accents are ignored, digits are all alike, and scripts without spaces are read letter by letter.
 *
 * The probabilities are those of a model stopped early: too low on texts like the rows, which
 * `calibrated-classifier.ts` mends.
 *
 * Deterministic. Memory is 8 bytes × labels × distinct features of the rows while training (at most 128 MB), half of it
 * afterwards, and about 1 KB a row while training.
 * @param rows those whose label is not in `labels` are left out
 * @param labels at least one, without repeats
 */
export function trainModel(
  rows: readonly TrainingRow[],
  labels: readonly string[],
  options: TrainingOptions = {},
): LinearModel {
  const indexes = new Map(labels.map((label, index) => [label, index]));
  const known = rows.filter(({ label }) => indexes.has(label));
  const usual = Math.max(3, Math.min(10, Math.round(VISITS / Math.max(1, known.length))));
  const { epochs = usual, random = fixedSequence() } = options;
  const features = learnFeatures(known, labels.length);
  const vectorOf = vectorsBy(features);
  const examples = known.map(({ text, label }) => ({ vector: vectorOf(text), target: indexes.get(label)! }));
  return { labels, ...features, ...fitWeights(examples, features.rarity.length, labels.length, epochs, random) };
}

/** @returns what predicts by a model; it holds the model's arrays */
export function classifierOf(model: LinearModel): Classifier {
  const { labels } = model;
  const vectorOf = vectorsBy(model);
  const scores = new Float64Array(labels.length);
  return {
    predict(text) {
      softmax(scoresOf(vectorOf(text), model, scores));
      return labels.map((label, index) => ({ label, p: scores[index]! })).sort((a, b) => b.p - a.p);
    },
  };
}

/** A text as its features that occurred in training: slot numbers and weights. */
export interface Vector {
  readonly slots: Int32Array;
  readonly weights: Float32Array;
}
interface Example {
  readonly vector: Vector;
  readonly target: number;
}

/**
 * Numbers the features of all texts and learns how rare each is.
 * @returns a function that gives a text's vector
 */
export function learnVectors(texts: readonly string[]): (text: string) => Vector {
  return vectorsBy(
    learnFeatures(
      texts.map((text) => ({ text, label: "" })),
      1,
    ),
  );
}

type Features = Pick<LinearModel, "slots" | "rarity" | "unknownRarity">;

/** Numbers the features of all rows and learns how rare each is. */
function learnFeatures(rows: readonly TrainingRow[], labels: number): Features {
  const count = createFeatureCounter();
  const occurrences = new Uint32Array(BUCKETS);
  for (const { text } of rows) for (const bucket of count(text).buckets) occurrences[bucket]! += 1;
  const fewest = fewestOccurrences(occurrences, rows.length > KEEPS_SINGLE_FEATURES ? 2 : 1, MOST_WEIGHTS / labels);
  const slots = new Int32Array(BUCKETS).fill(-1);
  const rarity: number[] = [];
  const rarityOf = (holders: number): number => Math.log((rows.length + 1) / (holders + 1)) + 1;
  for (let bucket = 0; bucket < BUCKETS; bucket++)
    if (occurrences[bucket]! >= fewest) slots[bucket] = rarity.push(rarityOf(occurrences[bucket]!)) - 1;
  return { slots, rarity: new Float32Array(rarity), unknownRarity: rarityOf(0) };
}

/** @returns how often a feature has to occur, at least `atLeast` times, so that at most `most` features are left */
function fewestOccurrences(occurrences: Uint32Array, atLeast: number, most: number): number {
  for (let fewest = atLeast; ; fewest++) {
    let left = 0;
    for (const times of occurrences) if (times >= fewest) left += 1;
    if (left <= most) return fewest;
  }
}

/**
 * Features without a slot count for the length, so that a text which is mostly unknown gets small weights and an unsure
 * answer.
 */
function vectorsBy({ slots, rarity, unknownRarity }: Features): (text: string) => Vector {
  const count = createFeatureCounter();
  return (text) => {
    const { buckets, counts } = count(text);
    const found = new Int32Array(buckets.length);
    const weights = new Float32Array(buckets.length);
    let size = 0;
    let squares = 0;
    for (let i = 0; i < buckets.length; i++) {
      const slot = slots[buckets[i]!]!;
      const weight = (1 + Math.log(counts[i]!)) * (slot < 0 ? unknownRarity : rarity[slot]!);
      squares += weight * weight;
      if (slot < 0) continue;
      found[size] = slot;
      weights[size++] = weight;
    }
    const scale = squares === 0 ? 0 : 1 / Math.sqrt(squares);
    for (let i = 0; i < size; i++) weights[i]! *= scale;
    return { slots: found.subarray(0, size), weights: weights.subarray(0, size) };
  };
}

/** Fills `scores` with the score of every label. */
function scoresOf(
  vector: Vector,
  { weights, bias }: Pick<LinearModel, "weights" | "bias">,
  scores: Float64Array,
): Float64Array {
  const labels = scores.length;
  scores.set(bias);
  for (let i = 0; i < vector.slots.length; i++) {
    const row = vector.slots[i]! * labels;
    const x = vector.weights[i]!;
    for (let k = 0; k < labels; k++) scores[k]! += weights[row + k]! * x;
  }
  return scores;
}

function fitWeights(
  examples: readonly Example[],
  slots: number,
  labels: number,
  epochs: number,
  random: () => number,
): Pick<LinearModel, "weights" | "bias"> {
  const weights = new Float32Array(slots * labels);
  const bias = new Float32Array(labels);
  const scores = new Float64Array(labels);
  const squares = new Float32Array(slots * labels).fill(FIRST_SQUARE);
  const biasSquares = new Float32Array(labels).fill(FIRST_SQUARE);
  const wrong = new Int32Array(labels);
  const order = examples.map((_, index) => index);
  for (let epoch = 0; epoch < epochs; epoch++) {
    shuffle(order, random);
    for (const index of order) {
      const { vector, target } = examples[index]!;
      const errors = softmax(scoresOf(vector, { weights, bias }, scores));
      errors[target]! -= 1;
      let updated = 0;
      for (let k = 0; k < labels; k++) {
        const error = errors[k]!;
        if (Math.abs(error) <= SMALLEST_ERROR) continue;
        wrong[updated++] = k;
        biasSquares[k]! += error * error;
        bias[k]! -= (LEARNING_RATE * error) / Math.sqrt(biasSquares[k]!);
      }
      for (let i = 0; i < vector.slots.length; i++) {
        const row = vector.slots[i]! * labels;
        const x = vector.weights[i]!;
        for (let j = 0; j < updated; j++) {
          const at = row + wrong[j]!;
          const gradient = errors[wrong[j]!]! * x;
          squares[at]! += gradient * gradient;
          weights[at]! -= (LEARNING_RATE * gradient) / Math.sqrt(squares[at]!);
        }
      }
    }
  }
  return { weights, bias };
}

/** Turns scores into probabilities, in place. */
function softmax(scores: Float64Array): Float64Array {
  let top = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < scores.length; k++) if (scores[k]! > top) top = scores[k]!;
  let sum = 0;
  for (let k = 0; k < scores.length; k++) {
    scores[k] = Math.exp(scores[k]! - top);
    sum += scores[k]!;
  }
  for (let k = 0; k < scores.length; k++) scores[k]! /= sum;
  return scores;
}

/** @returns a function that gives the distinct buckets of a text and how often each occurs */
function createFeatureCounter(): (text: string) => { buckets: Int32Array; counts: Uint16Array } {
  const seen = new Uint16Array(BUCKETS);
  let touched = new Int32Array(1_024);
  let size = 0;
  const add = (hash: number): void => {
    const bucket = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> (32 - BUCKET_BITS);
    if (seen[bucket] === 0) {
      if (size === touched.length) {
        const larger = new Int32Array(size * 2);
        larger.set(touched);
        touched = larger;
      }
      touched[size++] = bucket;
    }
    if (seen[bucket]! < 0xffff) seen[bucket]! += 1;
  };

  return (text) => {
    size = 0;
    let before = 0;
    for (const word of wordsOf(text)) {
      const hash = hashOf(word, 0, word.length, 0x811c9dc5);
      add(hash);
      if (before !== 0) add(Math.imul(before, 31) ^ hash);
      before = hash;
      if (word.length === 1) continue;
      const bounded = ` ${word} `;
      for (let length = SHORTEST_GRAM; length <= LONGEST_GRAM; length++)
        for (let start = 0; start + length <= bounded.length; start++)
          add(hashOf(bounded, start, start + length, length));
    }
    const buckets = touched.slice(0, size);
    const counts = new Uint16Array(size);
    for (let i = 0; i < size; i++) {
      counts[i] = seen[buckets[i]!]!;
      seen[buckets[i]!] = 0;
    }
    return { buckets, counts };
  };
}

/** FNV-1a over UTF-16 units. */
function hashOf(text: string, start: number, end: number, seed: number): number {
  let hash = seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

const ASCII_WORDS = /[a-z0-9]+/g;
/** Scripts that write no spaces come letter by letter, all others word by word. */
const ALL_WORDS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Khmer}\p{Script=Lao}]|[\p{L}\p{N}\p{M}]+/gu;

function wordsOf(text: string): readonly string[] {
  const lower = text.toLowerCase().replace(/\p{Nd}/gu, "0");
  const ascii = /^[ -~\s]*$/.test(lower);
  const plain = ascii
    ? lower
    : lower
        .normalize("NFKD")
        .replace(/[\u0300-\u036f]+/g, "")
        .normalize("NFC");
  return plain.match(ascii ? ASCII_WORDS : ALL_WORDS) ?? [];
}

function shuffle(order: number[], random: () => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
}

/** The mulberry32 generator from a constant. */
function fixedSequence(): () => number {
  let state = 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
