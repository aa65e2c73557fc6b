import { spawn } from "node:child_process";
import { messageOf } from "../errors.ts";

/** What tells a service manager (systemd, or what speaks its protocol) how a process does. */
export interface ServiceManager {
  /** How often it wants to hear `WATCHDOG=1`, in ms; null when it does not watch. */
  readonly watchdogMs: number | null;
  /**
   * Returns at once. What is told while a message is under way goes out behind it: the newest value of each name, and each
   * change of state (`READY`, `RELOADING`, `STOPPING`) in a message of its own, in order.
   */
  tell(assignments: Readonly<Record<string, string | number>>): void;
  /** Resolves when everything is told, or given up. */
  close(): Promise<void>;
}

/** A message is handed over in some ms; one that takes this long is given up. */
const DEADLINE_MS = 10_000;
const PROGRAM = "systemd-notify";
/** Two of them in one message mean something else than one after the other. */
const STATES = ["READY", "RELOADING", "STOPPING"];

/**
 * The service manager that started this process. Its socket takes datagrams, which Node cannot send: systemd's own
 * program does it (4 ms a message), and waits until the message is taken in, as a sender that is gone could not be told
 * from a stranger. The unit needs `NotifyAccess=all` for that.
 * @param env with `NOTIFY_SOCKET`, and `WATCHDOG_USEC` and `WATCHDOG_PID` when it watches
 * @param onTrouble called once, when something cannot be told
 * @returns null when no service manager asked to be told
 */
export function openServiceManager(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
  onTrouble: (why: string) => void,
): ServiceManager | null {
  const { NOTIFY_SOCKET, PATH, WATCHDOG_USEC, WATCHDOG_PID } = env;
  if (!NOTIFY_SOCKET) return null;
  const waiting: Map<string, string>[] = [];
  let sending: Promise<void> | null = null;
  let inTrouble = false;
  const trouble = (why: string): void => {
    if (!inTrouble) onTrouble(why);
    inTrouble = true;
  };
  const sendAll = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const words = [...next].map(([name, value]) => `${name}=${value}`);
      const why = await send(words, { NOTIFY_SOCKET, ...(PATH === undefined ? {} : { PATH }) });
      if (why !== null) trouble(why);
    }
    sending = null;
  };
  const watchdogUs = Number(WATCHDOG_USEC);
  const forUs = WATCHDOG_PID === undefined || WATCHDOG_PID === "" || Number(WATCHDOG_PID) === pid;
  return {
    watchdogMs: forUs && watchdogUs > 0 ? watchdogUs / 1_000 : null,
    tell(assignments) {
      if (Object.keys(assignments).length === 0) return;
      let last = waiting.at(-1);
      const changesState = STATES.some((name) => name in assignments);
      if (last === undefined || (changesState && STATES.some((name) => last!.has(name)))) {
        last = new Map();
        waiting.push(last);
      }
      for (const [name, value] of Object.entries(assignments))
        last.set(name, String(value).replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " "));
      sending ??= sendAll();
    },
    close: async () => {
      await sending;
    },
  };
}

/** @param env all that the program gets: no key of ours. @returns why it was not told, or null */
async function send(words: readonly string[], env: Record<string, string>): Promise<string | null> {
  try {
    return await run(words, env);
  } catch (error) {
    return messageOf(error);
  }
}

/** @throws what keeps a process from being started at all, such as too little memory */
function run(words: readonly string[], env: Record<string, string>): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(PROGRAM, words, { env, stdio: ["ignore", "ignore", "pipe"] });
    // Not spawn's own timeout: its timer stays, and the process with it, when there is no such program.
    const deadline = setTimeout(() => child.kill(), DEADLINE_MS);
    const end = (why: string | null): void => {
      clearTimeout(deadline);
      resolve(why);
    };
    child.once("error", (error: NodeJS.ErrnoException) =>
      end(
        error.code === "ENOENT"
          ? `there is no ${PROGRAM} on the PATH. It is part of systemd; without it use Type=exec and no WatchdogSec`
          : error.message,
      ),
    );
    let said = "";
    // Without a descriptor left there is no pipe.
    child.stderr?.on("data", (part: Buffer) => {
      said = (said + part.toString()).slice(0, 500);
    });
    child.once("close", (code, signal) =>
      end(code === 0 ? null : `${PROGRAM} ended with ${signal ?? code}: ${said.trim() || "no reason given"}`),
    );
  });
}
