import type { ConfigText } from "../config/file.ts";
import type { LoadedSettings } from "../config/load.ts";
import { severalProblems } from "../config/problems.ts";
import { tenantNames } from "../config/tenants.ts";
import { QuerymillError } from "../errors.ts";
import type { ExecutionEnd, StopReason } from "../events.ts";
import type { Mode } from "../job.ts";
import { tenantConflicts } from "./conflicts.ts";
import { worstExitCode } from "./exit-code.ts";
import { type LaneOptions, type ReloadedTenant, TenantLane, type TenantSnapshot } from "./lane.ts";
import { suspectsOf, whenSettled } from "./suspects.ts";
import { TenantEvents } from "./tenant-events.ts";

export interface TenantsOptions extends Pick<LaneOptions, "prepare" | "beside" | "clocks" | "retry"> {
  /** The settings file as it is now. @throws QuerymillError CONFIG_INVALID */
  readonly read: () => Promise<ConfigText | null>;
  /** Resolves and checks the settings of one tenant. @throws QuerymillError */
  readonly load: (name: string) => Promise<LoadedSettings>;
  /** Only this one; null: all. */
  readonly only: string | null;
  /** Where errors of listeners go. */
  readonly onListenerError?: (error: unknown) => void;
}

/** How all tenants ended. */
export interface TenantsEnd {
  readonly tenants: readonly {
    readonly name: string;
    readonly exitCode: number;
    readonly end: ExecutionEnd | null;
    /** Why it did not run, or stopped; null when it came to its end. */
    readonly problem: string | null;
  }[];
  /** The worst of them: see {@link worstExitCode}. */
  readonly exitCode: number;
}

/**
 * All tenants of a process, each with executions of its own. What becomes of one touches no other: not its start, its end
 * nor what ends it.
 */
export class Tenants {
  readonly events: TenantEvents;
  readonly #options: TenantsOptions;
  readonly #lanes = new Map<string, TenantLane>();
  #serving = new Set<Promise<void>>();
  /** All are to end; those that are added later too. */
  #stopping: { readonly reason: StopReason; readonly now: boolean } | null = null;
  #changed: () => void = () => {};
  #reloading: Promise<unknown> = Promise.resolve();
  /** Of the settings since they were read to begin; null before. */
  #reloads: number | null = null;

