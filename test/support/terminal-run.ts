import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));

/** The command line on a terminal of its own. */
export interface TerminalRun {
  /** Resolves with everything the terminal showed, when the command has ended. */
  readonly ended: Promise<{ code: number | null; screen: string }>;
  /** Resolves once the terminal showed this; rejects when the command ended before. */
  shows(what: RegExp): Promise<void>;
  /** Everything the terminal showed so far. */
  screen(): string;
  /** Types: `\x03` is Ctrl-C, for the whole process group of the terminal. */
  type(keys: string): void;
  /** Closes the terminal, as closing its window does: its processes get SIGHUP, and nobody reads any more. */
  close(): void;
}

/** Whether `script` is there, with the options of Linux: it makes the terminal. */
export const canMakeTerminals = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;

/** Starts `querymill` on the sources on a terminal of 100 columns. @param env is all it gets beside PATH and HOME */
export function startOnTerminal(
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string> },
): TerminalRun {
  const words = [process.execPath, entry, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const child: ChildProcess = spawn("script", ["-qec", `stty cols 100 rows 30; exec ${words.join(" ")}`, "/dev/null"], {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TERM: "xterm-256color", LANG: "C.UTF-8", ...options.env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let screen = "";
  let over = false;
  const waiters = new Set<() => void>();
  child.stdout!.setEncoding("utf8").on("data", (part: string) => {
    screen += part;
    for (const look of waiters) look();
  });
  const ended = new Promise<{ code: number | null; screen: string }>((resolve) =>
    child.once("close", (code) => {
      over = true;
      for (const look of waiters) look();
      resolve({ code, screen });
    }),
  );
  return {
    ended,
    screen: () => screen,
    shows: (what) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!what.test(screen) && !over) return;
          waiters.delete(look);
          if (what.test(screen)) resolve();
          else reject(new Error(`it ended without showing ${what}:\n${screen}`));
        };
        waiters.add(look);
        look();
      }),
    type: (keys) => {
      child.stdin!.write(keys);
    },
    close: () => {
      child.kill("SIGKILL");
    },
  };
}
