import { idOf } from "../item.ts";
import type { QueueEntry } from "../state/retry-queue.ts";
import type { Cause } from "./api.ts";

const SAMPLE = 5;

/** What a class of failure is called, and what a person can do about it. */
interface Advice {
  readonly title: string;
  readonly advice: string;
}

const OTHER: Advice = {
  title: "failed",
  advice: "Look at the messages; try one again first.",
};
const ADVICE: Readonly<Record<string, Advice>> = {
  transient: {
    title: "did not get through to the model",
    advice: "The server was away or busy. Try them again once its endpoint answers.",
  },
  throttled: {
    title: "were turned away by a rate limit",
    advice: "Lower the calls at once, or set the rate limit of the endpoint, then try them again.",
  },
  billing: {
    title: "were refused for want of credit",
    advice: "Add credit at the provider, then try them again.",
  },
  "daily-quota": {
    title: "met the quota of a day",
    advice: "Try them again when the day of the provider is over, or raise the quota.",
  },
  config: {
    title: "were refused for the settings",
    advice: "Check key, model and address of the endpoint, then try them again.",
  },
  "too-long": {
    title: "are too long for the model",
    advice: "Lower source.maxChars or choose a model that takes more, then try them again.",
  },
  truncated: {
    title: "got an answer that was cut off",
    advice: "Raise maxOutputTokens, then try them again.",
  },
  content: {
    title: "were refused by the model or its filter",
    advice: "Another model may answer; otherwise label them yourself in the review.",
  },
  malformed: {
    title: "got an answer that could not be read",
    advice: "Try them again; when it happens often, choose a model that keeps to a schema.",
  },
  "label-unknown": {
    title: "got a label that the taxonomy does not have",
    advice: "Add the label or an alias to the taxonomy, then try them again.",
  },
  "unknown-outcome": {
    title: "were sent and never answered",
    advice: "They may have been paid. Try them again; a longer attempt deadline helps with slow models.",
  },
  "store-refused": {
    title: "were answered, and the store took no record",
    advice: "Mend what the store says. Trying again costs nothing: the answers are kept.",
  },
  "mark-refused": {
    title: "are stored, and their source could not be marked",
    advice: "Mend what the store says. Trying again costs nothing.",
  },
  poison: {
    title: "were in flight whenever the process died",
    advice: "Look at one of them before you try them again.",
  },
  "item-deadline": {
    title: "took longer than an item may",
    advice: "Try them again when the model is faster, or raise deadlines.itemMs.",
  },
  "redaction-failed": {
    title: "could not be made free of personal data, and were not sent",
    advice: "Mend the redactor, then try them again.",
  },
};

export function adviceFor(failure: string): Advice {
  return ADVICE[failure] ?? OTHER;
}

/** What an entry costs when it is tried again, USD; null when it is not known. */
export type EntryPrice = (entry: { readonly queue: string }) => number | null;

/** Only the model costs anything: what is to be stored or marked has been answered. @param perCallUsd mean of the job */
export function priceAgain(perCallUsd: number | null): EntryPrice {
  return ({ queue }) => (queue === "model" ? perCallUsd : 0);
}

/** @returns the mean cost of a call of a job, USD; null when it is not known */
export function perCall(
  totals: { readonly costUsd: number | null; readonly modelCalls: number } | null,
): number | null {
  return totals === null || totals.costUsd === null || totals.modelCalls === 0
    ? null
    : totals.costUsd / totals.modelCalls;
}

/** Entries of a queue by what happened, most frequent first. @param entries in the order of their time */
export function causesOf(entries: readonly Omit<QueueEntry, "payload">[], priceOf: EntryPrice): Cause[] {
  const groups = new Map<string, Omit<QueueEntry, "payload">[]>();
  for (const entry of entries) {
    const name = `${entry.queue} ${entry.failure}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [entry]);
    else group.push(entry);
  }
  return [...groups.values()].sort((a, b) => b.length - a.length).map((group) => causeOf(group, priceOf));
}

function causeOf(group: readonly Omit<QueueEntry, "payload">[], priceOf: EntryPrice): Cause {
  const [first, last] = [group[0]!, group.at(-1)!];
  const each = priceOf(first);
  return {
    queue: first.queue,
    failure: first.failure,
    count: group.length,
    firstMs: first.dueMs,
    lastMs: last.dueMs,
    message: last.message,
    advice: adviceFor(first.failure).advice,
    estimateUsd: each === null ? null : each * group.length,
    sample: group
      .slice(-SAMPLE)
      .reverse()
      .map(({ key, message, dueMs }) => ({ key, id: String(idOf(key)), message, atMs: dueMs })),
  };
}
