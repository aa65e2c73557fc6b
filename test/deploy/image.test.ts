import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { buildByHand, copyContext, megabytes, readDockerfile, rootOver } from "../support/image-build.ts";

const USER = 10_001;
const stages = readDockerfile("Dockerfile");
const last = stages.at(-1)!;
const text = (name: string): string => last.instructions.find((instruction) => instruction.name === name)!.text;
const canMount = process.getuid?.() === 0 && spawnSync("unshare", ["--mount", "true"]).status === 0;
if (!canMount) console.warn("The image is not built by hand: that needs root on Linux, with namespaces and overlay.");

/**
 * There may be no builder where tests run: every instruction of every stage is carried out here, with this machine's root
 * in the place of the base images. What stays unproven is the base images themselves.
 */
describe.runIf(canMount)("the image, built by hand", () => {
  let folder = "";
  let image = "";
  let data = "";

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "querymill-image-"));
    copyContext(".", join(folder, "context"));
    image = buildByHand(stages, join(folder, "context"), folder);
    data = join(folder, "data");
    mkdirSync(data);
    chownSync(data, USER, USER);
    mkdirSync(join(folder, "root"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** As an engine runs it: root file system read-only, /tmp and /data writable, its user, its variables. */
  const command = (...args: string[]): string[] => {
    const variables = text("ENV").split(/\s+/);
    const words = ["node", "/app/dist/bin.js", ...args].map((word) => `'${word}'`).join(" ");
    return rootOver(
      `cd ${folder}
       mount -t overlay overlay -o lowerdir=/,upperdir=${image},workdir=${folder}/.work root
       mount -o remount,ro root
       mount --rbind /proc root/proc; mount --rbind /dev root/dev
       mount -t tmpfs tmpfs root/tmp; mount --bind ${data} root/data
       exec chroot --userspec=${USER}:${USER} root env -i --chdir=${text("WORKDIR")} \
         PATH=/usr/local/bin:/usr/bin:/bin ${variables.join(" ")} ${words}`,
    );
  };
  const run = (...args: string[]): SpawnSyncReturns<string> => {
    const [program, ...words] = command(...args);
    return spawnSync(program!, words, { encoding: "utf8" });
  };

  test("answers --version, and is as small as it may be", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(run("--version")).toMatchObject({ stdout: `${version}\n`, stderr: "", status: 0 });
    // Beside the base image: Node 125 MB, packages 60.
    expect(megabytes(image)).toBeLessThan(220);
  });

  test("runs the demo as its user on a read-only root", () => {
    const demo = run("demo");
    expect(demo.stderr).toBe("");
    expect(demo.status).toBe(0);
    expect(demo.stdout).toMatch(/306/);
    expect(demo.stdout).not.toContain("state folder");
    expect(existsSync(join(data, "batch_files", "demo"))).toBe(true);
    const outside = run("demo", "--batch-dir", "/app/state");
    expect(outside.status).toBe(2);
    expect(outside.stderr).toMatch(/cannot be written/);
  });

  test("holds the packages of the lock file, with those for metrics and Parquet and without those of tests", () => {
    const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
      packages: Record<string, { version: string }>;
    };
    const there = join(image, "app", "node_modules");
    for (const name of [
      "mongodb",
      "undici",
      "@opentelemetry/sdk-metrics",
      "@opentelemetry/exporter-prometheus",
      "hyparquet",
    ]) {
      const { version } = JSON.parse(readFileSync(join(there, name, "package.json"), "utf8")) as { version: string };
      expect(version, name).toBe(packages[`node_modules/${name}`]!.version);
    }
    for (const name of ["vitest", "typescript", "node"]) expect(readdirSync(there)).not.toContain(name);
    expect(readdirSync(join(image, "usr/local/bin")).sort()).toEqual(["node", "querymill"]);
  });

  /** As an engine starts a command in a container that runs: `docker exec`. @param pid of its process 1, from outside */
  const exec = (pid: string, ...args: string[]): SpawnSyncReturns<string> => {
    const user = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"];
    const env = ["env", "-i", `--chdir=${text("WORKDIR")}`, "PATH=/usr/local/bin:/usr/bin:/bin"];
    const into = ["--target", pid, "--mount", "--pid", "--root"];
    return spawnSync("nsenter", [...into, ...user, ...env, ...text("ENV").split(/\s+/), ...args], { encoding: "utf8" });
  };

  test.each([
    ["beside its state", "/data/batch_files", /^\/data\/batch_files\/default\/inbox-\w+\/0\/control\/s$/],
    ["in /tmp when that path is too long", `/data/${"a-long-name".repeat(9)}`, /^\/tmp\/querymill-10001\/\w+\.s$/],
  ])(
    "as process 1 it is controlled from a second command, the socket %s, drains at SIGTERM and ends with 0",
    async (_, batchDir, socket) => {
      const store = await openSqliteStore(join(data, "store.db"));
      await store.insert("conversation_set", [{ _id: "q1", text: "Where is my parcel?" }]);
      await store.close();
      for (const name of readdirSync(data)) chownSync(join(data, name), USER, USER);
      chmodSync(data, 0o700);
      const job = ["--store", "/data/store.db", "--batch-dir", batchDir, "--job", "inbox"];
      const [, ...words] = command("run", "--mode", "continuous", "--model", "offline", "--json", ...job);
      const child = spawn("unshare", ["--pid", "--fork", "--kill-child", ...words], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(child, "close");
      const seen = new Map<string, { address?: string }>();
      for await (const line of createInterface({ input: child.stdout })) {
        const event = JSON.parse(line) as { event: string; address?: string };
        seen.set(event.event, event);
        if (seen.has("control:ready") && seen.has("execution:wait")) break;
      }
      expect(seen.get("control:ready")!.address).toMatch(socket);
      const inside = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
      expect(readFileSync(`/proc/${inside}/status`, "utf8")).toMatch(/^NSpid:\s+\d+\s+1$/m);
      expect(readFileSync(`/proc/${inside}/status`, "utf8")).toMatch(new RegExp(`^Uid:\\s+${USER}\\s`, "m"));
      // The folder is in the environment of the container, where it is not the image's own.
      const where = batchDir === "/data/batch_files" ? [] : ["--batch-dir", batchDir];
      const status = exec(inside, "querymill", "control", "status", "--json", ...where);
      expect(status).toMatchObject({ status: 0, stderr: "" });
      expect(JSON.parse(status.stdout)).toMatchObject({ event: "control:status", job: "inbox", pid: 1 });
      process.kill(Number(inside), "SIGTERM");
      expect((await ended)[0]).toBe(0);
    },
  );
});
