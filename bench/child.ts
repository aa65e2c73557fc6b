import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const LONGEST_MS = 600_000;

export interface ChildOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** @default 10 min */
  readonly timeoutMs?: number;
}

/** Flags by name: true for a toggle, undefined for none. */
export type Flags = Readonly<Record<string, string | number | true | undefined>>;

/**
 * Runs a program of `bench/runs/` in a process of its own, so that CPU and memory are its alone.
 * @returns the JSON object on the last line that is one
 */
export async function runChild<T>(program: string, flags: Flags, nodeFlags: readonly string[] = []): Promise<T> {
  const path = fileURLToPath(new URL(`runs/${program}.ts`, import.meta.url));
  return await lastJson<T>(process.execPath, [...nodeFlags, path, ...toArgs(flags)]);
}

/**
 * Runs any program that prints one JSON object on a line.
 * @throws Error with the end of its stderr when it fails, prints none, or takes too long
 */
export async function lastJson<T>(command: string, args: readonly string[], options: ChildOptions = {}): Promise<T> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd ? { cwd: options.cwd } : {}),
    timeout: options.timeoutMs ?? LONGEST_MS,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr = `${stderr}${chunk}`.slice(-2_000);
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (...end) => resolve(end));
  });
  const line = stdout
    .trim()
    .split("\n")
    .findLast((one) => one.startsWith("{"));
  if (code !== 0 || line === undefined)
    throw new Error(`${[command, ...args].join(" ")} ended with ${signal ?? code}:\n${stderr || stdout.slice(-500)}`);
  return JSON.parse(line) as T;
}

function toArgs(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );
}
