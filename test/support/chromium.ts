import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { type Browser, chromium } from "playwright-core";

const run = promisify(execFile);
const unpack = promisify(brotliDecompress);
const cacheFolder = fileURLToPath(new URL("../../node_modules/.cache/querymill/", import.meta.url));
/** A package on npm that carries a headless Chromium for Linux x64 with the libraries that it needs: 70 MB, no download at install. */
const bundle = { spec: "@sparticuz/chromium@153.0.0", folder: "chromium-153.0.0" };
const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

interface Found {
  readonly path: string;
  /** Folder of libraries that belong to it. */
  readonly libraries: string | null;
}

/**
 * Opens a browser: that of `QUERYMILL_TEST_CHROMIUM`, one on PATH, else one fetched from npm into the cache.
 * @throws Error naming what was tried
 */
export async function openChromium(): Promise<Browser> {
  const tried: string[] = [];
  for (const [how, find] of [
    ["QUERYMILL_TEST_CHROMIUM", given],
    ["on PATH", onPath],
    ["from the cache", fromCache],
    ["from npm", fromNpm],
  ] as const) {
    try {
      const { path, libraries } = await find();
      const env = libraries === null ? {} : { LD_LIBRARY_PATH: libraries };
      return await chromium.launch({
        executablePath: path,
        args: ["--no-sandbox"],
        env: { ...(process.env as Record<string, string>), ...env },
      });
    } catch (error) {
      tried.push(`${how}: ${String(error instanceof Error ? error.message : error).split("\n")[0]}`);
    }
  }
  throw new Error(
    `No Chromium for the tests. Set QUERYMILL_TEST_CHROMIUM to its path, or put chromium on PATH.\nTried:\n  ${tried.join("\n  ")}`,
  );
}

async function given(): Promise<Found> {
  const path = process.env.QUERYMILL_TEST_CHROMIUM;
  if (path === undefined) throw new Error("not set");
  return { path, libraries: null };
}

async function onPath(): Promise<Found> {
  for (const folder of (process.env.PATH ?? "").split(":"))
    for (const name of NAMES) {
      const path = join(folder, name);
      if (
        await access(path).then(
          () => true,
          () => false,
        )
      )
        return { path, libraries: null };
    }
  throw new Error("not there");
}

async function fromCache(): Promise<Found> {
  const folder = join(cacheFolder, bundle.folder);
  await access(join(folder, "chromium"));
  return { path: join(folder, "chromium"), libraries: join(folder, "lib") };
}

async function fromNpm(): Promise<Found> {
  if (process.platform !== "linux" || process.arch !== "x64") throw new Error("the package is for Linux x64");
  await mkdir(cacheFolder, { recursive: true });
  const folder = await mkdtemp(join(cacheFolder, "chromium-"));
  try {
    await run("npm", ["pack", "--silent", "--pack-destination", folder, bundle.spec], { timeout: 180_000 });
    await run("tar", ["-xzf", join(folder, "sparticuz-chromium-153.0.0.tgz"), "-C", folder]);
    const made = join(folder, "made");
    await mkdir(made);
    const packed = join(folder, "package", "bin");
    await writeFile(join(made, "chromium"), await unpack(await readFile(join(packed, "chromium.br"))), { mode: 0o755 });
    await writeFile(join(folder, "lib.tar"), await unpack(await readFile(join(packed, "al2023.tar.br"))));
    await run("tar", ["-xf", join(folder, "lib.tar"), "-C", made]);
    // Several test runs may do this at once: the first one to rename wins, the others use its copy.
    await rename(made, join(cacheFolder, bundle.folder)).catch(() => {});
    return await fromCache();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
