import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const REPO = join(import.meta.dirname, "..");
const { version } = JSON.parse(readFileSync(join(REPO, "package.json"), "utf8")) as { version: string };

/** Node 24 first, so that npm picks today's majors and `querymill` runs on it. */
const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
const oldNode = findOldNode();

let folder = "";
let installed = "";
let querymill = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "querymill-package-"));
  const tree = join(folder, "tree");
  // Packed from a copy: the build of the checkout stays as it is.
  for (const entry of readdirSync(REPO)) {
    if (/^(src|web|LICENSE|[A-Z]+\.md|package\.json|package-lock\.json|tsconfig.*\.json|\.npmrc)$/.test(entry)) {
      cpSync(join(REPO, entry), join(tree, entry), { recursive: true });
    }
  }
  symlinkSync(join(REPO, "node_modules"), join(tree, "node_modules"));
  npm(["pack", "--pack-destination", folder], tree);
  npm(["install", "--global", "--prefix", join(folder, "prefix"), join(folder, `querymill-${version}.tgz`)], folder);
  querymill = join(folder, "prefix", "bin", "querymill");
  installed = join(folder, "prefix", "lib", "node_modules", "querymill");
});

afterAll(() => {
  if (folder) rmSync(folder, { recursive: true, force: true });
});

describe("the package, installed globally", () => {
  it("answers --version on this Node", () => {
    const run = spawnSync(querymill, ["--version"], { env: { ...process.env, PATH }, encoding: "utf8" });
    expect(run.stderr).toBe("");
    expect(run.stdout.trim()).toBe(version);
    expect(run.status).toBe(0);
  });

  it("brings the library with its types", () => {
    const script =
      'const names = Object.keys(await import("querymill")); console.log(names.includes("BatchProcessor"));';
    const run = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      cwd: installed,
      encoding: "utf8",
    });
    expect(run.stderr).toBe("");
    expect(run.stdout.trim()).toBe("true");
    expect(existsSync(join(installed, "dist", "index.d.ts"))).toBe(true);
  });

  it("holds no sources, no tests and no import that names a .ts file", () => {
    const files = globSync("**/*", { cwd: installed, exclude: (path) => path.endsWith("node_modules") });
    expect(files.filter((file) => /^(src|test|bench|examples)\b|(?<!\.d)\.ts$/.test(file))).toEqual([]);
    const scripts = files.filter((file) => file.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(20);
    const named = scripts.filter((file) =>
      /(from|import\()\s*["']\.[^"']*\.ts["']/.test(readFileSync(join(installed, file), "utf8")),
    );
    expect(named).toEqual([]);
  });

  it("says what it needs on an older Node, with exit 2 and nothing else", () => {
    // Any Node can tell of itself that it is older: the gate believes process.versions.
    const older =
      "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'22.1.0'}})";
    expectRefusal(process.execPath, ["--import", older], "22.1.0");
  });

  it.runIf(oldNode !== null)("says so on the older Node of this machine too", () => {
    expectRefusal(oldNode?.path ?? "", [], oldNode?.version ?? "");
  });
});

function expectRefusal(node: string, options: readonly string[], itsVersion: string): void {
  const run = spawnSync(node, [...options, join(installed, "dist", "bin.js"), "demo"], { encoding: "utf8" });
  expect(run.stdout).toBe("");
  expect(run.stderr).toContain(`querymill needs Node 24 or newer; this is v${itsVersion}. `);
  expect(run.stderr.trim().split("\n")).toHaveLength(1);
  expect(run.status).toBe(2);
}

/** @returns a Node below 24 on the PATH; null where there is none */
function findOldNode(): { path: string; version: string } | null {
  for (const entry of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(entry, "node");
    if (entry === "" || entry.includes("node_modules") || !existsSync(path)) continue;
    const found = execFileSync(path, ["--version"], { encoding: "utf8" }).trim().slice(1);
    if (Number.parseInt(found, 10) < 24) return { path, version: found };
  }
  return null;
}

/** npm as in a terminal of its own: without the settings that an outer `npm test` hands down. */
function npm(args: readonly string[], cwd: string): void {
  const outside = Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_"));
  const env = { ...Object.fromEntries(outside), PATH };
  const run = spawnSync("npm", ["--loglevel=error", "--no-audit", "--no-fund", ...args], {
    cwd,
    env,
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`npm ${args[0]} ended with ${run.status}:\n${run.stdout}${run.stderr}`);
}
