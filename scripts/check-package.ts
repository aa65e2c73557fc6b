/**
 * What a user installs: its files, its weight, and that a clean `npm ci` works anywhere. Run after a build.
 * Prints one line a check and ends with exit 1 when one does not hold.
 */
import { execFileSync } from "node:child_process";
import { globSync, lstatSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const MAX_PACKAGES = 60;
const MAX_MEGABYTES = 60;
/** Of the dashboard's page, as it goes over the network. */
const MAX_PAGE_BYTES = 60_000;

interface LockedPackage {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly resolved?: string;
}

const root = join(import.meta.dirname, "..");
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  packages: Record<string, LockedPackage>;
};
const locked = Object.entries(lock.packages).filter(([path]) => path !== "");
/** What `npm install querymill` brings: optional packages count when this machine has them. */
const installed = locked.filter(
  ([path, entry]) => !entry.dev && !entry.devOptional && (!entry.optional || exists(join(root, path))),
);

const packed = packedFiles();
report(
  "the package holds only dist, README, LICENSE and package.json",
  packed.filter((file) => !/^(dist\/.+|README\.md|LICENSE|package\.json)$/.test(file)),
  `${packed.length} files`,
);
report(
  "everything the package needs is in it",
  [
    ...["dist/index.js", "dist/index.d.ts", "dist/bin.js", "dist/querymill.schema.json", "dist/page/index.html"],
    ...["README.md", "LICENSE"],
  ].filter((file) => !packed.includes(file)),
);
const page = packed.filter((file) => file.startsWith("dist/page/"));
const pageBytes = page.reduce((sum, file) => sum + gzipSync(readFileSync(join(root, file)), { level: 9 }).length, 0);
report(
  `the page of the dashboard has at most ${MAX_PAGE_BYTES / 1_000} kB, gzipped, and nothing of it is loaded from elsewhere`,
  [
    ...(pageBytes > MAX_PAGE_BYTES ? page : []),
    ...page.filter((file) => /(?:src|href)=["']?(?:https?:)?\/\//i.test(readFileSync(join(root, file), "utf8"))),
  ],
  `${(pageBytes / 1_000).toFixed(1)} kB`,
);
report(
  `a user installs at most ${MAX_PACKAGES} packages`,
  installed.length > MAX_PACKAGES ? installed.map(([path]) => path) : [],
  `${installed.length} packages`,
);
const megabytes = installed.reduce((sum, [path]) => sum + bytesOf(join(root, path)), 0) / 1e6;
report(
  `a user installs at most ${MAX_MEGABYTES} MB`,
  megabytes > MAX_MEGABYTES ? heaviest() : [],
  `${megabytes.toFixed(1)} MB`,
);
report(
  "no package of a user's installation has an install script",
  installed.filter(([, entry]) => entry.hasInstallScript).map(([path]) => path),
);
report(
  "package-lock.json records no download address",
  locked.filter(([, entry]) => entry.resolved !== undefined).map(([path]) => path),
);
report("no file names a package registry", filesNamingARegistry());

function report(claim: string, against: readonly string[], figure = ""): void {
  const holds = against.length === 0;
  process.stdout.write(`${holds ? "ok" : "FAILS"}  ${claim}${figure ? `: ${figure}` : ""}\n`);
  for (const line of against.slice(0, 20)) process.stdout.write(`         ${line}\n`);
  if (against.length > 20) process.stdout.write(`         and ${against.length - 20} more\n`);
  if (!holds) process.exitCode = 1;
}

function packedFiles(): string[] {
  // npm counts dist as it is: the build ran before, and again here it would only print into the JSON.
  const json = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: root,
    encoding: "utf8",
  });
  const answer = JSON.parse(json) as PackAnswer[] | Record<string, PackAnswer>;
  return Object.values(answer).flatMap((one) => one.files.map((file) => file.path));
}
interface PackAnswer {
  readonly files: readonly { readonly path: string }[];
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Bytes that a package takes on this disk, without the packages nested in it, which are counted as themselves. */
function bytesOf(folder: string): number {
  let bytes = 0;
  for (const file of globSync("**/*", { cwd: folder, exclude: (path) => path.endsWith("node_modules") })) {
    const stats = statSync(join(folder, file), { throwIfNoEntry: false });
    if (stats?.isFile()) bytes += Math.max(stats.size, stats.blocks * 512);
  }
  return bytes;
}

function heaviest(): string[] {
  return installed
    .map(([path]) => ({ path, megabytes: bytesOf(join(root, path)) / 1e6 }))
    .sort((a, b) => b.megabytes - a.megabytes)
    .map((entry) => `${entry.megabytes.toFixed(1)} MB ${entry.path}`);
}

/** Someone's mirror or registry in a file would make `npm ci` or a test depend on it. */
function filesNamingARegistry(): string[] {
  const host = /\b(?:registry|npm-proxy|artifactory|nexus)\.[a-z0-9-]+\.[a-z]{2,}|\bfiles\.pythonhosted\./i;
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  return listed.split("\0").filter((file) => {
    if (file === "" || !exists(join(root, file)) || !statSync(join(root, file)).isFile()) return false;
    return host.test(readFileSync(join(root, file), "utf8"));
  });
}
