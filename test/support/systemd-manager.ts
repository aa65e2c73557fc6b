import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A machine of its own as far as systemd can tell: its processes, mounts, cgroups and files are apart. */
export interface SystemdManager {
  /** Where its root can be written from outside. */
  readonly root: string;
  /** Runs a command there, as root, for a minute at most. */
  run(command: string, ...words: string[]): Promise<Ended>;
  /** What `systemctl show` says of a unit. */
  show(unit: string): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}

const SYSTEMD = "/lib/systemd/systemd";
const CGROUPS = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/** Targets that units wait for by default, and nothing of this machine's own. */
const TARGETS = ["sysinit", "basic", "multi-user", "network-online", "shutdown", "timers"];

/**
 * Starts systemd as process 1 over this machine's root, whose changes are thrown away. It has the network of this machine,
 * and a checkout as `/usr/local/bin/querymill`. Needs root on Linux, overlay and cgroup 2.
 */
export async function startSystemd(): Promise<SystemdManager> {
  const folder = mkdtempSync(join(tmpdir(), "querymill-systemd-"));
  const root = join(folder, "root");
  for (const name of ["root", "upper", "work"]) mkdirSync(join(folder, name));
  const hierarchy = CGROUPS.find(
    (path) => spawnSync("stat", ["-f", "-c", "%T", path]).stdout.toString() === "cgroup2fs\n",
  );
  if (hierarchy === undefined) throw new Error("no cgroup 2 is mounted here");
  const cgroup = join(hierarchy, `querymill-${process.pid}`);
  mkdirSync(cgroup);
  const devices = "null 1 3,zero 1 5,full 1 7,random 1 8,urandom 1 9,tty 5 0";
  // What is of the whole kernel can only be read there.
  const inside = `
    mount -t overlay overlay -o lowerdir=/,upperdir=${folder}/upper,workdir=${folder}/work ${root}; cd ${root}
    mount -t proc proc proc; mount --bind proc/sys proc/sys; mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys; mount -t cgroup2 cgroup2 sys/fs/cgroup
    for each in dev run tmp; do mount -t tmpfs -o mode=755 tmpfs $each; done; chmod 1777 tmp
    echo ${devices} | tr , '\\n' | while read name major minor; do mknod -m 666 dev/$name c $major $minor; done
    ln -s /proc/self/fd dev/fd; ln -s pts/ptmx dev/ptmx; mkdir dev/shm dev/pts dev/mqueue dev/hugepages
    mount -t tmpfs tmpfs dev/shm; mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts; mount -t mqueue mqueue dev/mqueue
    rm -rf etc/systemd/system lib/systemd/system etc/init.d; mkdir -p etc/systemd/system opt/querymill
    for each in ${TARGETS.join(" ")}; do printf '[Unit]\\nDescription=%s\\n' $each > etc/systemd/system/$each.target; done
    mount --rbind ${resolve(".")} opt/querymill
    touch usr/local/bin/node; mount --bind ${process.execPath} usr/local/bin/node
    printf '#!/bin/sh\\nexec /usr/local/bin/node /opt/querymill/src/bin.ts "$@"\\n' > usr/local/bin/querymill
    chmod 755 usr/local/bin/querymill
    pivot_root . .; umount -l .; cd /; mount --make-rshared /
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin container=test \\
      ${SYSTEMD} --system --unit=multi-user.target --log-target=console --log-level=notice --show-status=no`;
  const apart = "unshare --mount --propagation private --cgroup --pid --fork --kill-child --uts --ipc";
  const words = ["-ec", `echo $$ > ${cgroup}/cgroup.procs; exec ${apart} sh -ec "$1"`, "sh", inside];
  const child = spawn("sh", words, { stdio: ["ignore", "ignore", "pipe"] });
  const gone = once(child, "close");
  let said = "";
  child.stderr.on("data", (part: Buffer) => {
    said += part.toString();
  });
  const first = (): string => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
  const run: SystemdManager["run"] = (command, ...more) => {
    const into = ["--target", first(), "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root"];
    const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
    return new Promise((done) => {
      execFile(
        "nsenter",
        [...into, "env", "--chdir=/", command, ...more],
        { env, timeout: 60_000 },
        (error, stdout, stderr) => done({ status: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
      );
    });
  };
  const close = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone;
    await removeCgroup(cgroup);
    rmSync(folder, { recursive: true, force: true });
  };
  for (let tries = 0; ; tries += 1) {
    await delay(100);
    if (child.exitCode !== null || tries > 200) {
      await close();
      throw new Error(`systemd did not start: ${said}`);
    }
    if ((await run("systemctl", "is-active", "multi-user.target")).stdout === "active\n") break;
  }
  return {
    root: `/proc/${first()}/root`,
    run,
    show: async (unit) => {
      const lines = (await run("systemctl", "show", unit)).stdout.split("\n");
      return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]));
    },
    close,
  };
}

/** The innermost first, once what was killed is gone. */
async function removeCgroup(path: string): Promise<void> {
  const found = spawnSync("find", [path, "-depth", "-type", "d"], { encoding: "utf8" }).stdout.trim().split("\n");
  for (const each of found)
    for (let tries = 0; tries < 50; tries += 1)
      try {
        rmdirSync(each);
        break;
      } catch {
        await delay(100);
      }
}
