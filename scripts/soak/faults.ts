import { setTimeout as delay } from "node:timers/promises";
import { uniform } from "../../test/support/model-draw.ts";
import type { ReplicaSet } from "../../test/support/replica-set.ts";
import type { Job } from "./job.ts";
import type { Provider, Weather } from "./provider.ts";
import type { Receiver } from "./receiver.ts";

/** What a fault may touch. */
export interface Troubled {
  readonly set: ReplicaSet;
  readonly provider: Provider;
  readonly receiver: Receiver;
  /** The job whose process is killed and restarted. */
  readonly restarted: Job;
  /** The job whose process lives from the first minute to the last. */
  readonly steady: Job;
}

export interface Struck {
  readonly atMs: number;
  readonly name: string;
}

type Fault = (troubled: Troubled) => Promise<void>;

const weather =
  (kind: Weather, ms: number): Fault =>
  async ({ provider }) => {
    provider.weather = kind;
    await delay(ms);
    provider.weather = "fine";
  };

/** By name. Each ends by itself, with everything as it was. */
const FAULTS: Readonly<Record<string, Fault>> = {
  "kill -9": async ({ restarted }) => await restarted.kill(),
  restart: async ({ restarted }) => await restarted.restart(),
  "primary killed": async ({ set }) => {
    const member = await set.primary();
    await set.kill(member);
    await delay(4_000);
    await set.start(member);
  },
  "primary frozen": async ({ set }) => {
    const member = await set.primary();
    set.pause(member);
    await delay(4_000);
    set.resume(member);
  },
  "provider gone": async ({ provider }) => {
    await provider.close();
    await delay(6_000);
    await provider.open();
  },
  "429 storm": weather("storm", 5_000),
  "503 errors": weather("errors", 5_000),
  "calls hang": weather("hang", 5_000),
  "slow calls": weather("slow", 5_000),
  "malformed answers": weather("malformed", 5_000),
  "receiver gone": async ({ receiver }) => {
    receiver.down = true;
    await delay(6_000);
    receiver.down = false;
  },
  "paused and resumed": async ({ steady }) => {
    await steady.control(["pause"]);
    await delay(3_000);
    await steady.control(["resume"]);
  },
  "settings taken": async ({ steady }) => await steady.retune(),
};

/** Strikes one fault every `everyMs`, each kind once before any comes again, until the signal. */
export async function strike(
  troubled: Troubled,
  {
    everyMs,
    seed,
    signal,
    tell,
  }: { everyMs: number; seed: string; signal: AbortSignal; tell: (struck: Struck) => void },
): Promise<void> {
  for (let round = 0; ; round += 1) {
    const names = Object.keys(FAULTS).sort(
      (a, b) => uniform(`${seed}/${round}/${a}`, 61) - uniform(`${seed}/${round}/${b}`, 61),
    );
    for (const name of names) {
      const beganMs = performance.now();
      if (signal.aborted) return;
      tell({ atMs: Date.now(), name });
      await FAULTS[name]!(troubled);
      await delay(Math.max(0, everyMs - (performance.now() - beganMs)), undefined, { signal }).catch(() => {});
    }
  }
}
