import { chmodSync, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { openNotifySocket } from "../support/notify-socket.ts";
import { makeWorkspace, queries, runFlags, serveModel } from "../support/workspace.ts";

const hasNotify = (process.env.PATH ?? "")
  .split(delimiter)
  .some((folder) => existsSync(join(folder, "systemd-notify")));
if (!hasNotify)
  console.warn("systemd-notify is missing here (it is part of systemd): the notification protocol is not tested.");
const CONTINUOUS = ["--mode", "continuous", "--interval", "1"];

test.runIf(hasNotify)(
  "a service manager is told when a run works, that it lives, how far it is and that it ends",
  async () => {
    const release = Promise.withResolvers<null>();
    const server = await serveModel({ fail: () => release.promise });
    const workspace = makeWorkspace();
    await workspace.seed(queries(3));
    const path = workspace.path("notify");
    const socket = await openNotifySocket(path);
    const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "400000" };
    const { child, ended } = workspace.start(["run", ...runFlags(server), ...CONTINUOUS], env);
    await socket.told((message) => message.READY === "1");
    // Ready is told with the start of the execution: the store is open, the model was found.
    expect(child.exitCode).toBeNull();
    await socket.told((message) => message.WATCHDOG === "1");
    release.resolve(null);
    await socket.told((message) => /3 classified/.test(message.STATUS ?? ""));
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
    const stopping = await socket.told((message) => message.STOPPING === "1");
    expect(Number(stopping.EXTEND_TIMEOUT_USEC)).toBe(90_000_000);
    const at = socket.messages.indexOf(stopping);
    expect(socket.messages.filter((message) => message.READY !== undefined)).toHaveLength(1);
    expect(socket.messages.slice(0, at).some((message) => message.READY === "1")).toBe(true);
    expect(JSON.stringify(socket.messages)).not.toContain("parcel");
  },
);

test.runIf(hasNotify)(
  "a process that stands still gives no sign of life, and gives one again when it goes on; its socket may be abstract",
  async () => {
    const server = await serveModel();
    const workspace = makeWorkspace();
    await workspace.seed(queries(1));
    const name = `@querymill-test-${process.pid}`;
    const socket = await openNotifySocket(name);
    const env = { NOTIFY_SOCKET: name, WATCHDOG_USEC: "400000" };
    const { child, ended } = workspace.start(["run", ...runFlags(server), ...CONTINUOUS], env);
    const lives = (): number => socket.messages.filter((message) => message.WATCHDOG === "1").length;
    await socket.told((message) => message.WATCHDOG === "1");
    child.kill("SIGSTOP");
    await delay(500);
    const before = lives();
    await delay(2_000);
    expect(lives()).toBe(before);
    child.kill("SIGCONT");
    while (lives() === before) await delay(50);
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
  },
);

test.runIf(hasNotify)("a scheduled run is ready while it waits for its first time", async () => {
  const workspace = makeWorkspace();
  await workspace.seed(queries(1));
  const path = workspace.path("notify");
  const socket = await openNotifySocket(path);
  const flags = ["--store", "store.db", "--model", "offline", "--mode", "scheduled", "--schedule", "0 0 1 1 *"];
  const { child, ended } = workspace.start(["run", ...flags], { NOTIFY_SOCKET: path });
  const ready = await socket.told((message) => message.READY === "1");
  expect(ready.STATUS).toMatch(/^waits \(next scheduled time, /);
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
  await socket.told((message) => message.STOPPING === "1");
  expect(socket.messages.some((message) => message.WATCHDOG !== undefined)).toBe(false);
});

test.runIf(hasNotify)(
  "it is told when settings are read again and when that is over, and hears on of a run that is paused",
  async () => {
    const server = await serveModel();
    const workspace = makeWorkspace();
    await workspace.seed(queries(1));
    const path = workspace.path("notify");
    const socket = await openNotifySocket(path);
    const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "400000" };
    const { child, ended } = workspace.start(["run", ...runFlags(server), ...CONTINUOUS], env);
    const states = () => socket.messages.filter(({ READY, RELOADING }) => READY ?? RELOADING);
    await socket.told(({ READY }) => READY === "1");
    const beforeUsec = Number(process.hrtime.bigint() / 1_000n);
    child.kill("SIGHUP");
    while (states().length < 3) await delay(20);
    const afterUsec = Number(process.hrtime.bigint() / 1_000n);
    expect(states()).toMatchObject([{ READY: "1" }, { RELOADING: "1" }, { READY: "1" }]);
    const at = Number(states()[1]!.MONOTONIC_USEC);
    expect(at).toBeGreaterThanOrEqual(beforeUsec);
    expect(at).toBeLessThanOrEqual(afterUsec);
    // Settings with an error are not taken, and that is over too.
    workspace.write("querymill.yaml", "concurrent: many\n");
    child.kill("SIGHUP");
    while (states().length < 5) await delay(20);
    expect(states().slice(3)).toMatchObject([{ RELOADING: "1" }, { READY: "1" }]);
    workspace.write("querymill.yaml", "");
    expect(await workspace.querymill(["control", "pause"])).toMatchObject({ code: 0 });
    await socket.told(({ STATUS }) => STATUS?.startsWith("paused") === true);
    const from = socket.messages.length;
    while (!socket.messages.slice(from).some(({ WATCHDOG }) => WATCHDOG === "1")) await delay(20);
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
  },
);

