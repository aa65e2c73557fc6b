import { CallTeller, type ToldCall } from "./call-teller.ts";
import type { Clocks } from "./clocks.ts";
import { type FailureClass, ModelError } from "./errors.ts";
import type { Events, StopReason } from "./events.ts";
import type { Item } from "./item.ts";
import type { RetryOptions } from "./job.ts";
import type { AnswerCheck, compileAnswer, Draft } from "./llm/answer.ts";
import type { ModelReply, ModelRequest, Prompt } from "./llm/provider.ts";
import { promptChars } from "./llm/usage.ts";
import { addSpend, type FailureKind, NO_SPEND, type Origin, type Outcome, type Spend } from "./outcome.ts";
import type { ClassificationRecord, Usage } from "./record.ts";
import { isSameModel } from "./staleness.ts";
import type { Classification } from "./taxonomy.ts";
import type { Endpoint, Permit } from "./traffic/endpoint.ts";
import type { Gateway, Wish } from "./traffic/gateway.ts";
import { callHedged } from "./traffic/hedge.ts";
import { type Decision, decide, nextRoundMs, type Trail } from "./traffic/retry.ts";

/** An item on its way, and what it has been through. Only {@link Classifier.step} changes it. */
export interface Task {
  readonly item: Item;
  readonly origin: Origin;
  /** Its place in the order of reading; null when it came from a retry queue. */
  readonly ordinal: number | null;
  readonly batchId: string | null;
  /** Under which its answer is kept for equal texts; null when it is not. */
  readonly answerKey: string | null;
  /** How earlier rounds ended, when it came from a retry queue. */
  readonly earlier: {
    readonly round: number;
    readonly failure: string;
    readonly message: string;
    readonly alike: number;
  } | null;
  /** When it was admitted to a slot, by the steady clock; null before. */
  admittedMs: number | null;
  /** ms it waited for an endpoint, which do not count against its deadline. */
  restedMs: number;
  attempts: number;
  trail: Trail;
  spend: Spend;
  draft: Draft | null;
  repair: ModelRequest["repair"] | null;
  maxChars: number | null;
  outputFactor: number;
  /** Endpoints that failed since its last delay: it is tried elsewhere. */
  readonly avoid: Set<Endpoint>;
}

export function makeTask(
  item: Item,
  from: Pick<Task, "origin" | "ordinal" | "earlier"> & { batchId?: string; answerKey?: string | null },
): Task {
  const { origin, ordinal, earlier, batchId = null, answerKey = null } = from;
  return {
    item,
    origin,
    ordinal,
    earlier,
    batchId,
    answerKey,
    admittedMs: null,
    restedMs: 0,
    attempts: 0,
    trail: { failures: 0, uncertain: 0, repaired: false, enlarged: false, shortened: false },
    spend: NO_SPEND,
    draft: null,
    repair: null,
    maxChars: null,
    outputFactor: 1,
    avoid: new Set(),
  };
}

/** What one call brought. */
export type Step =
  | { readonly next: "settle"; readonly outcome: Outcome; readonly latencyMs: number | null }
  /** Not before `afterMs`; the slot is free meanwhile. */
  | { readonly next: "retry"; readonly afterMs: number; readonly failure: FailureClass; readonly message: string }
  /** At once, or as soon as the endpoint may be called. */
  | { readonly next: "again"; readonly failure: FailureClass; readonly message: string }
  /** The run has to stop; the item goes back untouched. */
  | { readonly next: "stop"; readonly reason: StopReason; readonly message: string; readonly failure: FailureClass };

export interface ClassifierOptions extends Clocks {
  readonly prompt: Prompt;
  readonly checkAnswer: ReturnType<typeof compileAnswer>;
  /** Cautious guess of the usage of a call whose own was not seen. */
  readonly estimateUsage: (promptChars: number, answerChars: number) => Usage;
  readonly retry: RetryOptions;
  readonly itemMs: number;
  /** null: no call is made twice. */
  readonly hedge: { readonly afterMs: number; readonly takeOther: Gateway["takeOther"] } | null;
  readonly maxOutputTokens: number;
  /** Fields of a record that are the same for the whole execution. */
  readonly stamp: { readonly job: string; readonly executionId: string; readonly fence: number };
  readonly random: () => number;
  readonly events: Events;
}

const STOP_REASONS: Partial<Record<FailureClass, StopReason>> = { billing: "billing", "daily-quota": "daily-quota" };

/** Asks the model about one item, one call at a time; between two calls the item holds nothing. */
export class Classifier {
  readonly #options: ClassifierOptions;
  readonly #promptChars: number;
  readonly #teller: CallTeller;

  constructor(options: ClassifierOptions) {
    this.#options = options;
    this.#promptChars = promptChars(options.prompt);
    this.#teller = new CallTeller(options.events, options.stamp.executionId, options);
  }

