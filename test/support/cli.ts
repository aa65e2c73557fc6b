import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ExecutionEnd } from "../../src/events.ts";
import type { JobSettings } from "../../src/job.ts";

const entry = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));

/** A line of `--json`. */
export type CliEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

/** How a process ended. */
export interface CliEnd {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly events: readonly CliEvent[];
  readonly stderr: string;
  /** The last event of a run that ended by itself. */
  readonly end: (ExecutionEnd & CliEvent) | null;
}

/** The command line as a process of its own. */
export interface Cli {
  readonly pid: number;
  readonly ended: Promise<CliEnd>;
  /** What it has said so far. */
  readonly events: readonly CliEvent[];
  /** Resolves with the `count`th event of a name; rejects when the process ended before. */
  seen(name: string, count?: number): Promise<CliEvent>;
  /** Nothing when it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Closes our end of its stdout, as `| head` does. */
  closeOutput(): void;
}

/** Starts `querymill` on the sources. @param env is all it gets beside PATH and HOME */
export function startCli(
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string>; user?: { uid: number } },
): Cli {
  const child = spawn(process.execPath, [entry, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    ...options.user,
  });
  const events: CliEvent[] = [];
  const waiters = new Set<{
    name: string;
    count: number;
    resolve(event: CliEvent): void;
    reject(error: Error): void;
  }>();
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    // A line that the kill cut in two.
    if (!line.endsWith("}")) return;
    const event = JSON.parse(line) as CliEvent;
    events.push(event);
    for (const waiter of waiters) {
      if (waiter.name !== event.event) continue;
      waiter.count -= 1;
      if (waiter.count > 0) continue;
      waiters.delete(waiter);
      waiter.resolve(event);
    }
  });
  const ended = Promise.all([exitOf(child), new Promise((resolve) => lines.once("close", resolve))]).then(
    ([{ code, signal }]) => {
      const end = events.findLast(({ event }) => event === "execution:end") as CliEnd["end"] | undefined;
      for (const { name, reject } of waiters)
        reject(new Error(`it ended with ${code ?? signal} before ${name}: ${stderr}${end ? JSON.stringify(end) : ""}`));
      return { code, signal, events, stderr, end: end ?? null };
    },
  );
  return {
    pid: child.pid!,
    ended,
    events,
    seen: (name, count = 1) =>
      new Promise((resolve, reject) => {
        const known = events.filter(({ event }) => event === name);
        const found = known[count - 1];
        if (found !== undefined) resolve(found);
        else if (child.exitCode !== null || child.signalCode !== null)
          reject(new Error(`it had ended before ${name}: ${stderr}`));
        else waiters.add({ name, count: count - known.length, resolve, reject });
      }),
    kill: (signal) => {
      child.kill(signal);
    },
    closeOutput: () => {
      lines.close();
      child.stdout.destroy();
    },
  };
}

/** The flags of `run` that lead to a job made by `makeJob`. */
export function runFlags(
  settings: Pick<JobSettings, "storeUri" | "db" | "batchDir" | "job" | "model" | "concurrent">,
): string[] {
  const { storeUri, db, batchDir, job, model, concurrent } = settings;
  const store = storeUri.startsWith("sqlite:") ? storeUri.slice("sqlite:".length) : storeUri;
  return [
    ...["run", "--json", "--log-level", "silent", "--job", job, "--store", store, "--batch-dir", batchDir],
    ...(storeUri.startsWith("sqlite:") ? [] : ["--db", db]),
    ...["--model", model.name, "--base-url", model.baseUrl!, "--concurrent", String(concurrent)],
  ];
}

function exitOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
}
