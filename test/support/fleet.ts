import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect } from "vitest";
import type { ExecutionEnd } from "../../src/events.ts";
import type { JobSettings } from "../../src/job.ts";
import type { Job } from "./job.ts";

const script = fileURLToPath(new URL("./fleet-process.ts", import.meta.url));
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

export type FleetLine = { readonly event: string } & Readonly<Record<string, unknown>>;

/** A process of a fleet. */
export interface FleetProcess {
  readonly pid: number;
  readonly lines: readonly FleetLine[];
  readonly ended: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly stderr: string;
    readonly end: ExecutionEnd | null;
  }>;
  /** Resolves with the `count`th line of an event; null when it ended before. */
  seen(event: string, count?: number): Promise<FleetLine | null>;
  kill(signal: NodeJS.Signals): void;
}

/** A state folder of a machine, removed after the test. */
export async function machineFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-machine-"));
  closing.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Settings of one machine of a fleet for a job, whose state folder it is. */
export async function machine(job: Job, changes: Partial<JobSettings> = {}): Promise<JobSettings> {
  return {
    ...job.settings,
    batchDir: await machineFolder(),
    workersAt: "mongodb",
    rangeSize: 100,
    concurrent: 4,
    ...changes,
  };
}

/** Starts one; it ends with the test. A `mortal` is a worker that a text with "poison" ends. @param before words of a command that starts others */
export function startFleetProcess(
  role: "run" | "worker" | "mortal",
  settings: JobSettings,
  before: readonly string[] = [],
): FleetProcess {
  const [program, ...words] = [...before, process.execPath, script, role, JSON.stringify(settings)];
  const child = spawn(program!, words, {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: FleetLine[] = [];
  const waiting = new Set<() => void>();
  let stderr = "";
  child.stderr.on("data", (part) => {
    stderr += part;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line.endsWith("}")) lines.push(JSON.parse(line) as FleetLine);
    for (const wake of waiting) wake();
  });
  let isOver = false;
  const ended = new Promise<Awaited<FleetProcess["ended"]>>((resolve) =>
    child.on("close", (code, signal) => {
      isOver = true;
      const end = (lines.find(({ event }) => event === "execution:end") as ExecutionEnd | undefined) ?? null;
      resolve({ code, signal, stderr, end });
      for (const wake of waiting) wake();
    }),
  );
  closing.push(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return {
    pid: child.pid!,
    lines,
    ended,
    kill: (signal) => {
      child.kill(signal);
    },
    seen: (event, count = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = lines.filter((line) => line.event === event)[count - 1];
          if (found === undefined && !isOver) return;
          waiting.delete(look);
          resolve(found ?? null);
        };
        waiting.add(look);
        look();
      }),
  };
}

/** Starts workers of a job, each on a machine of its own. */
export async function startWorkers(job: Job, count: number, changes: Partial<JobSettings> = {}) {
  const machines = await Promise.all(Array.from({ length: count }, () => machine(job, changes)));
  return { machines, workers: machines.map((settings) => startFleetProcess("worker", settings)) };
}

/** Tells them to end, and expects that they do so in good order. */
export async function stopWorkers(workers: readonly FleetProcess[]): Promise<void> {
  for (const worker of workers) worker.kill("SIGTERM");
  for (const worker of workers) expect(await worker.ended).toMatchObject({ code: 0 });
}
