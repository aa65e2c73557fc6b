import { setTimeout as delay } from "node:timers/promises";
import { ModelError, QuerymillError } from "../errors.ts";
import { type JobSettings, modelLabel } from "../job.ts";
import type { ModelProvider, Prompt } from "../llm/provider.ts";
import { estimateTokens, promptChars, sumUsage, ZERO_USAGE } from "../llm/usage.ts";
import type { Usage } from "../record.ts";
import {
  type LabelRange,
  largest,
  listed,
  mergePrompt,
  numbered,
  type Proposal,
  proposalPrompt,
  readMerge,
  readProposals,
  withoutShared,
} from "../taxonomies/proposal.ts";
import { backoffMs } from "../traffic/retry.ts";
import type { Adapters } from "./adapters.ts";
import { openExistingStore } from "./existing-store.ts";
import { mostCalls } from "./open-gateway.ts";
import { refuseUnpricedBudget } from "./open-job.ts";

/** Texts shown in one call: so many that a model still sorts all of them. */
const TEXTS_PER_CALL = 100;
const ANSWER_TOKENS = 4_000;
const LARGEST_ANSWER_TOKENS = 16_000;
const TRIES = 4;
/** A person waits for this: a longer pause ends it. */
const LONGEST_WAIT_MS = 60_000;
/** A mark that no document has: all of them count, whatever became of them. */
const NO_MARK = "querymill_no_mark";
/** Tokens of one proposed category with its examples, and of one number, for the price told before. */
const CATEGORY_TOKENS = { from: 60, to: 140 };
const NUMBER_TOKENS = 2;

/** Texts of the user's own, drawn at random, and what a proposal from them costs. */
export interface SuggestionPlan {
  readonly texts: readonly string[];
  /** Documents that were drawn, those without text and those alike included. */
  readonly drawn: number;
  readonly store: string;
  readonly model: string;
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: { readonly from: number; readonly to: number };
  /** USD; null when the price is unknown. */
  readonly costUsd: { readonly from: number; readonly to: number } | null;
}

export interface Suggestion {
  /** Largest first. */
  readonly proposals: readonly Proposal[];
  /** Categories beyond the wanted number, left out. */
  readonly dropped: number;
  readonly calls: number;
  readonly usage: Usage;
  /** USD; null when the price is unknown. */
  readonly costUsd: number | null;
}

/**
 * Draws texts and says what a proposal costs; asks nobody.
 * @throws QuerymillError USAGE (offline, too few texts), STORE_UNREACHABLE, STORE_REFUSED, COLLECTION_MISSING,
 * MODEL_UNPRICED
 */
export async function planSuggestion(
  settings: JobSettings,
  adapters: Adapters,
  { sample, labels }: { readonly sample: number; readonly labels: LabelRange },
): Promise<SuggestionPlan> {
  if (settings.model.provider === "offline")
    throw new QuerymillError(
      "USAGE",
      "offline sorts texts into given labels and cannot name new ones. Choose a model with --model; the price is told before anything is asked.",
    );
  refuseUnpricedBudget(settings, adapters.pricingOf);
  const store = await openExistingStore(settings);
  try {
    const { sourceCollection, filter } = settings;
    const mark = { processed: NO_MARK, processedAt: NO_MARK, processedBy: NO_MARK };
    const source = store.source({ collection: sourceCollection, mark, filter, fields: adapters.fields });
    await source.inspect();
    const documents = await source.sample(sample);
    const texts = new Map<string, string>();
    for (const document of documents) {
      const read = adapters.makeItem(document);
      if ("text" in read) texts.set(read.text.toLowerCase().replace(/\s+/g, " "), read.text);
    }
    if (texts.size < labels.from)
      throw new QuerymillError(
        "USAGE",
        `${sourceCollection} in ${store.address} has ${texts.size} different texts among ${documents.length} that were drawn: too few to find ${labels.from} categories in. ${documents.length > 0 ? "If their text is in other fields, set source.text in querymill.yaml; querymill doctor --sample 3 shows what a model would see." : "Name another collection with --source-collection."}`,
      );
    return {
      ...priceOf([...texts.values()], settings, adapters, labels),
      drawn: documents.length,
      store: store.address,
    };
  } finally {
    await store.close();
  }
}

function priceOf(
  texts: readonly string[],
  settings: JobSettings,
  { pricingOf }: Adapters,
  labels: LabelRange,
): Omit<SuggestionPlan, "drawn" | "store"> {
  const groups = groupsOf(texts);
  const merges = groups.length > 1 ? 1 : 0;
  const shown = groups.reduce((sum, { message }) => sum + message.length, 0);
  const list = merges * groups.length * labels.to * 150;
  const chars =
    promptChars(proposalPrompt(labels)) * groups.length + shown + merges * promptChars(mergePrompt(labels)) + list;
  const inputTokens = estimateTokens(chars, 3.5);
  const answers = groups.length + merges;
  const outputTokens = {
    from: answers * labels.from * CATEGORY_TOKENS.from + texts.length * NUMBER_TOKENS,
    to: answers * labels.to * CATEGORY_TOKENS.to + texts.length * NUMBER_TOKENS,
  };
  const { costOf } = pricingOf(settings.endpoints[0]!);
  const usd = (output: number) => costOf({ ...ZERO_USAGE, inputTokens, outputTokens: output }, settings.model.name);
  const [from, to] = [usd(outputTokens.from), usd(outputTokens.to)];
  return {
    texts,
    model: modelLabel(settings.model),
    calls: answers,
    inputTokens,
    outputTokens,
    costUsd: from === null || to === null ? null : { from, to },
  };
}

