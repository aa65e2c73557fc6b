import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fleetingReason, mountOf, type Surroundings, whyFleeting } from "../../src/state/lasting-folder.ts";
import { makeWorkspace } from "../support/workspace.ts";

const TMPFS = 0x01021994;
const LASTING = { ext4: 0xef53, xfs: 0x58465342, btrfs: 0x9123683e, zfs: 0x2fc12fc1, apfs: 26 };
const hasMemoryFolder = existsSync("/dev/shm") && statfsSync("/dev/shm").type === TMPFS;

const at = (more: Partial<Surroundings>): Surroundings => ({
  fileSystem: LASTING.ext4,
  mount: { point: "/", root: "/" },
  container: null,
  ...more,
});

test("a folder on a disk is no trouble, in a container or not", () => {
  const volume = { point: "/data", root: "/var/lib/docker/volumes/querymill/_data" };
  const claim = {
    point: "/data",
    root: "/var/lib/kubelet/pods/6f1/volumes/kubernetes.io~local-volume/pvc-1",
  };
  for (const fileSystem of Object.values(LASTING))
    for (const mount of [null, { point: "/", root: "/" }, volume, claim])
      for (const container of [null, "engine", "kubernetes"] as const)
        expect(fleetingReason({ fileSystem, mount, container }, "/data/b")).toBeNull();
});

test.each([
  ["in memory", at({ fileSystem: TMPFS }), /on tmpfs.*restart takes it away.*--batch-dir/],
  [
    "in memory of a container",
    at({ fileSystem: TMPFS, container: "engine" }),
    /tmpfs.*--batch-dir; in a container .*-v NAME:FOLDER/,
  ],
  ["inside a container", at({ fileSystem: 0x794c7630, container: "engine" }), /goes with it.*-v querymill:\/data\/b/],
  ["inside a pod", at({ fileSystem: 0x794c7630, container: "kubernetes" }), /PersistentVolumeClaim at \/data\/b/],
  ["over a network", at({ fileSystem: 0x6969 }), /on NFS, where a crash can lose what was synced/],
])("a folder %s does not last, and it is said what to do", (_, surroundings, said) => {
  expect(fleetingReason(surroundings, "/data/b")).toMatch(said);
});

test("a volume that nobody named, and a pod's own, are told by their mount", () => {
  const nameless = { point: "/data", root: `/var/lib/docker/volumes/${"0af3".repeat(16)}/_data` };
  expect(fleetingReason(at({ mount: nameless, container: "engine" }), "/data/b")).toMatch(
    /volume without a name.*-v querymill:\/data …/,
  );
  const pods = { point: "/data", root: "/var/lib/kubelet/pods/6f1/volumes/kubernetes.io~empty-dir/state" };
  expect(fleetingReason(at({ mount: pods, container: "kubernetes" }), "/data/b")).toMatch(
    /emptyDir, which goes with its pod.*PersistentVolumeClaim at \/data\./,
  );
});

test("the innermost and last mount around a folder is found, with blanks in its name", () => {
  const lines = [
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
    "30 22 0:24 / /data rw - tmpfs tmpfs rw",
    "31 22 254:0 /volumes/a /data rw shared:1 - ext4 /dev/vda rw",
    "32 22 0:25 / /data/my\\040folder rw - tmpfs tmpfs rw",
    "",
  ].join("\n");
  expect(mountOf(lines, "/database")).toEqual({ point: "/", root: "/" });
  expect(mountOf(lines, "/data/x")).toEqual({ point: "/data", root: "/volumes/a" });
  expect(mountOf(lines, "/data/my folder/x")).toEqual({ point: "/data/my folder", root: "/" });
  expect(mountOf("", "/data")).toBeNull();
});

test.runIf(hasMemoryFolder)(
  "run says so at its start and doctor beside it, on a real file system in memory",
  async () => {
    const folder = mkdtempSync("/dev/shm/querymill-");
    try {
      expect(await whyFleeting(folder)).toMatch(/^is on tmpfs, /);
      const workspace = makeWorkspace();
      await workspace.seed([{ _id: "q1", text: "Where is my parcel?" }]);
      const flags = ["--store", "store.db", "--model", "offline", "--batch-dir", join(folder, "state")];
      const run = await workspace.querymill(["run", ...flags]);
      expect(run.stdout).toMatch(/note "The state folder \/dev\/shm\/\S+ is on tmpfs, /);
      expect(run.code).toBe(0);
      const doctor = await workspace.querymill(["doctor", ...flags]);
      expect(doctor.stdout.replaceAll(/\s+/g, " ")).toMatch(/▲ State folder \/dev\/shm\/\S+ is on tmpfs, /);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

test.runIf(Object.values<number>(LASTING).includes(statfsSync(tmpdir()).type))(
  "neither says a word about a folder on a disk, nor the demo about one in memory",
  async () => {
    const workspace = makeWorkspace();
    await workspace.seed([{ _id: "q1", text: "Where is my parcel?" }]);
    const flags = ["--store", "store.db", "--model", "offline"];
    expect((await workspace.querymill(["run", ...flags])).stdout).not.toContain("state folder");
    expect((await workspace.querymill(["doctor", ...flags])).stdout).toMatch(/✔ State folder/);
    if (!hasMemoryFolder) return;
    const folder = mkdtempSync("/dev/shm/querymill-");
    const demo = await workspace.querymill(["demo", "--batch-dir", folder]);
    rmSync(folder, { recursive: true, force: true });
    expect(demo.stdout).not.toContain("tmpfs");
    expect(demo.code).toBe(0);
  },
);
