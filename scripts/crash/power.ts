import { execFile, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../../src/errors.ts";
import { type KillOptions, type KillReport, killOver, sqlitePlace } from "./kills.ts";

const run = promisify(execFile);

/**
 * Cuts an ext4 file system off without writing its log, and says when: EXT4_IOC_SHUTDOWN is _IOR('X', 125, __u32),
 * NOLOGFLUSH is 2. After it a sync that is under way may still be answered with success, which no machine without power
 * does: what the process says from this moment on does not count.
 */
const CUT = `import fcntl, os, struct, sys, time
folder = os.open(sys.argv[1], os.O_RDONLY)
print(int(time.time() * 1000))
fcntl.ioctl(folder, 0x8004587D, struct.pack("I", 2))`;

/**
 * Cuts the power of a real ext4 file system under the command line, with the state and the embedded store on it: what
 * was not synced is gone, as after a real cut.
 * @returns what is missing here, in words, when it cannot be done
 */
export async function runPower(options: Omit<KillOptions, "stores" | "mongoUri">): Promise<KillReport | string> {
  if (process.platform !== "linux")
    return "Power cuts need Linux: they shut down an ext4 file system on a loop device.";
  if (process.getuid?.() !== 0)
    return "Power cuts need root: they mount an ext4 file system on a loop device. Try sudo.";
  const folder = await mkdtemp(join(tmpdir(), "querymill-power-"));
  const image = join(folder, "image");
  const mounted = join(folder, "mounted");
  const mount = (): Promise<unknown> => run("mount", ["-o", "loop", image, mounted], { timeout: 30_000 });
  const unmount = (): Promise<unknown> => run("umount", [mounted], { timeout: 30_000 });
  try {
    await mkdir(mounted);
    const missing = await firstFailure([
      ["mkfs.ext4", () => run("truncate", ["-s", "256M", image]).then(() => run("mkfs.ext4", ["-q", "-F", image]))],
      ["a loop device to mount ext4", mount],
      ["python3, for the ioctl", () => run("python3", ["--version"])],
    ]);
    if (missing !== null) return missing;
    // A harness that is stopped leaves no file system mounted behind it.
    const leave = (): void => {
      spawnSync("umount", ["-l", mounted]);
      process.exit(130);
    };
    const signals = ["SIGINT", "SIGTERM"] as const;
    for (const signal of signals) process.once(signal, leave);
    try {
      const place = { ...sqlitePlace(mounted), folder, batchDir: join(mounted, "state") };
      return await killOver(
        "sqlite",
        place,
        { ...options, stores: ["sqlite"], mongoUri: null },
        async (cli, atMoment) => {
          const { stdout } = await run("python3", ["-c", CUT, mounted], { timeout: 30_000 });
          atMoment();
          cli.kill("SIGKILL");
          await cli.ended;
          await unmount();
          await mount();
          return Number(stdout);
        },
      );
    } finally {
      for (const signal of signals) process.off(signal, leave);
      await unmount();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function firstFailure(needs: readonly (readonly [string, () => Promise<unknown>])[]): Promise<string | null> {
  for (const [what, attempt] of needs) {
    try {
      await attempt();
    } catch (error) {
      return `Power cuts need ${what}, which this machine does not give: ${messageOf(error).split("\n")[0]}`;
    }
  }
  return null;
}
