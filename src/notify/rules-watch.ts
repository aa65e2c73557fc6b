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
  /** Between two looks, in ms. @default 2_000 */
  readonly lookMs?: number;
  /** Wall clock, epoch ms. @default the machine's */
  readonly now?: () => number;
}

export interface RulesWatch {
  /** The execution was refused or broke off, without an end of its own. */
  failed(error: unknown): void;
  /** The execution has ended: tells what is left to tell. */
  close(): Promise<void>;
}

const LOOK_MS = 2_000;
/** What nobody was told of is saved this often: counts, labels, what is wrong and not told yet. */
const SAVE_MS = 60_000;
/** Errors of a command, not of a run; and a job that another process runs, whose state this is not. */
const NOT_TOLD: ReadonlySet<string> = new Set(["USAGE", "RUN_STOPPED", "JOB_HELD"]);

/**
 * Has rules look at an execution every few seconds, hands on what they tell, and keeps what they remember in the job's
 * folder. Handed on first, saved then: after a crash between the two a message comes a second time, and none is lost.
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
    if (!isOurs || working !== null) return;
    safely(() => {
      working = hand(rules.look(execution.snapshot(), now())).finally(() => {
        working = null;
      });
    });
  };

  execution.events.onAny((name, payload) => {
    isOurs = true;
    rules.event(name, payload, now());
  });
  const timer = setInterval(look, options.lookMs ?? LOOK_MS).unref();
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
    close: async () => {
      clearInterval(timer);
      await working;
      if (!isOurs) return;
      let left: readonly Outgoing[] = [];
      safely(() => {
        left = [...rules.look(execution.snapshot(), now()), ...rules.end(now())];
      });
      await hand(left);
      await save();
    },
  };
}