/** Groups of about equal size, numbered on. */
function groupsOf(texts: readonly string[]): { first: number; count: number; message: string }[] {
  const groups = Math.ceil(texts.length / TEXTS_PER_CALL);
  return Array.from({ length: groups }, (_, group) => {
    const [start, end] = [group, group + 1].map((edge) => Math.round((edge * texts.length) / groups)) as [
      number,
      number,
    ];
    return { first: start + 1, count: end - start, message: numbered(texts.slice(start, end), start + 1) };
  });
}

/**
 * Asks for categories, group by group, and for one list of them.
 * @throws QuerymillError MODEL_CALL_FAILED, MODEL_UNREACHABLE, RUN_STOPPED (budget)
 */
export async function suggest(
  { texts }: Pick<SuggestionPlan, "texts">,
  settings: JobSettings,
  adapters: Adapters,
  labels: LabelRange,
): Promise<Suggestion> {
  const endpoint = settings.endpoints[0]!;
  const provider = await adapters.openProvider(endpoint, mostCalls(endpoint, settings));
  const { costOf } = adapters.pricingOf(endpoint);
  let usage: Usage = ZERO_USAGE;
  let costUsd: number | null = 0;
  let calls = 0;
  const paid = (more: Usage, model: string): void => {
    calls += 1;
    usage = sumUsage(usage, more);
    const cost = costOf(more, model);
    costUsd = costUsd === null || cost === null ? null : costUsd + cost;
  };
  const ask = async <T>(prompt: Prompt, message: string, read: (answer: string) => T | null): Promise<T> => {
    const { budget } = settings;
    if (budget !== null && costUsd !== null && costUsd >= budget.usd)
      throw new QuerymillError(
        "RUN_STOPPED",
        `The budget of $${budget.usd} is spent after ${calls} calls; nothing was written.`,
      );
    return await askFor(provider, { prompt, message, read, paid });
  };
  try {
    await provider.check(AbortSignal.timeout(settings.deadlines.connectMs));
    const lists: Proposal[][] = [];
    for (const { message, ...range } of groupsOf(texts))
      lists.push(await ask(proposalPrompt(labels), message, (answer) => readProposals(answer, range)));
    const merged =
      lists.length === 1
        ? lists[0]!
        : await ask(mergePrompt(labels), listed(lists), (answer) => readMerge(answer, lists));
    const proposals = withoutShared(largest(merged, labels.to));
    return { proposals, dropped: merged.length - proposals.length, calls, usage, costUsd };
  } finally {
    await provider.close();
  }
}

/** One answer, with retries: slowly after trouble, once more after an answer that is no use, with more room when it was cut. */
async function askFor<T>(
  provider: ModelProvider,
  question: {
    readonly prompt: Prompt;
    readonly message: string;
    readonly read: (answer: string) => T | null;
    readonly paid: (usage: Usage, model: string) => void;
  },
): Promise<T> {
  const { prompt, message: text, read, paid } = question;
  let maxOutputTokens = ANSWER_TOKENS;
  let last = "";
  for (let failures = 1; failures <= TRIES; failures++) {
    try {
      const reply = await provider.call({ prompt, text, maxOutputTokens }, new AbortController().signal);
      paid(reply.usage ?? guessed(prompt, text, reply.text), reply.model);
      const found = reply.finish === "content" ? null : read(reply.text);
      if (found !== null && reply.finish !== "length") return found;
      if (reply.finish === "length") {
        last = "the answer was cut off at its limit";
        maxOutputTokens = Math.min(LARGEST_ANSWER_TOKENS, maxOutputTokens * 2);
      } else last = reply.finish === "content" ? "the model refused" : "the answer held no categories";
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      last = error.message;
      if (!["transient", "throttled", "unknown-outcome", "malformed"].includes(error.failure)) break;
      const waitMs = error.retryAfterMs ?? backoffMs(failures, { baseDelayMs: 1_000, maxDelayMs: 20_000 }, Math.random);
      if (waitMs > LONGEST_WAIT_MS) break;
      if (failures < TRIES) await delay(waitMs);
    }
  }
  throw new QuerymillError("MODEL_CALL_FAILED", `${provider.label} gave no proposal: ${last}. Nothing was written.`);
}

function guessed(prompt: Prompt, text: string, answer: string): Usage {
  return {
    ...ZERO_USAGE,
    inputTokens: estimateTokens(promptChars(prompt) + text.length),
    outputTokens: estimateTokens(answer.length),
  };
}