test.runIf(hasNotify)(
  "a start that waits for its database is given more time and fed, is ready when it is there, and ends with 0 when stopped",
  async () => {
    const server = await serveModel();
    const workspace = makeWorkspace();
    const path = workspace.path("notify");
    const socket = await openNotifySocket(path);
    workspace.write("uri", "mongodb://127.0.0.1:1/support?serverSelectionTimeoutMS=300\n");
    const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "400000", MONGODB_URI_FILE: "uri" };
    const flags = ["--base-url", server.baseUrl, "--model", "drawn-1", "--quiet", ...CONTINUOUS];
    const { child, ended } = workspace.start(["run", ...flags], env);
    const more = await socket.told(({ EXTEND_TIMEOUT_USEC }) => EXTEND_TIMEOUT_USEC !== undefined);
    expect(more.EXTEND_TIMEOUT_USEC).toBe("60000000");
    await socket.told(({ STATUS }) => STATUS?.startsWith("waits (MongoDB at 127.0.0.1:1") === true);
    const from = socket.messages.length;
    while (socket.messages.slice(from).filter(({ WATCHDOG }) => WATCHDOG === "1").length < 3) await delay(20);
    expect(socket.messages.some(({ READY }) => READY !== undefined)).toBe(false);
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
    expect(server.ledger().received).toBe(0);
  },
);

test.runIf(hasNotify)("a run of a schedule that stops itself is not told as the end of the process", async () => {
  const server = await serveModel();
  const workspace = makeWorkspace();
  await workspace.seed(queries(30));
  const path = workspace.path("notify");
  const socket = await openNotifySocket(path);
  workspace.write("querymill.yaml", "prices: { drawn-1: { input: 1000, output: 1000 } }\nbudget: { usd: 0.2 }\n");
  const flags = ["--mode", "scheduled", "--schedule", "* * * * * *", "--concurrent", "1", "--json"];
  const { child, ended } = workspace.start(["run", ...runFlags(server), ...flags], { NOTIFY_SOCKET: path });
  let said = "";
  child.stdout!.on("data", (part: Buffer) => {
    said += part.toString();
  });
  const isOver = (): boolean => said.slice(said.indexOf('"execution:drain"')).includes('"execution:wait"');
  while (!(said.includes('"execution:drain"') && isOver())) {
    await delay(50);
    if (child.exitCode !== null) throw new Error(said);
  }
  await delay(300);
  expect(socket.messages.some(({ STOPPING }) => STOPPING !== undefined)).toBe(false);
  child.kill("SIGTERM");
  await ended;
  await socket.told(({ STOPPING }) => STOPPING === "1");
});

test("the program that tells it gets no key, and a run goes on when nobody can be told", async () => {
  const server = await serveModel({ apiKey: "sk-canary" });
  const workspace = makeWorkspace();
  await workspace.seed(queries(2));
  const bin = workspace.path("bin");
  workspace.write(
    "systemd-notify",
    `#!/bin/sh\nexport -p > ${workspace.path("seen")}\necho no such socket >&2\nexit 1\n`,
  );
  chmodSync(workspace.path("systemd-notify"), 0o755);
  const env = { NOTIFY_SOCKET: "/nowhere", QUERYMILL_API_KEY: "sk-canary" };
  const asked = await workspace.querymill(["run", ...runFlags(server)], { ...env, PATH: workspace.folder });
  expect(asked.code).toBe(0);
  expect(asked.stdout).toMatch(/The service manager cannot be told.*ended with 1: no such socket/);
  // It is not written a second time as a line of the log.
  expect(asked.stderr).toBe("");
  const seen = readFileSync(workspace.path("seen"), "utf8");
  expect(seen).toMatch(/NOTIFY_SOCKET=.?\/nowhere/);
  expect(seen).not.toContain("canary");
  await workspace.seed(queries(4).slice(2));
  const alone = await workspace.querymill(["run", ...runFlags(server)], { ...env, PATH: bin });
  expect(alone.code).toBe(0);
  expect(alone.stdout.match(/there is no systemd-notify on the PATH.*Type=exec/g)).toHaveLength(1);
});
