import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { currentOwner, exclusively, OwnerLock } from "../../src/state/owner.ts";
import { temporaryFolder } from "./made-up-state.ts";

const OWNER = { pid: process.pid, host: "here", executionId: "x-0", since: "noon" };
const PROGRAM = fileURLToPath(new URL("owner-process.ts", import.meta.url));

interface Contender {
  readonly child: ChildProcess;
  /** The next line it says. */
  next(): Promise<string>;
  take(): Promise<string>;
}

async function contenderFor(folder: string): Promise<Contender> {
  const child = spawn(process.execPath, [PROGRAM, folder], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value as string;
  expect(await next()).toBe("ready");
  return {
    child,
    next,
    take: () => {
      child.stdin!.write("take\n");
      return next();
    },
  };
}

describe("two processes on one folder", () => {
  it("started at once: exactly one holds it, the other is told by whom", async () => {
    for (let round = 0; round < 5; round += 1) {
      const folder = await temporaryFolder();
      const contenders = await Promise.all([contenderFor(folder), contenderFor(folder), contenderFor(folder)]);
      const answers = await Promise.all(contenders.map((contender) => contender.take()));
      const holders = contenders.filter((_, at) => answers[at] === "held");
      expect(holders).toHaveLength(1);
      for (const answer of answers) if (answer !== "held") expect(JSON.parse(answer).code).toBe("JOB_HELD");
      expect(currentOwner(folder)).toMatchObject({ pid: holders[0]!.child.pid });
      for (const { child } of contenders) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
  });

  it("the second is told the process, its host and its execution", async () => {
    const folder = await temporaryFolder();
    const holder = await contenderFor(folder);
    expect(await holder.take()).toBe("held");
    expect(() => OwnerLock.take(folder, OWNER, "support")).toThrow(
      expect.objectContaining({
        code: "JOB_HELD",
        message: expect.stringMatching(
          new RegExp(`Job support is held by process ${holder.child.pid} on this-host \\(execution x-1, since noon\\)`),
        ),
      }),
    );
  });

  it("the lock is free after the holder was killed, with nothing to clean up", async () => {
    const folder = await temporaryFolder();
    const holder = await contenderFor(folder);
    expect(await holder.take()).toBe("held");
    holder.child.kill("SIGKILL");
    await once(holder.child, "exit");
    expect(currentOwner(folder)).toBeNull();
    const lock = OwnerLock.take(folder, OWNER, "support");
    expect(currentOwner(folder)).toEqual(OWNER);
    lock.release();
  });

  it("a second try in the process that holds it does not let another process in", async () => {
    const folder = await temporaryFolder();
    const other = await contenderFor(folder);
    const lock = OwnerLock.take(folder, OWNER, "support");
    expect(() => OwnerLock.take(folder, OWNER, "support")).toThrow(/held by process/);
    expect(currentOwner(folder)).toEqual(OWNER);
    expect(JSON.parse(await other.take())).toMatchObject({ code: "JOB_HELD" });
    lock.release();
  });
});

describe("a free folder", () => {
  it("has no owner, and asking for one leaves nothing behind", async () => {
    const folder = await temporaryFolder();
    expect(currentOwner(folder)).toBeNull();
    expect(currentOwner(join(folder, "missing"))).toBeNull();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("can be taken again after it was released, its lock file readable by its owner only", async () => {
    const folder = await temporaryFolder();
    for (let round = 0; round < 3; round += 1) {
      const lock = OwnerLock.take(folder, OWNER, "support");
      expect((await stat(join(folder, "owner.lock"))).mode & 0o777).toBe(0o600);
      lock.release();
      expect(currentOwner(folder)).toBeNull();
    }
  });
});

it("what is done exclusively by several processes is done one after the other, and leaves no lock behind", async () => {
  const path = join(await temporaryFolder(), "count");
  writeFileSync(path, "0");
  const program = fileURLToPath(new URL("exclusive-process.ts", import.meta.url));
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, [program, path, "100"], { stdio: "inherit" }),
  );
  await Promise.all(children.map((child) => once(child, "exit")));
  expect(readFileSync(path, "utf8")).toBe("400");
  expect(readdirSync(dirname(path))).toEqual(["count"]);
});

it("a lock file that is no lock is not mistaken for another process", async () => {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, "owner.lock"), "garbage ".repeat(500));
  expect(() => OwnerLock.take(folder, OWNER, "support")).toThrow(
    expect.objectContaining({ code: "STATE_UNWRITABLE", message: expect.stringContaining("owner.lock") }),
  );
  expect(currentOwner(folder)).toBeNull();
  await expect(exclusively(join(folder, "owner.lock"), "it", async () => {})).rejects.toMatchObject({
    code: "STATE_UNWRITABLE",
    message: expect.stringMatching(/owner\.lock cannot be used.*Remove it when no other process is changing it/),
  });
});
