import { messageOf, QuerymillError } from "../errors.ts";
import { NO_HISTORY, nextHistory, type PanelHistory } from "../estimation/finish.ts";
import type { EventMap, Events, RunSnapshot } from "../events.ts";
import type { JobSettings } from "../job.ts";
import type { History, Overview } from "./api.ts";
import { Counted } from "./counted.ts";
import { EventLog } from "./event-log.ts";
import { TOLD_EVENTS, type ToldEvent, toldOf } from "./event-words.ts";
import { limitStep, RunHistory, sampleOf } from "./history.ts";
import type { LiveHub } from "./live.ts";
import { overviewOf, type Sight } from "./overview.ts";
import { ownChanges, ownSnapshot } from "./own-changes.ts";
import { changesBetween } from "./snapshot-changes.ts";
import type { StateReader } from "./state-reader.ts";
import type { Look, Worker } from "./worker.ts";

export interface JobWatchOptions {
  readonly settings: JobSettings;
  readonly worker: Worker;
  readonly reader: StateReader;
  readonly hub: LiveHub;
  /** Counts what is to be reviewed, at most 1,000; null when that cannot be told. */
  readonly countToReview: () => Promise<number | null>;
  /** Counts what persons decided of an execution, by who had before; null when that cannot be told. */
  readonly countByPersons: (executionId: string) => Promise<Readonly<Record<string, number>> | null>;
  readonly openPrices: () => Promise<Sight["priceOf"]>;
  readonly now: () => number;
  readonly steadyNow: () => number;
  /** Told of what went wrong while looking; nobody waits for it. */
  readonly onError: (error: unknown) => void;
}

const TICK_MS = 1_000;
/** So many are told each second. */
const FEW_VIEWERS = 10;
/** Another process is asked this seldom while nobody watches, in ticks. */
const UNWATCHED_TICKS = 10;

/**
 * Looks at a job every second, remembers how it went, and tells those who watch. While nobody does, one small sample a
 * second is all that is made.
 */
export class JobWatch {
  readonly events = new EventLog();
  readonly #options: JobWatchOptions;
  readonly #history = new RunHistory();
  #panel: PanelHistory = NO_HISTORY;
  #whole: RunSnapshot | null = null;
  #look: Look = { from: "nobody", trouble: null, snapshot: null };
  #lookMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | null = null;
  #busy = { figure: -1, sinceMs: 0 };
  readonly #review: Counted<number>;
  readonly #persons: Counted<NonNullable<Sight["persons"]>>;
  #prices: { of: Sight["priceOf"] } | null = null;
  #stateTrouble: string | null = null;
  #ticks = 0;
  #timer: NodeJS.Timeout | null = null;
  /** The events of a process of our own are heard; those of another one are told from its snapshots. */
  #hears = false;

  constructor(options: JobWatchOptions) {
    this.#options = options;
    const { steadyNow, countToReview } = options;
    this.#busy.sinceMs = steadyNow();
    this.#review = new Counted(countToReview, steadyNow);
    this.#persons = new Counted(() => this.#countByPersons(), steadyNow);
  }

  get history(): History {
    return this.#history.all;
  }

