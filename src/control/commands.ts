import { messageOf, QuerymillError } from "../errors.ts";
import type { Execution } from "../jobs/execution.ts";
import { checkBudget, checkConcurrency, type LiveChanges } from "../jobs/live-changes.ts";
import { type Body, type Change, type Done, VERBS, type Verb } from "./protocol.ts";

/** What re-reading the settings brought. */
export interface Reloaded {
  /** What was taken, by setting. Values that may be secret are told as words. */
  readonly taken: Readonly<Record<string, Change>>;
  readonly refused: readonly { readonly setting: string; readonly reason: string }[];
}

/** A process that is told what to do. */
export interface Commanded {
  readonly execution: Execution;
  /** @throws QuerymillError when the settings have an error: nothing was taken then */
  readonly reload: (() => Promise<Reloaded>) | null;
}

/** What a verb did beside what the snapshots before and after say. */
type Effect = Partial<Pick<Done, "changes" | "requeued" | "refused">>;
type Obey = { readonly [V in Verb]: (to: Commanded, body: Body<V>, by: string | null) => Promise<Effect> | Effect };

const OBEY: Obey = {
  pause: ({ execution }, { reason }, by) => pauseMoves(execution, () => execution.pause(reason ?? null, { by })),
  resume: ({ execution }, _, by) => pauseMoves(execution, () => execution.resume({ by })),
  drain: ({ execution }) => {
    execution.stop("stop-requested");
    return {};
  },
  stop: ({ execution }, { now }) => {
    if (now === true) execution.abort("stop-requested");
    else execution.stop("stop-requested");
    return {};
  },
  set: async ({ execution }, { concurrency, budget }) => {
    if (concurrency === undefined && budget === undefined)
      throw new QuerymillError("USAGE", "Nothing is set. There are concurrency=N (or auto) and budget=USD (or none).");
    if (concurrency !== undefined) checkConcurrency(concurrency);
    if (budget !== undefined) checkBudget(budget);
    const before = execution.snapshot();
    const changes: LiveChanges = {
      ...(concurrency === undefined ? {} : { concurrent: concurrency }),
      ...(budget === undefined ? {} : { budget: budget === null ? null : { usd: budget, per: execution.budgetPer } }),
    };
    await execution.change(changes);
    return {
      changes: {
        ...(concurrency === undefined
          ? {}
          : { concurrency: { from: before.slots.automatic ? "auto" : before.slots.ceiling, to: concurrency } }),
        ...(budget === undefined ? {} : { budget: { from: before.budget?.usd ?? null, to: budget } }),
      },
    };
  },
  "endpoint-drain": ({ execution }, { name }) => endpointMoves(execution, name, () => execution.drainEndpoint(name)),
  "endpoint-resume": ({ execution }, { name }) => endpointMoves(execution, name, () => execution.resumeEndpoint(name)),
  requeue: async ({ execution }, { queue, failure }) => {
    const { deadLetters, waiting } = await execution.requeue({
      ...(queue === undefined ? {} : { queue }),
      ...(failure === undefined ? {} : { failure }),
    });
    return { requeued: { deadLetters: deadLetters.length, waiting: waiting.length } };
  },
  reload: async ({ reload }) => {
    if (reload === null)
      throw new QuerymillError(
        "USAGE",
        "This process has no settings that could be read again: it was not started by querymill run.",
      );
    const { taken, refused } = await reload();
    return { changes: taken, refused };
  },
};

/** A run that has not begun is paused without a change of its state. */
function pauseMoves(execution: Execution, move: () => void): Effect {
  const told = (): "yes" | "no" => (execution.snapshot().paused?.holder === "operator" ? "yes" : "no");
  const from = told();
  move();
  return { changes: { paused: { from, to: told() } } };
}

function endpointMoves(execution: Execution, name: string, move: () => void): Effect {
  const stateOf = (): string | null => execution.snapshot().endpoints.find((one) => one.name === name)?.state ?? null;
  const from = stateOf();
  move();
  return { changes: { [`endpoint ${name}`]: { from, to: stateOf() } } };
}

/**
 * Does what was asked for, and tells it as an event.
 * @throws QuerymillError USAGE and what the verb refuses: nothing was changed then
 */
export async function obey(verb: Verb, body: unknown, by: string | null, to: Commanded): Promise<Done> {
  const parsed = VERBS[verb].safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue!.path.length === 0 ? verb : `${verb}: ${issue!.path.join(".")}`;
    throw new QuerymillError("USAGE", `${where}: ${issue!.message}.`);
  }
  const before = to.execution.snapshot();
  const run = OBEY[verb] as (to: Commanded, body: unknown, by: string | null) => Promise<Effect> | Effect;
  const { changes = {}, ...effect } = await run(to, parsed.data, by);
  const after = to.execution.snapshot();
  const done: Done = {
    verb,
    job: after.job,
    pid: process.pid,
    executionId: after.executionId,
    state: { from: before.state, to: after.state },
    changes: Object.fromEntries(Object.entries(changes).filter(([, { from, to }]) => from !== to)),
    ...effect,
  };
  to.execution.events.emit("control:command", { executionId: done.executionId, verb, by, changes: done.changes });
  return done;
}

/** The code and the words of anything thrown by {@link obey}. */
export function refusalOf(error: unknown): { readonly code: string; readonly message: string } {
  return error instanceof QuerymillError
    ? { code: error.code, message: error.message }
    : { code: "BUG", message: messageOf(error) };
}