  /** What the gateway has to know of the item's next call. */
  wishOf(task: Task): Wish {
    return { chars: this.#promptChars + textOf(task).length, avoid: task.avoid };
  }

  /** One call and what follows from it. Throws only for bugs and when `signal` fired (ModelError unknown-outcome). */
  async step(task: Task, permit: Permit, signal: AbortSignal): Promise<Step> {
    const request: ModelRequest = {
      prompt: this.#options.prompt,
      text: textOf(task),
      maxOutputTokens: this.#options.maxOutputTokens * task.outputFactor,
      ...(task.repair ? { repair: task.repair } : {}),
    };
    task.attempts += 1;
    if (permit.endpoint.provider.remote)
      task.spend = addSpend(task.spend, {
        calls: 1,
        repairCalls: task.repair ? 1 : 0,
        model: modelOf(permit.endpoint),
      });
    const call: ToldCall = { task, endpoint: permit.endpoint, sentMs: this.#options.steadyNow() };
    let answered: Answered;
    try {
      answered = await this.#call(task, permit, request, signal);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      const isUncertain = error.failure === "unknown-outcome";
      const uncertainUsd = isUncertain ? this.#countUncertain(task, permit.endpoint, request) : undefined;
      this.#teller.failed(call, signal.aborted ? "cut-off" : error.failure, uncertainUsd);
      if (signal.aborted) throw error;
      return this.#failed(task, error.failure, error.message, error.rawAnswer, error.status);
    }
    const { reply, endpoint } = answered;
    this.#countSpend(task, request, reply, { ...call, endpoint });
    if (reply.finish === "content")
      return this.#failed(task, "content", "the model refused or its filter did", reply.text, 200);
    if (reply.finish === "length")
      return this.#failed(task, "truncated", "the answer was cut off by the output limit", reply.text, 200);
    const check = this.#options.checkAnswer(reply.text, {
      confidenceKind: endpoint.provider.confidenceKind,
      last: task.trail.repaired,
      truncated: task.item.truncated || task.maxChars !== null,
      ...(task.draft ? { draft: task.draft } : {}),
    });
    if (check.status === "valid") {
      return {
        next: "settle",
        outcome: { outcome: "classified", record: this.#record(task, check.classification, answered) },
        latencyMs: reply.latencyMs,
      };
    }
    return this.#invalid(task, check, reply);
  }

  #invalid(task: Task, check: AnswerCheck & { status: "invalid" }, reply: ModelReply): Step {
    const message = check.problems.map(withoutQuotes).join("; ");
    if (!task.trail.repaired) {
      task.draft = check.draft;
      task.repair = { answer: reply.text, problems: check.problems };
    }
    return this.#failed(task, check.failure, message, reply.text, 200);
  }

  #failed(task: Task, failure: FailureClass, message: string, rawAnswer: string | null, status: number | null): Step {
    const { retry, random, steadyNow, itemMs } = this.#options;
    const decision = decide(failure, task.trail, retry, random);
    this.#remember(task, failure, decision);
    if (decision.do === "stop") {
      const reason = STOP_REASONS[failure] ?? (status === 401 || status === 403 ? "authentication" : "config");
      return { next: "stop", reason, message, failure };
    }
    if (decision.do === "bury") {
      return {
        next: "settle",
        outcome: { outcome: "deadLetter", queue: "model", failure, message, rawAnswer },
        latencyMs: null,
      };
    }
    if (decision.do === "requeue")
      return { next: "settle", outcome: this.#requeue(task, failure, message, rawAnswer), latencyMs: null };
    if (steadyNow() - (task.admittedMs ?? steadyNow()) - task.restedMs > itemMs) {
      return {
        next: "settle",
        outcome: this.#requeue(task, "item-deadline", `not answered within ${itemMs} ms: ${message}`, rawAnswer),
        latencyMs: null,
      };
    }
    if (decision.do === "retry") return { next: "retry", afterMs: decision.afterMs, failure, message };
    return { next: "again", failure, message };
  }

