import { type Clocks, systemClocks } from "../clocks.ts";
import type { LoadedSettings } from "../config/load.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import type { ExecutionEnd, RunSnapshot, StopReason } from "../events.ts";
import type { Mode, Share } from "../job.ts";
import type { Execution } from "../jobs/execution.ts";
import type { TenantEvents } from "./tenant-events.ts";

/** What lives beside the run of a tenant. */
export interface Beside {
  /** The run was refused or broke off. */
  failed?(error: unknown): void;
  /** The run is over; its end is about to be told. */
  ended?(end: ExecutionEnd | null): Promise<void>;
  /** Reads the settings of the tenant again and takes what can be changed under way; null: there is no such thing. */
  readonly reload?: (() => Promise<ReloadedTenant>) | null;
  close(): Promise<void>;
}

/** What reading the settings of a tenant again brought. */
export interface ReloadedTenant {
  readonly taken: Readonly<
    Record<string, { readonly from: string | number | null; readonly to: string | number | null }>
  >;
  readonly refused: readonly { readonly setting: string; readonly reason: string }[];
}

export interface LaneOptions {
  readonly name: string;
  /** How its runs go, as far as that is known before its settings are loaded. */
  readonly mode: Mode;
  readonly events: TenantEvents;
  /** Resolves and checks its settings. @throws QuerymillError */
  readonly load: () => Promise<LoadedSettings>;
  /** @returns null: it is not to run at all, and that is no failure */
  readonly prepare: (loaded: LoadedSettings) => Promise<Execution | null>;
  readonly beside: (loaded: LoadedSettings, execution: Execution) => Promise<Beside | null>;
  readonly clocks?: Clocks;
  /** Waits before a tenant that failed is tried again: the first one and the longest, in ms. @default 30 s and 10 min */
  readonly retry?: { readonly firstMs: number; readonly longestMs: number };
}

/** How a tenant is doing. `failed`: see `problem`; it is tried again at `nextTryMs`, or not by itself. */
export interface TenantSnapshot {
  readonly name: string;
  readonly state: "paused" | "failed" | "removed" | RunSnapshot["state"];
  /** As its settings say. @default weight 1, no floor, no ceiling */
  readonly share: Share;
  /** Of the run under way, or the last one; null before the first. */
  readonly run: RunSnapshot | null;
  readonly end: ExecutionEnd | null;
  readonly problem: string | null;
  /** Epoch ms. */
  readonly nextTryMs: number | null;
  /** null while it may go on. */
  readonly exitCode: number | null;
}

const RETRY = { firstMs: 30_000, longestMs: 600_000 };
const IN_SETTINGS = "paused in the settings";
const PLAIN: Share = { weight: 1, floor: null, ceiling: null };
/** Ends that were meant: what comes next is for who meant them. */
const MEANT: ReadonlySet<StopReason | null> = new Set([null, "signal", "stop-requested", "limit", "budget"]);

/**
 * One tenant of a process: its runs one after the other, until it is stopped or has come to its end. A mode that goes on
 * for months is tried again after a failure, with its settings read again; a batch that failed stays so.
 * States: paused ⇄ runs → failed → runs …; any → removed; any → ended.
 */
export class TenantLane {
  readonly name: string;
  readonly #options: LaneOptions;
  readonly #clocks: Clocks;
  #loaded: LoadedSettings | null = null;
  #execution: Execution | null = null;
  #beside: Beside | null = null;
  /** No run begins. While one is under way, its own pause says so. */
  #paused = false;
  /** What its section said of `paused` when it was read last; null before. */
  #pausedInSettings: boolean | null = null;
  /** It was told to go on although its section says otherwise, and holds until that says another thing. */
  #goesOn = false;
  /** By whom a run was paused that broke off: the next one begins so. */
  #held: { readonly reason: string | null; readonly by: string | null } | null = null;
  #stopped: { reason: StopReason; now: boolean; removed: boolean } | null = null;
  #end: ExecutionEnd | null = null;
  #lastRun: RunSnapshot | null = null;
  #problem: string | null = null;
  #nextTryMs: number | null = null;
  #exitCode: number | null = null;
  #wake: () => void = () => {};

  constructor(options: LaneOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clocks = options.clocks ?? systemClocks;
  }

