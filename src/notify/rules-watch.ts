import { QuerymillError } from "../errors.ts";
import type { Execution } from "../jobs/execution.ts";
import type { StateIdentity } from "../state/identity.ts";
import type { Outgoing } from "./pacer.ts";
import type { NotifyRulesSettings } from "./rule-settings.ts";
import { NotificationRules, type RulesContext } from "./rules.ts";
import { readRulesState, writeRulesState } from "./rules-file.ts";

export interface RulesWatchOptions {
  /** Not started yet. */
  readonly execution: Pick<Execution, "events" | "snapshot">;
  readonly settings: NotifyRulesSettings;
  readonly context: RulesContext;
  /** The job's state folder. */
  readonly folder: string;
  readonly identity: StateIdentity;
  readonly deliver: (outgoing: Outgoing) => unknown;
  /** Told of what went wrong here; nothing is thrown. */
  readonly onTrouble: (error: unknown) => void;
  /** Wall clock, epoch ms. @default the machine's */
  readonly now?: () => number;
}

export interface RulesWatch {
  /** The execution was refused or broke off, without an end of its own. */
  failed(error: unknown): void;
  /** The execution has ended: tells what is left to tell, durably. More than once does nothing more. */
  close(): Promise<void>;
}

/**
 * From what happens to the look at it, and between two looks while nothing does, in ms. What happens in a fleet happens
 * elsewhere: one of its workers that died is missing for 5 s at least before another has what it had.
 */
const LOOK_MS = { stirred: 2_000, fleet: 4_000, quiet: 15_000 };
/** What nobody was told of is saved this often: counts, labels, what is wrong and not told yet. */
const SAVE_MS = 60_000;
/** Errors of a command, not of a run; and a job that another process runs, whose state this is not. */
const NOT_TOLD: ReadonlySet<string> = new Set(["USAGE", "RUN_STOPPED", "JOB_HELD"]);

/**
 * Has rules look at an execution soon after something happened and now and then, hands on what they tell, and keeps what
 * they remember in the job's folder. Each that was handed on is an event `notification:made`. Handed on first, saved then: after a crash between the two a message comes a second time, and none is lost.
 */
export async function watchRules(options: RulesWatchOptions): Promise<RulesWatch> {
  const { execution, settings, context, folder, identity, onTrouble, now = Date.now } = options;
  const state = await readRulesState(folder, identity).catch((error: unknown) => {
    onTrouble(error);
    return null;
  });
  const rules = new NotificationRules(settings, context, state);
  // Until something happens the job may be another process's, and so is its state.
  let isOurs = false;
  let savedMs = now();
  let unwritable = false;
  let working: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  /** Of the next look, by the steady clock. */
  let dueMs = Number.POSITIVE_INFINITY;
  let closed: Promise<void> | null = null;

  const safely = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      onTrouble(error);
    }
  };
  const hand = async (outgoing: readonly Outgoing[]): Promise<void> => {
    for (const one of outgoing)
      try {
        await options.deliver(one);
        const { id, rule, subject, state, executionId } = one.notification;
        execution.events.emit("notification:made", { executionId, id, rule, subject, state, channels: one.channels });
      } catch (error) {
        onTrouble(error);
      }
    if (outgoing.length === 0 && now() - savedMs < SAVE_MS && now() >= savedMs) return;
    savedMs = now();
    await save();
  };
  const save = async (): Promise<void> => {
    try {
      await writeRulesState(folder, identity, rules.saved(now()));
      unwritable = false;
    } catch (error) {
      if (!unwritable) onTrouble(error);
      unwritable = true;
    }
  };
  const look = (): void => {
    dueMs = Number.POSITIVE_INFINITY;
    lookIn(working === null ? LOOK_MS.quiet : LOOK_MS.stirred);
    if (!isOurs || working !== null) return;
    safely(() => {
      const snapshot = execution.snapshot();
      if (snapshot.fleet !== undefined) lookIn(LOOK_MS.fleet);
      working = hand(rules.look(snapshot, now())).finally(() => {
        working = null;
      });
    });
  };
  const lookIn = (ms: number): void => {
    const atMs = performance.now() + ms;
    if (closed !== null || atMs >= dueMs) return;
    if (timer !== null) clearTimeout(timer);
    dueMs = atMs;
    timer = setTimeout(look, ms).unref();
  };
  const finish = async (): Promise<void> => {
    if (timer !== null) clearTimeout(timer);
    await working;
    if (!isOurs) return;
    let left: readonly Outgoing[] = [];
    safely(() => {
      left = [...rules.look(execution.snapshot(), now()), ...rules.end(now())];
    });
    await hand(left);
    await save();
  };

  execution.events.onAny((name, payload) => {
    if (name === "notification:made") return;
    isOurs = true;
    rules.event(name, payload, now());
    lookIn(LOOK_MS.stirred);
  });
  lookIn(LOOK_MS.quiet);
  return {
    failed: (error) => {
      const code = error instanceof QuerymillError ? error.code : null;
      if (code !== null && NOT_TOLD.has(code)) return;
      isOurs = true;
      // What is no QuerymillError is a bug, and its message could hold anything.
      const message =
        error instanceof QuerymillError ? error.message : "It broke off with an error of its own: see its log.";
      rules.failed(code ?? "UNEXPECTED", message, now());
    },
    close: () => {
      closed ??= finish();
      return closed;
    },
  };
}
