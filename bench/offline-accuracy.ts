/**
 * How often the offline classifier is right, with k examples a label, with all of train, and with the default taxonomy
 * alone.
 *
 *   node bench/offline-accuracy.ts --data FOLDER [--per-label 10] [--seeds 3]
 *
 * FOLDER holds `banking77`, `clinc150` and `bitext`, each with `train.jsonl` and `dev.jsonl`: one `{text, label}` a
 * line. Rows labelled `oos` (out of scope) are left out. Examples are drawn from train, answers compared on dev.
 * `stated` is the mean confidence: honest when it is near the accuracy. `ECE` is the mean distance between the two over
 * ten equal parts by confidence; `quarter` is the accuracy of the surest quarter.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { DEFAULT_TAXONOMY } from "../src/default-taxonomy.ts";
import type { ExampleSet } from "../src/llm/examples.ts";
import { openOffline } from "../src/llm/offline.ts";
import { buildPrompt } from "../src/llm/prompt.ts";
import { type Taxonomy, taxonomyVersion } from "../src/taxonomy.ts";

interface Row {
  readonly text: string;
  readonly label: string;
}
interface Answer {
  readonly right: boolean;
  readonly confidence: number;
}

/** Intents of bitext by the default category that their names and the descriptions call for. */
const CATEGORY_OF_INTENT: Readonly<Record<string, string>> = {
  create_account: "account_management",
  delete_account: "account_management",
  edit_account: "account_management",
  switch_account: "account_management",
  registration_problems: "account_management",
  recover_password: "account_access",
  get_invoice: "billing_payment",
  check_invoice: "billing_payment",
  payment_issue: "billing_payment",
  check_payment_methods: "billing_payment",
  check_cancellation_fee: "billing_payment",
  get_refund: "refund_return",
  track_refund: "refund_return",
  check_refund_policy: "refund_return",
  place_order: "order_management",
  change_order: "order_management",
  cancel_order: "order_management",
  track_order: "shipping_delivery",
  delivery_options: "shipping_delivery",
  delivery_period: "shipping_delivery",
  change_shipping_address: "shipping_delivery",
  set_up_shipping_address: "shipping_delivery",
  newsletter_subscription: "subscription_plan",
  complaint: "feedback_complaint",
  review: "feedback_complaint",
  contact_customer_service: "contact_request",
  contact_human_agent: "contact_request",
};

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    "per-label": { type: "string", default: "10" },
    seeds: { type: "string", default: "3" },
  },
});
if (values.data === undefined) {
  console.error("Name the folder of the data sets: node bench/offline-accuracy.ts --data FOLDER");
  process.exit(2);
}
const counts = [...new Set([0, 3, Number(values["per-label"])])];

console.log("set        examples  accuracy %  stated %  ECE %  quarter %  open ms  longest turn ms  CPU µs a text");
for (const set of ["banking77", "clinc150", "bitext"]) {
  const train = readRows(values.data, set, "train");
  const dev = readRows(values.data, set, "dev");
  for (const count of counts) {
    const runs: Awaited<ReturnType<typeof measure>>[] = [];
    for (let seed = 1; seed <= (count === 0 ? 1 : Number(values.seeds)); seed++)
      runs.push(await measure(taxonomyOf(train, count, randomFrom(seed)), dev));
    print(set, String(count), runs);
  }
  const rows = new Map([["category", train]]);
  const all: ExampleSet = { rows, hash: "", count: train.length, notes: [] };
  print(set, String(train.length), [await measure(taxonomyOf(train, 0, randomFrom(1)), dev, all)]);
}

const bitext = readRows(values.data, "bitext", "dev").map(({ text, label }) => ({
  text,
  label: CATEGORY_OF_INTENT[label] ?? label,
}));
const standard = await measure(DEFAULT_TAXONOMY, bitext);
print("bitext", "default", [standard]);
console.log(`           surest half: ${percent(accuracy(surest(standard.answers, 2)))} %`);