  /** The settings that it runs with; null before they were loaded. */
  get loaded(): LoadedSettings | null {
    return this.#loaded;
  }

  get execution(): Execution | null {
    return this.#execution;
  }

  /** How its runs go, as far as that is known. */
  get mode(): Mode {
    return this.#loaded?.settings.mode ?? this.#options.mode;
  }

  get isOver(): boolean {
    return this.#exitCode !== null;
  }

  /** It was taken out of the settings, and drains or has ended. */
  get isRemoved(): boolean {
    return this.#stopped?.removed === true;
  }

  /** Paused, with no run under way: nothing would be lost if the process ended. */
  get isIdle(): boolean {
    return this.#paused && this.#execution === null && !this.isOver;
  }

  /** Runs until it has come to its end. Once only; throws nothing: see {@link snapshot}. @param loaded settings that are loaded already */
  async serve(loaded: LoadedSettings | null = null): Promise<void> {
    let first = loaded;
    for (let failures = 0; this.#stopped === null; ) {
      if (this.#paused) {
        await this.#woken(null);
        continue;
      }
      const failed = await this.#once(first);
      first = null;
      if (failed === "paused") continue;
      if (failed === null || this.#isLast(failed)) return this.#over(failed);
      failures = failed.hadRun ? 1 : failures + 1;
      const { firstMs, longestMs } = this.#options.retry ?? RETRY;
      const afterMs = Math.min(longestMs, firstMs * 2 ** Math.min(20, failures - 1));
      this.#tellFailure(failed, afterMs);
      await this.#woken(afterMs);
      this.#nextTryMs = null;
    }
    this.#over(null);
  }

  /** What was told to a tenant that is not running holds for when it is. */
  stop(reason: StopReason, removed = false): void {
    this.#stopped = { reason, now: false, ...this.#stopped, removed: removed || this.isRemoved };
    this.#execution?.stop(reason);
    this.#wake();
  }

  abort(reason: StopReason): void {
    this.#stopped = { reason, removed: false, ...this.#stopped, now: true };
    this.#execution?.abort(reason);
    this.#wake();
  }

  /** Pauses it, or lets it go on, whatever its section says. @param by who said so @returns false when it was so already */
  setPaused(paused: boolean, by: string | null): boolean {
    if (this.isOver) return false;
    this.#goesOn = !paused;
    if (paused === this.#isPaused) return false;
    this.#held = null;
    if (this.#execution === null) this.#paused = paused;
    else if (paused) this.#execution.pause(IN_SETTINGS, { by });
    else this.#execution.resume({ by });
    this.#options.events.emit(this.name, "tenant:state", { name: this.name, state: paused ? "paused" : "begins" });
    this.#wake();
    return true;
  }

  /**
   * Its section says so now. What it said before already changes nothing: a person may have told the run another thing.
   * @returns whether anything is another one by that
   */
  readPaused(paused: boolean, by: string | null): boolean {
    if (paused === this.#pausedInSettings) return false;
    this.#pausedInSettings = paused;
    return this.setPaused(paused, by);
  }

  get #isPaused(): boolean {
    if (this.#execution !== null) return isPausedByPerson(this.#execution.snapshot());
    return this.#paused || this.#held !== null;
  }

  /** A tenant that waits after a failure is tried again now. */
  tryNow(): void {
    if (this.#nextTryMs !== null) this.#wake();
  }

  /** @throws QuerymillError when its settings have an error */
  async reload(): Promise<ReloadedTenant> {
    return (await this.#beside?.reload?.()) ?? { taken: {}, refused: [] };
  }

  snapshot(): TenantSnapshot {
    const run = this.#execution?.snapshot() ?? this.#lastRun;
    return {
      name: this.name,
      state: this.#stateOf(run),
      share: this.#loaded?.settings.share ?? PLAIN,
      run,
      end: this.#end,
      problem: this.#problem,
      nextTryMs: this.#nextTryMs,
      exitCode: this.#exitCode,
    };
  }

  #stateOf(run: RunSnapshot | null): TenantSnapshot["state"] {
    if (this.isOver && this.isRemoved) return "removed";
    if (this.#execution !== null) return run?.state ?? "starting";
    if (this.#paused) return "paused";
    if (this.#problem !== null) return "failed";
    return this.isOver ? "ended" : "starting";
  }

  /** One run. @returns null when that was all; what went wrong */
  async #once(first: LoadedSettings | null): Promise<Failed | null | "paused"> {
    const { load, prepare, beside, events } = this.#options;
    this.#problem = null;
    let execution: Execution | null = null;
    try {
      const loaded = first ?? (await load());
      this.#loaded = loaded;
      const paused = loaded.tenant?.paused === true;
      if (paused !== this.#pausedInSettings) this.#goesOn = false;
      this.#pausedInSettings = paused;
      if (paused && !this.#goesOn) {
        this.#paused = true;
        events.emit(this.name, "tenant:state", { name: this.name, state: "paused" });
        return "paused";
      }
      execution = await prepare(loaded);
      if (execution === null) return null;
      execution.events.onAny((name, payload) => events.emit(this.name, name, payload));
      this.#beside = await beside(loaded, execution);
      this.#execution = execution;
      this.#catchUp(execution);
      const end = await execution.run();
      this.#end = end;
      await this.#beside?.ended?.(end);
      if (end.exitCode !== 4 || MEANT.has(end.stopReason)) return null;
      const why = { error: end.message ?? "it stopped", kind: end.stopReason ?? "stopped" };
      return { code: end.exitCode, ...why, hadRun: end.read > 0 };
    } catch (error) {
      this.#beside?.failed?.(error);
      await this.#beside?.ended?.(null);
      const expected = error instanceof QuerymillError;
      // Before it had begun, by this process or through its control socket.
      if (expected && error.code === "RUN_STOPPED") return null;
      const code = expected ? 2 : 1;
      return { code, error: messageOf(error), kind: expected ? error.code : "BUG", hadRun: false };
    } finally {
      this.#lastRun = execution?.snapshot() ?? this.#lastRun;
      if (this.#execution !== null) this.#keepPause(this.#lastRun!);
      this.#execution = null;
      await this.#beside?.close();
      this.#beside = null;
    }
  }

  /** What a person told the run that broke off holds for the next one. */
  #keepPause(run: RunSnapshot): void {
    this.#held = isPausedByPerson(run) ? run.paused : null;
    this.#goesOn = this.#held === null;
  }

  /** What it was told before there was a run. */
  #catchUp(execution: Execution): void {
    if (this.#paused) execution.pause(IN_SETTINGS);
    else if (this.#held !== null) execution.pause(this.#held.reason, { by: this.#held.by });
    this.#paused = false;
    this.#held = null;
    if (this.#stopped === null) return;
    if (this.#stopped.now) execution.abort(this.#stopped.reason);
    else execution.stop(this.#stopped.reason);
  }

  /** Whether trying again is of no use: a batch has one try, a bug stays, and who stopped it meant it. */
  #isLast({ code }: Failed): boolean {
    return this.mode === "batch" || code === 1 || this.#stopped !== null;
  }

  #over(failed: Failed | null): void {
    if (failed !== null) this.#tellFailure(failed, null);
    this.#exitCode = failed?.code ?? this.#end?.exitCode ?? 0;
    if (this.isRemoved) this.#options.events.emit(this.name, "tenant:state", { name: this.name, state: "removed" });
  }

  #tellFailure({ error, kind }: Failed, afterMs: number | null): void {
    this.#problem = error;
    this.#nextTryMs = afterMs === null ? null : this.#clocks.now() + afterMs;
    this.#options.events.emit(this.name, "tenant:failed", {
      name: this.name,
      code: kind,
      message: error,
      nextTryMs: this.#nextTryMs,
    });
  }

  async #woken(afterMs: number | null): Promise<void> {
    if (this.#stopped !== null) return;
    await new Promise<void>((resolve) => {
      const timer = afterMs === null ? null : setTimeout(resolve, afterMs);
      this.#wake = () => {
        if (timer !== null) clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }
}

/** A window of hours does not count: that one ends by itself. */
function isPausedByPerson({ paused }: RunSnapshot): boolean {
  return paused?.holder === "operator";
}

interface Failed {
  readonly code: number;
  readonly error: string;
  /** Code of the error, or why the run ended. */
  readonly kind: string;
  /** It had settled items before. */
  readonly hadRun: boolean;
}
