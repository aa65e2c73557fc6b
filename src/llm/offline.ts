import { setImmediate as nextTurn } from "node:timers/promises";
import { ModelError } from "../errors.ts";
import type { Dimension, Label, Taxonomy } from "../taxonomy.ts";
import { calibratedClassifier } from "./calibrated-classifier.ts";
import type { ExampleSet } from "./examples.ts";
import { loadLanguageDetector } from "./language.ts";
import type { Prediction, TrainingRow } from "./linear-classifier.ts";
import { checkOfflineFields, compileOfflineFields } from "./offline-fields.ts";
import { TONE_LEARNED } from "./offline-notes.ts";
import type { ModelProvider, ModelReply } from "./provider.ts";
import { type Lean, sentimentLean, urgencyLean } from "./tone.ts";
import { type LessonToSend, trainAside } from "./training.ts";

const ALTERNATIVES = 3;
const SUMMARY_CHARS = 140;
/** Of a long text its start and its end are read: what is wanted, and what is asked for last. */
const START_CHARS = 2_000;
const END_CHARS = 500;
/** Every label of a list that has at least this share of the probability. */
const LIST_P = 0.3;
/** No answer of a classifier that has seen a dozen texts a label is surer than the first; with many texts, than the second. */
const MOST_SURE = 0.95;
const MOST_SURE_OF_MANY = 0.99;
/** Examples a label that count as many. */
const MANY = 30;

/**
 * Classifies without a key and without a network: the taxonomy's names, descriptions, aliases and examples, and the
 * user's own examples, train one small classifier a dimension at the start, in a thread of their own. Sentiment and
 * urgency lean on cue words besides.
 *
 * The stated confidence of `category` is about its accuracy on texts like the examples. Of `sentiment` and `urgency` it
 * is kept low as long as few examples were given, because a dozen teach little about tone. Equal texts get equal answers.
 * @throws QuerymillError TAXONOMY_INVALID when a required field asks for what it cannot do, MODEL_CALL_FAILED when training
 * fails
 */
export async function openOffline(taxonomy: Taxonomy, examples: ExampleSet | null = null): Promise<ModelProvider> {
  checkOfflineFields(taxonomy);
  const findFields = compileOfflineFields(taxonomy);
  const [detectLanguage, classify] = await Promise.all([loadLanguageDetector(), learnTaxonomy(taxonomy, examples)]);
  return {
    provider: "offline",
    model: "offline-1",
    endpoint: "offline",
    label: "offline",
    remote: false,
    confidenceKind: "offline",
    async check() {},
    async call({ text }, signal): Promise<ModelReply> {
      // The work is done at once: without a turn between items, timers and signals would wait for the last one.
      await nextTurn();
      if (signal.aborted)
        throw new ModelError("transient", "The call was given up before it began.", { cause: signal.reason });
      const startedMs = performance.now();
      const words = read(text);
      const answer = {
        ...classify(words),
        ...findFields(words),
        language: detectLanguage(words).language,
        ...(taxonomy.summary ? { summary: firstSentence(customersWords(text)) } : {}),
      };
      return {
        text: JSON.stringify(answer),
        finish: "stop",
        usage: { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 },
        model: "offline-1",
        latencyMs: performance.now() - startedMs,
        rate: null,
      };
    },
    async close() {},
  };
}

/** @returns a function that answers every dimension of the taxonomy, as the fields of the JSON answer */
async function learnTaxonomy(
  taxonomy: Taxonomy,
  own: ExampleSet | null,
): Promise<(text: string) => Record<string, unknown>> {
  const ownOf = ({ id }: Dimension): readonly TrainingRow[] => own?.rows.get(id) ?? [];
  // Categories first: the labels of subcategory depend on them.
  const dimensions = taxonomy.dimensions.toSorted((a, b) => Number(b.id === "category") - Number(a.id === "category"));
  const lessons = dimensions.map((dimension) => lessonOf(dimension, ownOf(dimension)));
  const models = await trainAside(lessons);
  const learned = dimensions.map((dimension, at) => ({
    dimension,
    classifier: calibratedClassifier(models[at]!),
    mostSure: ownOf(dimension).length >= MANY * dimension.labels.length ? MOST_SURE_OF_MANY : MOST_SURE,
    tone: toneOf(dimension.id, ownOf(dimension).length),
  }));

  return (text) => {
    const answer: Record<string, unknown> = {};
    for (const { dimension, classifier, mostSure, tone } of learned) {
      const { id } = dimension;
      const found = classifier.predict(text);
      const predictions =
        tone === null
          ? eligible(dimension, found, typeof answer.category === "string" ? answer.category : null)
          : leaned(found, tone.lean(text), tone.examples);
      answer[id] = choose(dimension, predictions);
      const p = Math.min(predictions[0]?.p ?? 0, mostSure);
      if (id === "category") {
        answer.confidence_category = rounded(p);
        if (taxonomy.alternatives) answer.alternatives = alternativesOf(predictions);
      } else if (tone !== null)
        answer[`confidence_${id}`] = rounded(tone.examples >= TONE_LEARNED ? p : 0.35 + 0.4 * p);
    }
    return answer;
  };
}

