import { QuerymillError } from "../errors.ts";
import { chooseByLength } from "../estimation/choose-by-length.ts";
import type { Forecast } from "../estimation/forecast.ts";
import { lengthsOf } from "../estimation/lengths.ts";
import type { FailedItem } from "../estimation/measured.ts";
import type { EventMap, ExecutionEnd } from "../events.ts";
import type { ItemKey } from "../item.ts";
import { type JobSettings, modelLabel } from "../job.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { savePilot } from "../state/pilot.ts";
import type { Adapters } from "./adapters.ts";
import { withChosenItems } from "./chosen-items.ts";
import type { Execution } from "./execution.ts";
import { openExistingStore } from "./existing-store.ts";
import { JobExecution } from "./job-execution.ts";
import { sampleLengths } from "./length-sample.ts";
import { refuseUnpricedBudget } from "./open-job.ts";
import { findExperience, forecast, lastPilot } from "./run-forecast.ts";

/** The random items that a pilot would ask, and what that is expected to take. */
export interface PilotPlan {
  readonly job: string;
  readonly model: string;
  readonly unprocessed: number | null;
  /** Length of the text of each, by its key. */
  readonly items: ReadonlyMap<ItemKey, number>;
  readonly expected: Forecast;
}

/** Of a source of more, so many are drawn to choose from. */
const CAPS = { whole: 20_000, drawn: 5_000, maxMs: 10_000 };
const COUNT_MS = 30_000;

/**
 * Chooses unprocessed items at random, short and long ones as they are in the whole. Asks no model, writes nothing.
 * @param size fewer only when there are fewer with a text
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED, COLLECTION_MISSING, MODEL_UNPRICED, USAGE (the offline model
 * costs nothing)
 */
export async function planPilot(
  settings: JobSettings,
  adapters: Adapters,
  size: number,
  random: () => number,
): Promise<PilotPlan> {
  refuseUnpricedBudget(settings, adapters.pricingOf);
  if (settings.model.provider === "offline")
    throw new QuerymillError(
      "USAGE",
      "The offline model costs nothing and asks no server: there is nothing to find out with a pilot. Just run it.",
    );
  const store = await openExistingStore(settings);
  try {
    const { sourceCollection, targetCollection, mark, filter, job, model } = settings;
    const source = store.source({ collection: sourceCollection, mark, filter, fields: adapters.fields });
    await source.inspect();
    const unprocessed = await source.countUnprocessed(COUNT_MS);
    const drawn = Math.max(CAPS.drawn, size);
    const { texts } = await sampleLengths(
      source,
      adapters.makeItem,
      { items: unprocessed, unprocessed },
      { ...CAPS, drawn },
    );
    const manager = new BatchFileManager(settings.batchDir, settings);
    await manager.retryQueue.open({ readOnly: true });
    await manager.deadLetters.open({ readOnly: true });
    // What failed before waits for its time; asking it again would tell nothing of the rest.
    const free = texts.filter(
      ({ key }) => manager.retryQueue.get(key) === null && manager.deadLetters.get(key) === null,
    );
    const chosen = chooseByLength(free, size, random);
    const experience = await findExperience(
      manager,
      { source, target: store.target(targetCollection) },
      settings,
      adapters,
    );
    const lengths = lengthsOf(
      chosen.map(({ chars }) => chars),
      0,
      chosen.length,
    );
    return {
      job,
      model: modelLabel(model),
      unprocessed,
      items: new Map(chosen.map(({ key, chars }) => [key, chars])),
      expected: forecast(lengths, experience, settings, adapters),
    };
  } finally {
    await store.close();
  }
}

/** One execution of the job over the chosen items only: journaled, stored and marked as any other. */
export class PilotExecution {
  readonly execution: Execution;
  readonly #settings: JobSettings;
  readonly #adapters: Adapters;
  readonly #items: ReadonlyMap<ItemKey, number>;
  readonly #answered: ItemKey[] = [];
  readonly #failed: FailedItem[] = [];
  #end: ExecutionEnd | null = null;

  constructor(settings: JobSettings, adapters: Adapters, { items }: PilotPlan) {
    // What fails waits for a later run: nobody stands at a terminal for a retry queue to learn a price.
    const once = { mode: "batch", wait: false, leaveRetries: true, window: null, growing: null } as const;
    this.#settings = { ...settings, ...once, limit: items.size };
    this.#adapters = adapters;
    this.#items = items;
    const records = settings.markIn === "target" ? settings.targetCollection : null;
    const openStore = async () => withChosenItems(await adapters.openStore(), [...items.keys()], records);
    this.execution = new JobExecution(this.#settings, { ...adapters, openStore });
    this.execution.events.on("item:settled", (item) => this.#note(item));
    this.execution.events.on("execution:end", (end) => {
      this.#end = end;
    });
  }

  /** The settings that it runs with. */
  get settings(): JobSettings {
    return this.#settings;
  }

  /** What it took, once it has ended; null before. */
  get end(): ExecutionEnd | null {
    return this.#end;
  }

  /**
   * Remembers which items were asked, for later estimates; those of an earlier pilot with the same prompt count on. Call
   * it when the execution has ended.
   */
  async remember(): Promise<void> {
    if (this.#end === null || this.#answered.length === 0) return;
    const { version } = this.#adapters.prompt;
    const manager = new BatchFileManager(this.#settings.batchDir, this.#settings);
    const last = await lastPilot(manager);
    const same = last !== null && last.promptVersion === version ? last : null;
    await savePilot(manager.files, manager.folder, {
      ...manager.identity,
      format: 1,
      executionId: this.#end.executionId,
      at: new Date().toISOString(),
      promptVersion: version,
      modelCalls: (last?.modelCalls ?? 0) + this.#end.modelCalls,
      answered: [...(same?.answered ?? []), ...this.#answered],
      failed: [...(same?.failed ?? []), ...this.#failed],
    });
  }

  #note({ key, outcome, costUsd, attempts }: EventMap["item:settled"]): void {
    const chars = this.#items.get(key);
    if (chars === undefined) return;
    if (outcome === "classified") this.#answered.push(key);
    else if (attempts > 0) this.#failed.push({ chars, costUsd });
  }
}
