import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SystemdManager, startSystemd } from "../support/systemd-manager.ts";
import { makeDatabase, queries, serveModel } from "../support/workspace.ts";

/** Starts systemd as process 1 of namespaces of its own, as root: only where somebody says so. */
const isAsked = process.env.QUERYMILL_TEST_SYSTEMD === "1";
const KEYS = ["sk-first-0000000000", "sk-second-111111111", "sk-third-2222222222"] as const;
const UNIT = "querymill.service";

describe.runIf(isAsked)("the unit under systemd itself", () => {
  let systemd: SystemdManager;
  beforeAll(async () => {
    systemd = await startSystemd();
    put("/etc/systemd/system/querymill.service", readFileSync("examples/systemd/querymill.service", "utf8"));
  });
  afterAll(() => systemd?.close());

  const put = (path: string, text: string): void => {
    const there = join(systemd.root, path);
    mkdirSync(dirname(there), { recursive: true });
    writeFileSync(there, text);
  };
  const systemctl = (...words: string[]) => systemd.run("systemctl", ...words);
  const shown = async (...names: string[]): Promise<string> => {
    const all = await systemd.show(UNIT);
    return names.map((name) => all[name]).join(" ");
  };
  const until = async (condition: () => unknown, wanted: unknown): Promise<void> => {
    await expect.poll(condition, { interval: 100 }).toEqual(wanted);
  };
  const control = (...words: string[]) =>
    systemd.run("querymill", "control", ...words, "--batch-dir", "/var/lib/querymill/batch_files");
  const RUNNING = "active running";
  const state = () => shown("ActiveState", "SubState");

  test("start without a database, reload, a hang, kill -9, a rotated key, exit codes 4 and 2", async () => {
    const server = await serveModel({ apiKey: KEYS[0] });
    const { uri, client, name } = await makeDatabase();
    const source = client.db(name).collection<{ _id: string; text: string }>("conversation_set");
    const target = client.db(name).collection("sentimental_analysis");
    const all = queries(20) as unknown as { _id: string; text: string }[];
    await source.insertMany(all.slice(0, 5));
    const settings = (more: string): void =>
      put("/etc/querymill/querymill.yaml", `model: drawn-1\nbaseUrl: ${server.baseUrl}\ninterval: 1\n${more}`);
    const key = (value: string): void => put("/etc/querymill/keys/openai-api-key", `${value}\n`);
    // As docs/deployment.md has it, with a model server of one's own.
    const user = ["--system", "--home-dir", "/var/lib/querymill", "--shell", "/usr/sbin/nologin", "querymill"];
    expect((await systemd.run("useradd", ...user)).status).toBe(0);
    expect((await systemd.run("install", "-d", "-m", "0700", "/etc/querymill/keys")).status).toBe(0);
    settings("");
    key(KEYS[0]);
    put(
      `/etc/systemd/system/${UNIT}.d/test.conf`,
      "[Service]\nEnvironment=QUERYMILL_API_KEY_FILE=%d/openai-api-key\nWatchdogSec=3\nRestartSec=1\nStandardOutput=append:/run/log\nStandardError=append:/run/log\n",
    );

    // No database yet: it waits, is no failure, and is stopped in good order.
    put("/etc/querymill/keys/mongodb-uri", "mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=300\n");
    expect((await systemctl("daemon-reload")).stderr).toBe("");
    await systemctl("start", "--no-block", UNIT);
    await until(async () => (await shown("StatusText")).startsWith("waits (MongoDB at 127.0.0.1:1"), true);
    expect(await shown("ActiveState", "SubState", "NRestarts")).toBe("activating start 0");
    expect((await systemctl("stop", UNIT)).status).toBe(0);
    expect(await shown("ActiveState", "Result", "ExecMainStatus")).toBe("inactive success 0");

    put("/etc/querymill/keys/mongodb-uri", `${uri}\n`);
    expect(await systemctl("start", UNIT)).toMatchObject({ status: 0, stderr: "" });
    expect(await state()).toBe(RUNNING);
    await until(() => target.countDocuments(), 5);
    await until(async () => /5 classified/.test(await shown("StatusText")), true);

    // Settings that are right are taken; those with an error are not, and the journal has the reason.
    settings("concurrent: 3\n");
    expect(await systemctl("reload", UNIT)).toMatchObject({ status: 0, stderr: "" });
    await until(async () => (await control("status", "--json")).stdout.includes('"ceiling":3'), true);
    settings("concurrent: many\n");
    expect(await systemctl("reload", UNIT)).toMatchObject({ status: 0, stderr: "" });
    await until(
      async () => /concurrent: expected an integer/.test((await systemd.run("cat", "/run/log")).stdout),
      true,
    );
    await until(state, RUNNING);
    settings("");

    // A pause is no hang: more than two watchdog periods.
    expect(await control("pause")).toMatchObject({ status: 0 });
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    expect(await shown("ActiveState", "SubState", "NRestarts")).toBe(`${RUNNING} 0`);
    expect(await control("resume")).toMatchObject({ status: 0 });

    // A process that stands still is ended by the watchdog, one that is killed is started again.
    await systemctl("kill", "--signal=STOP", "--kill-who=main", UNIT);
    await until(() => shown("ActiveState", "SubState", "NRestarts"), `${RUNNING} 1`);
    await systemctl("kill", "--signal=KILL", "--kill-who=main", UNIT);
    await until(() => shown("ActiveState", "SubState", "NRestarts"), `${RUNNING} 2`);
    await source.insertMany(all.slice(5, 10));
    await until(() => target.countDocuments(), 10);

    // A rotated key is a new file and a restart.
    server.reset({ apiKey: KEYS[1] });
    key(KEYS[1]);
    expect(await systemctl("restart", UNIT)).toMatchObject({ status: 0 });
    await source.insertMany(all.slice(10, 15));
    await until(() => target.countDocuments(), 15);
    expect(server.ledger()).toMatchObject({ received: 5, docsPaidTwice: 0 });

    // Refused by the model: it stops itself with 4, and so it stays.
    server.reset({ apiKey: KEYS[2] });
    await source.insertMany(all.slice(15));
    await until(() => shown("ActiveState", "Result", "ExecMainStatus"), "failed exit-code 4");
    key(KEYS[2]);
    settings("concurrent: many\n");
    await systemctl("start", UNIT);
    await until(() => shown("ActiveState", "Result", "ExecMainStatus"), "failed exit-code 2");
    expect(await shown("NRestarts")).toBe("0");
    settings("");
    expect(await systemctl("start", UNIT)).toMatchObject({ status: 0 });
    await until(() => target.countDocuments(), 20);
    expect((await systemctl("stop", UNIT)).status).toBe(0);
    expect(await shown("ActiveState", "Result", "ExecMainStatus")).toBe("inactive success 0");
    expect(server.ledger().docsPaidTwice).toBe(0);
  });
});