/** A dimension about tone: what cue words say of it, and how many examples of the user's there are. */
interface Tone {
  readonly lean: (text: string) => Lean;
  readonly examples: number;
}
const CUES: ReadonlyMap<string, Tone["lean"]> = new Map([
  ["sentiment", sentimentLean],
  ["urgency", urgencyLean],
]);

function toneOf(id: string, examples: number): Tone | null {
  const lean = CUES.get(id);
  return lean === undefined ? null : { lean, examples };
}

function lessonOf({ labels }: Dimension, own: readonly TrainingRow[]): LessonToSend {
  return {
    names: labels.flatMap((label) => namesOf(label).map((text) => ({ text, label: label.id }))),
    labels: labels.map(({ id }) => id),
    *examples() {
      for (const { id, examples } of labels) for (const text of examples) yield { text, label: id };
      for (const { text, label } of own) yield { text: read(text), label };
    },
  };
}

function namesOf({ id, description, aliases }: Label): string[] {
  return [id.replaceAll("_", " "), description, ...aliases].filter((text) => text.trim() !== "");
}

/** Subcategories of other categories are out, unless none would be left. */
function eligible(dimension: Dimension, predictions: readonly Prediction[], category: string | null) {
  if (dimension.id !== "subcategory" || category === null) return predictions;
  const parents = new Map(dimension.labels.map(({ id, parent }) => [id, parent ?? category]));
  const left = predictions.filter(({ label }) => parents.get(label) === category);
  if (left.length === 0 && dimension.required) return predictions;
  // A category's only subcategory is not sure for being the only one.
  return left.length === 1 ? left : shares(left);
}

/**
 * The classifier's word and the cues' word. Without examples of the user's each is of a dozen examples' worth, and the
 * first is flattened before they are multiplied; the more examples, the less the cues count.
 */
function leaned(predictions: readonly Prediction[], lean: Lean, examples: number): readonly Prediction[] {
  const cues = 1 / (1 + examples / TONE_LEARNED);
  const flat = examples === 0 ? 0.5 : 1 - cues / 2;
  return shares(predictions.map(({ label, p }) => ({ label, p: p ** flat * (lean[label] ?? 1) ** cues })));
}

/** Scales probabilities to a sum of 1, most likely first. */
function shares(predictions: readonly Prediction[]): readonly Prediction[] {
  const sum = predictions.reduce((total, { p }) => total + p, 0) || 1;
  return predictions.map(({ label, p }) => ({ label, p: p / sum })).sort((a, b) => b.p - a.p);
}

function choose({ choose: howMany, required }: Dimension, predictions: readonly Prediction[]): unknown {
  const [top] = predictions;
  if (howMany === "many") {
    const chosen = predictions.filter(({ p }) => p >= LIST_P);
    return (chosen.length === 0 && required ? predictions.slice(0, 1) : chosen).map(({ label }) => label);
  }
  // An optional one is left open below the middle between chance and certainty.
  return top !== undefined && (required || top.p >= (1 + 1 / Math.max(2, predictions.length)) / 2) ? top.label : null;
}

function alternativesOf(predictions: readonly Prediction[]): { label: string; p: number }[] {
  return predictions.slice(1, 1 + ALTERNATIVES).map(({ label, p }) => ({ label, p: rounded(p) }));
}

/** What is read of a text. */
function read(text: string): string {
  return startAndEnd(customersWords(text));
}

/** Of a transcript the customer's turns, without their marks; any other text as it is. */
function customersWords(text: string): string {
  if (!/^(?:Customer|Agent): /m.test(text)) return text;
  const said: string[] = [];
  let byAgent = false;
  for (const line of text.split("\n")) {
    if (/^(?:Customer|Agent): /.test(line)) byAgent = line.startsWith("Agent: ");
    if (!byAgent) said.push(line.replace(/^Customer: /, ""));
  }
  const words = said.join("\n").trim();
  return words === "" ? text : words;
}

function startAndEnd(text: string): string {
  if (text.length <= START_CHARS + END_CHARS) return text;
  return `${text.slice(0, START_CHARS)} ${text.slice(-END_CHARS)}`.toWellFormed();
}

/** The first sentence of more than two words, else the beginning; one line of at most 140 characters. */
function firstSentence(text: string): string {
  const start = text.slice(0, 1_000);
  const sentences = start
    .split(/(?<=[.!?])\s+|(?<=[。！？])|\n+/)
    .map((sentence) => sentence.replace(/\s+/g, " ").trim());
  const full = sentences.find((sentence) => sentence.split(" ").length > 2 || /[^ -ɏ]{8}/.test(sentence));
  const sentence = full ?? start.replace(/\s+/g, " ").trim();
  if (sentence.length <= SUMMARY_CHARS) return sentence.toWellFormed();
  const cut = sentence.slice(0, SUMMARY_CHARS - 1).replace(/[\ud800-\udbff]$/, "");
  return `${cut.replace(/\s+\S{0,20}$/, "")}…`;
}

function rounded(p: number): number {
  return Math.round(p * 1_000) / 1_000;
}
