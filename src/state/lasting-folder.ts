import { access, readFile, realpath, statfs } from "node:fs/promises";

/** A mount point with what is mounted there. */
export interface Mount {
  readonly point: string;
  /** The folder of the mounted file system that is shown there: a volume of a container engine is one. */
  readonly root: string;
}

/** What is known of where a folder lies. */
export interface Surroundings {
  /** Of statfs; its magic number on Linux. */
  readonly fileSystem: number;
  /** null where the system does not tell. */
  readonly mount: Mount | null;
  readonly container: "engine" | "kubernetes" | null;
}

/** File systems in memory, and those over a network, by the magic number of statfs. */
const IN_MEMORY: Readonly<Record<number, string>> = { 16914836: "tmpfs", 2240043254: "ramfs" };
/** Which disks there are that outlive a container, to stand behind the advice to choose one. */
const IN_CONTAINER = {
  none: "",
  engine: "; in a container that is a volume with a name (docker run -v NAME:FOLDER …)",
  kubernetes: "; in a pod that is a PersistentVolumeClaim",
} as const;
const OVERLAY = 2035054128;
const OVER_NETWORK: Readonly<Record<number, string>> = {
  26985: "NFS",
  4283649346: "CIFS",
  4266872130: "SMB",
  20859: "SMB",
  1397113167: "AFS",
  12805120: "CephFS",
};

/**
 * Whether a crash, a restart or a new container takes the state in a folder away, and answers that are paid for with it.
 * @param folder exists
 * @returns what is wrong and what to do, to stand behind the folder's name: `is on tmpfs, …`; null for a folder that lasts
 */
export async function whyFleeting(folder: string): Promise<string | null> {
  const [{ type: fileSystem }, mounts, path] = await Promise.all([
    statfs(folder),
    readFile("/proc/self/mountinfo", "utf8").catch(() => ""),
    realpath(folder),
  ]);
  return fleetingReason({ fileSystem, mount: mountOf(mounts, path), container: await findContainer() }, folder);
}

/** @param folder is named in the advice, unless a mount that does not last is there already */
export function fleetingReason({ fileSystem, mount, container }: Surroundings, folder: string): string | null {
  const volume = (place = folder): string =>
    container === "kubernetes"
      ? `Mount a PersistentVolumeClaim at ${place}.`
      : `Mount a volume with a name there: docker run -v querymill:${place} …`;
  const lost = "and answers that are paid for with it";
  if (mount !== null && /\/kubernetes\.io~empty-dir\//.test(mount.root))
    return `is on an emptyDir, which goes with its pod, ${lost}. ${volume(mount.point)}`;
  const memory = IN_MEMORY[fileSystem];
  if (memory !== undefined)
    return `is on ${memory}, which is kept in memory: a restart takes it away, ${lost}. Choose a folder on a disk with --batch-dir${IN_CONTAINER[container ?? "none"]}.`;
  if (mount !== null && /\/volumes\/[0-9a-f]{64}\/_data(?:\/|$)/.test(mount.root))
    return `is on a volume without a name: the next container gets another one, and asks again for what is paid for. ${volume(mount.point)}`;
  if (fileSystem === OVERLAY) return `is inside a container and goes with it, ${lost}. ${volume()}`;
  const network = OVER_NETWORK[fileSystem];
  if (network === undefined) return null;
  return `is on ${network}, where a crash can lose what was synced. Choose ${
    container === null ? "a folder on a local disk with --batch-dir" : "a volume on a disk"
  }.`;
}

/** @param mounts text of `/proc/self/mountinfo` @returns the innermost mount that a path lies in */
export function mountOf(mounts: string, path: string): Mount | null {
  let found: Mount | null = null;
  for (const line of mounts.split("\n")) {
    const [, , , root, point] = line.split(" ").map(unescaped);
    if (root === undefined || point === undefined) continue;
    const isAround = point === "/" || path === point || path.startsWith(`${point}/`);
    // Of two at one point the later one hides the earlier.
    if (isAround && (found === null || point.length >= found.point.length)) found = { point, root };
  }
  return found;
}

/** Blanks and the like are written as `\040`. */
function unescaped(word: string): string {
  return word.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

async function findContainer(): Promise<Surroundings["container"]> {
  if (process.env.KUBERNETES_SERVICE_HOST !== undefined) return "kubernetes";
  const there = await Promise.any(["/.dockerenv", "/run/.containerenv"].map((path) => access(path))).then(
    () => true,
    () => false,
  );
  return there ? "engine" : null;
}
