import { execFile, spawn } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const cacheFolder = fileURLToPath(new URL("../../node_modules/.cache/querymill/", import.meta.url));
const FOLDER = "prometheus";

/** The checker that comes with Prometheus. */
export interface Promtool {
  readonly how: string;
  /** @returns exit code and everything it said */
  check(args: readonly string[], stdin?: string): Promise<{ readonly code: number | null; readonly said: string }>;
}

/** @returns promtool from PATH, the cache or Debian's package, which needs no root; else what was tried */
export async function findPromtool(): Promise<Promtool | { readonly tried: string }> {
  const tried: string[] = [];
  for (const [how, find] of [
    ["on PATH", async () => "promtool"],
    ["from the cache", fromCache],
    ["from Debian's package", fromDebian],
  ] as const) {
    try {
      const path = await find();
      await run(path, ["--version"], { timeout: 20_000 });
      return { how, check: (args, stdin) => check(path, args, stdin) };
    } catch (error) {
      tried.push(`${how}: ${String(error instanceof Error ? error.message : error).split("\n")[0]}`);
    }
  }
  return { tried: tried.join("; ") };
}

async function fromCache(): Promise<string> {
  const path = join(cacheFolder, FOLDER, "promtool");
  await access(path);
  return path;
}

async function fromDebian(): Promise<string> {
  await mkdir(cacheFolder, { recursive: true });
  const folder = await mkdtemp(join(cacheFolder, "prometheus-"));
  try {
    await run("apt-get", ["download", "prometheus"], { cwd: folder, timeout: 180_000 });
    const name = (await readdir(folder)).find((file) => file.endsWith(".deb"));
    if (name === undefined) throw new Error("no package came");
    await run("dpkg-deb", ["-x", join(folder, name), folder]);
    // Several test runs may do this at once: the first one to rename wins, the others use its copy.
    await rename(join(folder, "usr", "bin"), join(cacheFolder, FOLDER)).catch(() => {});
    return await fromCache();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function check(path: string, args: readonly string[], stdin = ""): ReturnType<Promtool["check"]> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, ["check", ...args], { stdio: ["pipe", "pipe", "pipe"] });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (part: string) => {
        said += part;
      });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, said }));
    child.stdin.end(stdin);
  });
}
