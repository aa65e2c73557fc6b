import { type ChildProcess, spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { PATIENCE_MS } from "./patience.ts";

const LOOK_MS = 25;

/** A server of one's own that can be killed, frozen and started again on its port. */
export interface ServerProcess {
  readonly pid: number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP, and SIGCONT. */
  freeze(): void;
  thaw(): void;
}

/** @param uid of the process; only as root */
export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly cwd?: string;
  readonly uid?: number;
}

/**
 * Starts a server and waits until its port answers. It ends with this process even when that is killed.
 * @throws Error with the end of what it said when it ended, or does not answer in time
 */
export async function startServer({ program, args, port, cwd, uid }: ServerCommand): Promise<ServerProcess> {
  const who = uid === undefined ? {} : { uid, gid: uid };
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...(cwd ? { cwd } : {}), ...who });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      said = `${said}${chunk}`.slice(-2_000);
    });
  let failed: Error | null = null;
  child.once("error", (error) => {
    failed = error;
  });
  const startedMs = performance.now();
  while (!(await answers(port))) {
    if (failed !== null) throw failed;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${program} ended:\n${said}`);
    if (performance.now() - startedMs > PATIENCE_MS) {
      child.kill("SIGKILL");
      throw new Error(`${program} did not answer within ${PATIENCE_MS / 1_000} s:\n${said}`);
    }
    await delay(LOOK_MS);
  }
  const pid = child.pid!;
  endWithUs(pid);
  return {
    pid,
    kill: () => killed(child),
    freeze: () => void process.kill(pid, "SIGSTOP"),
    thaw: () => void process.kill(pid, "SIGCONT"),
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (there: boolean): void => {
      socket.destroy();
      resolve(there);
    };
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

function endWithUs(pid: number): void {
  const watch = `while kill -0 ${process.pid} 2>/dev/null && kill -0 ${pid} 2>/dev/null; do sleep 1; done; kill -9 ${pid} 2>/dev/null`;
  spawn("sh", ["-c", watch], { stdio: "ignore", detached: true }).unref();
}
