import { setImmediate as nextTurn } from "node:timers/promises";
import { ModelError } from "../errors.ts";
import type { Dimension, Label, Taxonomy } from "../taxonomy.ts";
import { trainCalibrated } from "./calibrated-classifier.ts";
import { loadLanguageDetector } from "./language.ts";
import type { Classifier, Prediction, TrainingRow } from "./linear-classifier.ts";
import { checkOfflineFields, compileOfflineFields } from "./offline-fields.ts";
import type { ModelProvider, ModelReply } from "./provider.ts";
import { type Lean, sentimentLean, urgencyLean } from "./tone.ts";

const ALTERNATIVES = 3;
const SUMMARY_CHARS = 140;
/** Of a long text its start and its end are read: what is wanted, and what is asked for last. */
const START_CHARS = 2_000;
const END_CHARS = 500;
/** Every label of a list that has at least this share of the probability. */
const LIST_P = 0.3;
/** No answer of a classifier that has seen a dozen texts a label is surer than this. */
const MOST_SURE = 0.95;

/**
 * Classifies without a key and without a network: the taxonomy's names, descriptions, aliases and examples train one
 * small classifier a dimension at the start. Sentiment and urgency lean on cue words besides.
 *
 * The stated confidence of `category` is about its accuracy on texts like the examples; of `sentiment` and `urgency` it
 * is kept low, because a dozen examples teach little about tone. Equal texts get equal answers.
 * @throws QuerymillError TAXONOMY_INVALID when a required field asks for what it cannot do
 */
export async function openOffline(taxonomy: Taxonomy): Promise<ModelProvider> {
  const detectLanguage = await loadLanguageDetector();
  checkOfflineFields(taxonomy);
  const classify = learnTaxonomy(taxonomy);
  const findFields = compileOfflineFields(taxonomy);
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
      const said = customersWords(text);
      const read = startAndEnd(said);
      const answer = {
        ...classify(read),
        ...findFields(read),
        language: detectLanguage(read).language,
        ...(taxonomy.summary ? { summary: firstSentence(said) } : {}),
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
function learnTaxonomy(taxonomy: Taxonomy): (text: string) => Record<string, unknown> {
  // Categories first: the labels of subcategory depend on them.
  const dimensions = taxonomy.dimensions
    .toSorted((a, b) => Number(b.id === "category") - Number(a.id === "category"))
    .map((dimension) => ({ dimension, classifier: learnDimension(dimension) }));

  return (text) => {
    const answer: Record<string, unknown> = {};
    for (const { dimension, classifier } of dimensions) {
      const { id } = dimension;
      const tone = TONES.get(id);
      const learned = classifier.predict(text);
      const predictions =
        tone === undefined
          ? eligible(dimension, learned, typeof answer.category === "string" ? answer.category : null)
          : leaned(learned, tone.lean(text));
      answer[id] = choose(dimension, predictions);
      const p = predictions[0]?.p ?? 0;
      if (id === "category") {
        answer.confidence_category = rounded(Math.min(p, MOST_SURE));
        if (taxonomy.alternatives) answer.alternatives = alternativesOf(predictions);
      } else if (tone !== undefined) answer[`confidence_${id}`] = rounded(tone.confidence(p));
    }
    return answer;
  };
}

/** Dimensions about tone: what cue words say of them, and how far the result is to be trusted. */
const TONES: ReadonlyMap<string, { lean: (text: string) => Lean; confidence: (p: number) => number }> = new Map([
  ["sentiment", { lean: sentimentLean, confidence: (p) => 0.35 + 0.4 * p }],
  ["urgency", { lean: urgencyLean, confidence: (p) => 0.35 + 0.4 * p }],
]);

function learnDimension({ labels }: Dimension): Classifier {
  const names: TrainingRow[] = [];
  const examples: TrainingRow[] = [];
  for (const label of labels) {
    for (const text of namesOf(label)) names.push({ text, label: label.id });
    for (const text of label.examples) examples.push({ text, label: label.id });
  }
  return trainCalibrated(
    names,
    examples,
    labels.map(({ id }) => id),
  );
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

/** The classifier's word and the cues' word, each of a dozen examples' worth: the first is flattened before they are multiplied. */
function leaned(predictions: readonly Prediction[], lean: Lean): readonly Prediction[] {
  return shares(predictions.map(({ label, p }) => ({ label, p: Math.sqrt(p) * (lean[label] ?? 1) })));
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