  #remember(task: Task, failure: FailureClass, decision: Decision): void {
    const { trail } = task;
    task.trail = {
      failures: trail.failures + (decision.do === "retry" ? 1 : 0),
      uncertain: trail.uncertain + (failure === "unknown-outcome" ? 1 : 0),
      repaired: trail.repaired || decision.do === "repair",
      enlarged: trail.enlarged || decision.do === "enlarge",
      shortened: trail.shortened || decision.do === "shorten",
    };
    if (decision.do === "enlarge") task.outputFactor *= 2;
    if (decision.do === "shorten") task.maxChars = Math.max(200, Math.floor(task.item.text.length / 2));
  }

  #requeue(task: Task, failure: FailureKind, message: string, rawAnswer: string | null): Outcome {
    const { earlier } = task;
    const alike =
      earlier !== null && earlier.failure === failure && earlier.message === message ? earlier.alike + 1 : 1;
    const round = earlier?.round ?? 0;
    const afterMs = nextRoundMs(round, alike, this.#options.retry);
    if (afterMs === null) {
      const why =
        alike >= 3 ? `${message} (three times alike)` : `${message} (after ${round} rounds of the retry queue)`;
      return { outcome: "deadLetter", queue: "model", failure, message: why, rawAnswer };
    }
    return {
      outcome: "retryQueued",
      queue: "model",
      dueMs: this.#options.now() + afterMs,
      round: round + 1,
      failure,
      message,
      alike,
    };
  }

  async #call(task: Task, permit: Permit, request: ModelRequest, signal: AbortSignal): Promise<Answered> {
    const { hedge } = this.#options;
    if (hedge === null) return { reply: await permit.call(request, signal), endpoint: permit.endpoint };
    return await callHedged(permit, request, signal, {
      afterMs: hedge.afterMs,
      takeOther: (first) => hedge.takeOther({ ...this.wishOf(task), avoid: new Set([...task.avoid, first]) }),
      onSent: (endpoint) => {
        task.attempts += 1;
        task.spend = addSpend(task.spend, { calls: 1, hedgedCalls: 1, model: modelOf(endpoint) });
      },
      onLost: (endpoint) => {
        const uncertainUsd = this.#countUncertain(task, endpoint, request);
        this.#teller.failed({ task, endpoint, sentMs: null }, "cut-off", uncertainUsd);
      },
    });
  }

  #countSpend(task: Task, request: ModelRequest, reply: ModelReply, call: ToldCall): void {
    const usage = reply.usage ?? this.#options.estimateUsage(this.#charsOf(request), reply.text.length);
    const costUsd = call.endpoint.costOf(usage, reply.model);
    this.#teller.answered(call, reply, usage, costUsd);
    const { provider } = call.endpoint;
    const model = provider.remote ? { model: modelOf(call.endpoint) } : {};
    const unpricedCalls = costUsd === null ? 1 : 0;
    task.spend = addSpend(task.spend, { ...usage, costUsd: costUsd ?? 0, unpricedCalls, ...model });
  }

  #charsOf({ text, repair }: ModelRequest): number {
    const again = repair === undefined ? 0 : repair.answer.length + repair.problems.join("\n").length;
    return this.#promptChars + text.length + again;
  }

  /** @returns USD; null when the price is unknown */
  #countUncertain(task: Task, endpoint: Endpoint, request: ModelRequest): number | null {
    const usage = this.#options.estimateUsage(this.#charsOf(request), TYPICAL_ANSWER_CHARS);
    const uncertainUsd = endpoint.costOf(usage, endpoint.provider.model);
    const model = modelOf(endpoint);
    task.spend = addSpend(task.spend, { uncertainCalls: 1, uncertainUsd: uncertainUsd ?? 0, model });
    return uncertainUsd;
  }

  #record(task: Task, classification: Classification, { reply, endpoint }: Answered): ClassificationRecord {
    const { prompt, stamp, now } = this.#options;
    const { spend } = task;
    return {
      ...classification,
      job: stamp.job,
      decidedBy: endpoint.provider.confidenceKind === "offline" ? "offline" : "model",
      provider: endpoint.provider.provider,
      model: reply.model,
      ...(isSameModel(reply.model, endpoint.provider.model) ? {} : { requestedModel: endpoint.provider.model }),
      endpoint: endpoint.name,
      promptVersion: prompt.version,
      taxonomyVersion: prompt.taxonomy.version,
      contentHash: task.item.contentHash,
      ...(task.item.redacted ? { redacted: task.item.redacted } : {}),
      usage: {
        inputTokens: spend.inputTokens,
        cachedInputTokens: spend.cachedInputTokens,
        cacheWriteTokens: spend.cacheWriteTokens,
        outputTokens: spend.outputTokens,
        reasoningTokens: spend.reasoningTokens,
      },
      costUsd: spend.unpricedCalls > 0 ? null : spend.costUsd,
      latencyMs: Math.round(reply.latencyMs),
      attempts: task.attempts,
      executionId: stamp.executionId,
      fence: stamp.fence,
      classifiedAt: new Date(now()),
    };
  }
}

/** @returns `openai/gpt-5-mini`, as it was asked for */
function modelOf({ provider }: Endpoint): string {
  return `${provider.provider}/${provider.model}`;
}

interface Answered {
  readonly reply: ModelReply;
  readonly endpoint: Endpoint;
}

/** What the model is shown of an item: less of it once it was too long. */
function textOf({ item, maxChars }: Task): string {
  return maxChars === null ? item.text : shorten(item.text, maxChars);
}

/** Length of a plain answer, for guessing what a lost one cost. */
const TYPICAL_ANSWER_CHARS = 400;

/** Keeps start and end, never splitting a surrogate pair. */
function shorten(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const half = Math.floor(maxChars / 2);
  return `${text.slice(0, half)}\n[… shortened …]\n${text.slice(-half)}`.toWellFormed();
}

/**
 * What a model puts where a label should be can be the customer's text, in its words or in others: it is in the raw answer
 * of the dead letter and in no message.
 */
function withoutQuotes(problem: string): string {
  return problem.replaceAll(/ "[^"]*"/g, "");
}