  /** The process whose events these are is this one. */
  hear(events: Events): void {
    this.#hears = true;
    for (const name of TOLD_EVENTS)
      events.on(name, (payload: EventMap[ToldEvent]) => this.tell(name, payload as never));
    events.on("limit:change", (change) => this.#tellLimit(change));
    events.on("execution:end", () => this.#options.reader.forget());
  }

  start(): void {
    this.#timer = setInterval(() => void this.#tick(), TICK_MS).unref();
    void this.#tick();
  }

  /** Looks once more, so that those who watch see how it ended. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#lookNow();
    const { hub, now } = this.#options;
    if (hub.viewers > 0) hub.flush(await this.overview(), now());
  }

  /** Who works on the job now; at most a second old. */
  async look(): Promise<Look> {
    if (this.#options.steadyNow() - this.#lookMs > TICK_MS) await this.#lookNow();
    return this.#look;
  }

  /** With what is of all tenants of its process; null when nobody works on it. */
  async whole(): Promise<RunSnapshot | null> {
    await this.look();
    return this.#whole;
  }

  /** Everything of the first view. @param isFirst the state is read before, so that nothing is missing */
  async overview(isFirst = false): Promise<Overview> {
    const look = await this.look();
    const reading = this.#readState();
    if (isFirst) await reading;
    this.#count();
    return this.#make(look);
  }

  /** Something happened, in words. */
  tell<Name extends ToldEvent>(name: Name, payload: EventMap[Name]): void {
    const told =
      "changes" in payload
        ? { ...payload, changes: ownChanges(payload.changes, this.#options.settings.tenant) }
        : payload;
    this.say(name, toldOf(name, told));
  }

  say(name: string, told: ReturnType<typeof toldOf>): void {
    this.#options.hub.keep("event", this.events.add({ atMs: this.#options.now(), name, ...told }));
  }

  /** What is stored is another one now: it is read and counted again. */
  changed(): void {
    this.#options.reader.forget();
    this.#review.forget();
    this.#persons.forget();
    this.#lookMs = Number.NEGATIVE_INFINITY;
  }

  async #tick(): Promise<void> {
    const { hub, worker, now, onError } = this.#options;
    this.#ticks += 1;
    if (!worker.isNear && hub.viewers === 0 && this.#ticks % UNWATCHED_TICKS !== 1) return;
    try {
      // Another process may take long to answer: what was seen last is told meanwhile, so that silence means a lost server.
      const looked = this.#lookNow();
      if (worker.isNear) await looked;
      // Many who watch are told every other time: what each of them costs the run is small, and there are many.
      if (hub.viewers > FEW_VIEWERS && this.#ticks % 2 === 0) return;
      hub.flush(hub.viewers === 0 ? null : this.#make(this.#look), now());
      if (hub.viewers === 0) return;
      void this.#readState();
      this.#count();
    } catch (error) {
      onError(error);
    }
  }

  #lookNow(): Promise<void> {
    this.#looking ??= this.#options.worker
      .look()
      .then((look) => this.#saw(look))
      .catch(this.#options.onError)
      .finally(() => {
        this.#looking = null;
      });
    return this.#looking;
  }

  #saw(seen: Look): void {
    this.#whole = seen.snapshot;
    const look = seen.snapshot === null ? seen : { ...seen, snapshot: ownSnapshot(seen.snapshot) };
    const { hub, steadyNow, reader } = this.#options;
    const before = this.#look;
    this.#look = look;
    this.#lookMs = steadyNow();
    if (before.from !== "nobody" && look.from === "nobody") reader.forget();
    const { snapshot } = look;
    if (!this.#hears)
      for (const { name, payload } of changesBetween(before.snapshot, snapshot))
        if (name === "limit:change") this.#tellLimit(payload);
        else this.tell(name, payload as never);
    if (snapshot === null || look.trouble !== null) return;
    this.#panel = nextHistory(this.#panel, snapshot);
    const figure = progressOf(snapshot);
    if (figure !== this.#busy.figure) this.#busy = { figure, sinceMs: this.#lookMs };
    const sample = sampleOf(snapshot);
    this.#history.add(sample);
    hub.keep("sample", sample);
  }

  #tellLimit(change: EventMap["limit:change"]): void {
    const step = limitStep(change, this.#options.now());
    this.#history.addLimit(step);
    this.#options.hub.keep("limit", step);
  }

  #make(look: Look): Overview {
    const { settings, reader, hub, now, steadyNow } = this.#options;
    const { from, snapshot } = look;
    const { last } = reader;
    return overviewOf({
      nowMs: snapshot?.nowMs ?? now(),
      from,
      trouble: look.trouble ?? this.#stateTrouble,
      snapshot,
      status: from === "nobody" ? last.status : null,
      lastEnd: last.lastEnd,
      totals: last.totals,
      model: last.model,
      dead: last.dead,
      quietMs: steadyNow() - this.#busy.sinceMs,
      deadlines: settings.deadlines,
      history: this.#panel,
      toReview: this.#review.value,
      persons: this.#persons.value,
      priceOf: this.#priceOf(),
      viewers: hub.viewers,
    });
  }

  /** Never fails: not everybody waits for it. */
  async #readState(): Promise<void> {
    try {
      await this.#options.reader.read(this.#look);
      this.#stateTrouble = null;
    } catch (error) {
      const trouble = messageOf(error);
      // What cannot be read is told to who looks; what is a bug to the log too, once.
      if (!(error instanceof QuerymillError) && trouble !== this.#stateTrouble) this.#options.onError(error);
      this.#stateTrouble = trouble;
    }
  }

  /** For later: nobody waits for a store. */
  #count(): void {
    const known = this.#persons.value;
    if (known !== null && known.executionId !== this.#shownExecution()) this.#persons.forget();
    this.#review.look();
    this.#persons.look();
  }

  async #countByPersons(): Promise<Sight["persons"]> {
    const executionId = this.#shownExecution();
    const items = executionId === null ? null : await this.#options.countByPersons(executionId);
    return executionId === null || items === null ? null : { executionId, items };
  }

  /** Whose counters are shown. */
  #shownExecution(): string | null {
    return this.#look.snapshot?.executionId ?? this.#options.reader.last.lastEnd?.executionId ?? null;
  }

  #priceOf(): Sight["priceOf"] {
    if (this.#prices === null) {
      this.#prices = { of: null };
      const { openPrices, onError } = this.#options;
      openPrices().then((priceOf) => {
        this.#prices = { of: priceOf };
      }, onError);
    }
    return this.#prices.of;
  }
}

/** Another number whenever anything has happened in a run. */
function progressOf({ counters, journal }: RunSnapshot): number {
  return counters.read + counters.modelCalls + counters.uncertainCalls - counters.inFlight + journal.records;
}