async function measure(taxonomy: Taxonomy, rows: readonly Row[], examples: ExampleSet | null = null) {
  const turns = monitorEventLoopDelay({ resolution: 1 });
  turns.enable();
  const openedMs = performance.now();
  const provider = await openOffline(taxonomy, examples);
  const openMs = performance.now() - openedMs;
  turns.disable();
  const turnMs = turns.max / 1e6;
  const prompt = buildPrompt(taxonomy);
  const { signal } = new AbortController();
  const answers: Answer[] = [];
  const before = process.cpuUsage();
  for (const { text, label } of rows) {
    const reply = await provider.call({ prompt, text, maxOutputTokens: 512 }, signal);
    const answer = JSON.parse(reply.text) as { category: string; confidence_category: number };
    answers.push({ right: answer.category === label, confidence: answer.confidence_category });
  }
  const { user, system } = process.cpuUsage(before);
  return { answers, openMs, turnMs, cpuMicros: (user + system) / rows.length };
}

function taxonomyOf(train: readonly Row[], count: number, random: () => number): Taxonomy {
  const shuffled = train.map((row) => ({ row, at: random() })).sort((a, b) => a.at - b.at);
  const labels = [...new Set(train.map(({ label }) => label))].sort().map((id) => ({
    id,
    description: "",
    aliases: [],
    examples: shuffled
      .filter(({ row }) => row.label === id)
      .slice(0, count)
      .map(({ row }) => row.text),
  }));
  const dimensions = [{ id: "category", description: "intent", choose: "one" as const, required: true, labels }];
  return {
    name: "bench",
    version: taxonomyVersion(dimensions, false, false),
    dimensions,
    summary: false,
    alternatives: false,
  };
}

function readRows(folder: string, set: string, part: string): Row[] {
  const lines = readFileSync(join(folder, set, `${part}.jsonl`), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as Row).filter(({ label }) => label !== "oos");
}

function print(set: string, examples: string, runs: readonly Awaited<ReturnType<typeof measure>>[]): void {
  const mean = (of: (run: (typeof runs)[number]) => number): number =>
    runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  const stated = mean(({ answers }) => answers.reduce((sum, { confidence }) => sum + confidence, 0) / answers.length);
  const cells = [
    set.padEnd(9),
    examples.padStart(9),
    percent(mean(({ answers }) => accuracy(answers))).padStart(11),
    percent(stated).padStart(9),
    percent(mean(({ answers }) => calibrationError(answers))).padStart(6),
    percent(mean(({ answers }) => accuracy(surest(answers, 4)))).padStart(10),
    mean(({ openMs }) => openMs)
      .toFixed(0)
      .padStart(8),
    mean(({ turnMs }) => turnMs)
      .toFixed(0)
      .padStart(16),
    mean(({ cpuMicros }) => cpuMicros)
      .toFixed(0)
      .padStart(14),
  ];
  console.log(cells.join(" "));
}

/** One part of so many: the answers with the highest confidence. */
function surest(answers: readonly Answer[], parts: number): Answer[] {
  return answers.toSorted((a, b) => b.confidence - a.confidence).slice(0, Math.floor(answers.length / parts));
}

/** Mean distance between confidence and accuracy over ten parts of equal size. */
function calibrationError(answers: readonly Answer[]): number {
  const sorted = answers.toSorted((a, b) => a.confidence - b.confidence);
  let error = 0;
  for (let part = 0; part < 10; part++) {
    const bin = sorted.slice(Math.floor((part * sorted.length) / 10), Math.floor(((part + 1) * sorted.length) / 10));
    const stated = bin.reduce((sum, { confidence }) => sum + confidence, 0) / bin.length;
    error += (Math.abs(stated - accuracy(bin)) * bin.length) / sorted.length;
  }
  return error;
}

function accuracy(answers: readonly Answer[]): number {
  return answers.filter(({ right }) => right).length / answers.length;
}

function percent(share: number): string {
  return (share * 100).toFixed(1);
}

/** Uniform in [0, 1), the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