  constructor(options: TenantsOptions) {
    this.#options = options;
    this.events = new TenantEvents(options.onListenerError);
    this.events.on("tenant:state", () => this.#changed());
  }

  /** In the order of the settings file; those that were added later behind them. */
  get lanes(): readonly TenantLane[] {
    return [...this.#lanes.values()];
  }

  /**
   * Runs all that are not paused until each has come to its end.
   * @throws QuerymillError before anything was begun: there is no tenant, all are paused, two are in each other's way
   */
  async run(): Promise<TenantsEnd> {
    const file = await this.#read();
    const names = this.#namesIn(file);
    for (const name of names) this.#add(name, modeOf(file, name));
    this.#reloads = 0;
    const loaded = await this.#loadAll(names);
    const going = names.filter((name) => loaded.get(name)?.tenant?.paused !== true);
    if (going.length === 0) throw allPaused(names);
    for (const name of names) if (!going.includes(name)) this.#lanes.get(name)!.readPaused(true, null);
    await this.#serveAll(names, loaded);
    for (;;) {
      // It may be about to add one.
      await this.#reloading;
      if (this.lanes.every((lane) => lane.isOver || lane.isIdle)) break;
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    this.stop("stop-requested");
    await Promise.all(this.#serving);
    return this.#end();
  }

  /** Drains all: no new calls, those in flight come home. Told before `run`, nothing is begun. */
  stop(reason: StopReason): void {
    this.#stopping ??= { reason, now: false };
    for (const lane of this.#lanes.values()) lane.stop(reason);
  }

  /** At once: cuts the calls in flight of all. */
  abort(reason: StopReason = "signal"): void {
    this.#stopping = { reason, ...this.#stopping, now: true };
    for (const lane of this.#lanes.values()) lane.abort(reason);
  }

  /** No new calls of a tenant; those in flight come home. @throws QuerymillError USAGE when there is none of that name */
  pause(name: string): void {
    this.#laneOf(name).setPaused(true, null);
  }

  /** Lets a paused tenant go on, also one that is paused in the settings. @throws QuerymillError USAGE when there is none of that name */
  resume(name: string): void {
    this.#laneOf(name).setPaused(false, null);
  }

  snapshot(): TenantSnapshot[] {
    return this.lanes.map((lane) => lane.snapshot());
  }

  /**
   * Reads the settings again: tenants that are new begin, those that are gone drain, pauses are taken and given back, what
   * can be changed of a run under way is changed, and those that failed are tried again. What a person told a run holds
   * until its settings say another thing. Two at once are one after the other.
   * @throws QuerymillError when the settings have an error, or two tenants would be in each other's way: nothing is taken
   */
  reload(by: string | null = null): Promise<ReloadedTenant> {
    const done = this.#reloading.then(() => this.#reload(by));
    this.#reloading = done.catch(() => {});
    return done;
  }

  async #reload(by: string | null): Promise<ReloadedTenant> {
    // They are about to be read.
    if (this.#reloads === null) return { taken: {}, refused: [] };
    this.#reloads += 1;
    const file = await this.#read();
    const names = this.#namesIn(file);
    await this.#loadAll(names);
    const taken: Record<string, ReloadedTenant["taken"][string]> = {};
    const refused: ReloadedTenant["refused"][number][] = [];
    for (const lane of this.#lanes.values())
      if (!names.includes(lane.name) && !lane.isOver) {
        lane.stop("stop-requested", true);
        taken[`tenants.${lane.name}`] = { from: "there", to: "removed" };
      }
    for (const name of names) {
      const known = this.#lanes.get(name);
      const paused = file!.tenants!.get(name)!.own.get("paused") === true;
      if (known === undefined || (known.isRemoved && known.isOver)) {
        if (paused || this.#stopping !== null) continue;
        this.#serve(this.#add(name, modeOf(file, name)), null);
        taken[`tenants.${name}`] = { from: "none", to: "begins" };
        continue;
      }
      if (known.isOver || known.isRemoved) {
        const reason = whyNotAgain(known);
        if (reason !== null) refused.push({ setting: `tenants.${name}`, reason });
        continue;
      }
      if (known.readPaused(paused, by))
        taken[`tenants.${name}.paused`] = paused ? { from: "no", to: "yes" } : { from: "yes", to: "no" };
      known.tryNow();
      const changes = await known.reload().catch((error: unknown): ReloadedTenant => {
        if (!(error instanceof QuerymillError)) throw error;
        // What is wrong with one tenant keeps no change of another back.
        return { taken: {}, refused: [{ setting: "settings", reason: `cannot be used now: ${error.message}` }] };
      });
      for (const [setting, change] of Object.entries(changes.taken)) taken[`tenants.${name}.${setting}`] = change;
      for (const one of changes.refused) refused.push({ ...one, setting: `tenants.${name}.${one.setting}` });
    }
    this.#changed();
    return { taken, refused };
  }

  #laneOf(name: string): TenantLane {
    const lane = this.#lanes.get(name);
    if (lane !== undefined) return lane;
    const names = [...this.#lanes.keys()].join(", ");
    throw new QuerymillError("USAGE", `There is no tenant ${name} here. There are: ${names || "none before run()"}.`);
  }

  #add(name: string, mode: Mode): TenantLane {
    const { load, prepare, beside, clocks, retry } = this.#options;
    const lane = new TenantLane({
      ...{ name, mode, prepare, beside, events: this.events },
      ...(clocks === undefined ? {} : { clocks }),
      ...(retry === undefined ? {} : { retry }),
      load: async () => {
        const loaded = await load(name);
        this.#refuseConflicts([loaded, ...this.#others(name)]);
        return loaded;
      },
    });
    this.#lanes.set(name, lane);
    if (this.#stopping?.now === true) lane.abort(this.#stopping.reason);
    else if (this.#stopping !== null) lane.stop(this.#stopping.reason);
    return lane;
  }

  /** One that has items to do alone goes first, with no other beside it. Settings may be others when it is done. */
  async #serveAll(names: readonly string[], loaded: ReadonlyMap<string, LoadedSettings>): Promise<void> {
    const rest: TenantLane[] = [];
    for (const name of names) {
      const lane = this.#lanes.get(name)!;
      const settings = loaded.get(name)?.settings;
      const suspects = settings === undefined || lane.isIdle ? new Set<string>() : await suspectsOf(settings);
      if (suspects.size === 0 || this.#stopping !== null) {
        rest.push(lane);
        continue;
      }
      const settled = whenSettled(lane, suspects, this.events);
      const over = this.#serve(lane, loaded.get(name)!);
      await Promise.race([settled, over]);
    }
    const isFresh = rest.length === names.length && this.#reloads === 0;
    for (const lane of rest) this.#serve(lane, isFresh && !lane.isIdle ? (loaded.get(lane.name) ?? null) : null);
  }

  #serve(lane: TenantLane, loaded: LoadedSettings | null): Promise<void> {
    const serving = lane.serve(loaded).finally(() => {
      this.#serving.delete(serving);
      this.#changed();
    });
    this.#serving.add(serving);
    return serving;
  }

  /** Settings of all that have some now; what is wrong with one is told when it is to run. @throws QuerymillError CONFIG_INVALID */
  async #loadAll(names: readonly string[]): Promise<Map<string, LoadedSettings>> {
    const loaded = new Map<string, LoadedSettings>();
    for (const name of names)
      try {
        loaded.set(name, await this.#options.load(name));
      } catch (error) {
        if (!(error instanceof QuerymillError)) throw error;
      }
    this.#refuseConflicts([...loaded.values()]);
    return loaded;
  }

  #others(name: string): LoadedSettings[] {
    return this.lanes.flatMap((lane) => (lane.name === name || lane.isOver ? [] : (lane.loaded ?? [])));
  }

  #refuseConflicts(loaded: readonly LoadedSettings[]): void {
    const problems = tenantConflicts(loaded.map(({ settings }) => settings));
    if (problems.length > 0) throw severalProblems(problems);
  }

  async #read(): Promise<ConfigText | null> {
    const file = await this.#options.read();
    if (file !== null && file.problems.length > 0) throw severalProblems(file.problems);
    return file;
  }

  #namesIn(file: ConfigText | null): string[] {
    const { only } = this.#options;
    const names = tenantNames(file);
    return only === null ? names : names.filter((name) => name === only);
  }

  #end(): TenantsEnd {
    const tenants = this.lanes.map((lane) => {
      const { name, exitCode, end, problem } = lane.snapshot();
      return { name, exitCode: exitCode ?? 0, end, problem };
    });
    return { tenants, exitCode: worstExitCode(tenants.map(({ exitCode }) => exitCode)) };
  }
}

function modeOf(file: ConfigText | null, name: string): Mode {
  const said = file?.tenants?.get(name)?.values.get("mode") ?? file?.values.get("mode");
  return (said as Mode | undefined) ?? "batch";
}

/** Why a tenant of the settings is not begun again; null for a batch that is done. */
function whyNotAgain(lane: TenantLane): string | null {
  if (!lane.isOver) return "was taken out and has calls in flight. Read the settings again when it has ended";
  if (lane.mode === "batch" && lane.snapshot().exitCode === 0) return null;
  return `has ended in this process. Run it in another one:  querymill run --tenant ${lane.name}`;
}

function allPaused(names: readonly string[]): QuerymillError {
  const [first] = names;
  return new QuerymillError(
    "USAGE",
    first === undefined
      ? "There are no tenants in the settings. Add one:  querymill tenants add NAME"
      : `${names.length === 1 ? `Tenant ${first} is` : "All tenants are"} paused, so there is nothing to run. Let one go on:  querymill tenants resume ${first}`,
  );
}
