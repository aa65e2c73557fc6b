import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openServiceManager } from "../../src/observe/service-manager.ts";
import { makeWorkspace } from "../support/workspace.ts";

test("nobody is told without a socket, and a watchdog that is another process's is not ours", () => {
  expect(openServiceManager({}, 7, () => {})).toBeNull();
  const of = (env: Record<string, string>): number | null | undefined =>
    openServiceManager({ NOTIFY_SOCKET: "/nowhere", ...env }, 7, () => {})?.watchdogMs;
  expect(of({})).toBeNull();
  expect(of({ WATCHDOG_USEC: "60000000" })).toBe(60_000);
  expect(of({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "7" })).toBe(60_000);
  expect(of({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" })).toBeNull();
});

test("what changes the state goes out in a message of its own, in order; the rest as its newest value", async () => {
  const workspace = makeWorkspace();
  workspace.write("systemd-notify", `#!/bin/sh\nsleep 0.2\necho "$@" >> ${workspace.path("told")}\n`);
  chmodSync(workspace.path("systemd-notify"), 0o755);
  const path = `${workspace.folder}:${process.env.PATH}`;
  const manager = openServiceManager({ NOTIFY_SOCKET: "/nowhere", PATH: path }, 7, () => {})!;
  manager.tell({ READY: 1 });
  manager.tell({ WATCHDOG: 1, STATUS: "first" });
  manager.tell({ RELOADING: 1, MONOTONIC_USEC: 5 });
  manager.tell({ STATUS: "second" });
  manager.tell({});
  manager.tell({ READY: 1 });
  manager.tell({ STOPPING: 1 });
  await manager.close();
  expect(readFileSync(workspace.path("told"), "utf8")).toBe(
    "READY=1\nWATCHDOG=1 STATUS=second RELOADING=1 MONOTONIC_USEC=5\nREADY=1\nSTOPPING=1\n",
  );
});

test("too few file descriptors for a process cost a message, not the run", () => {
  const workspace = makeWorkspace();
  const source = fileURLToPath(new URL("../../src/observe/service-manager.ts", import.meta.url));
  workspace.write(
    "few.ts",
    `import { openSync } from "node:fs";
import { openServiceManager } from ${JSON.stringify(source)};
const manager = openServiceManager({ NOTIFY_SOCKET: "/nowhere", PATH: process.env.PATH }, 7, (why) => said.push(why))!;
const said: string[] = [];
try {
  for (;;) openSync("/dev/null");
} catch {}
manager.tell({ WATCHDOG: 1 });
await manager.close();
process.exitCode = said.length === 1 ? 0 : 5;
`,
  );
  const run = spawnSync("sh", ["-c", `ulimit -n 64; exec "${process.execPath}" few.ts`], { cwd: workspace.folder });
  expect([run.status, String(run.stderr)]).toEqual([0, ""]);
});

test("a program that is missing is told once, and leaves no timer behind that would keep the process", async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const troubles: string[] = [];
  const manager = openServiceManager({ NOTIFY_SOCKET: "/nowhere", PATH: "/nowhere" }, 7, (why) => troubles.push(why))!;
  manager.tell({ READY: 1 });
  await manager.close();
  manager.tell({ WATCHDOG: 1 });
  await manager.close();
  expect(troubles).toHaveLength(1);
  expect(timers()).toBe(before);
});
