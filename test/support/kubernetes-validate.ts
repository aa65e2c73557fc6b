import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const cacheFolder = fileURLToPath(new URL("../../node_modules/.cache/querymill/", import.meta.url));
const SPEC = "kubernetes-validate==1.37.0";

/**
 * Installs kubernetes-validate, which has the schemas of Kubernetes, into the cache, once.
 * @returns its folder, or why it cannot be had
 */
export async function fetchKubernetesValidate(): Promise<{ folder: string } | { missing: string }> {
  const folder = join(cacheFolder, SPEC.replace("==", "-"));
  const isThere = async (): Promise<boolean> => (await access(folder).catch(() => false)) === undefined;
  if (await isThere()) return { folder };
  await mkdir(cacheFolder, { recursive: true });
  const scratch = await mkdtemp(join(cacheFolder, "python-"));
  try {
    await run("python3", ["-m", "pip", "install", "-q", "--no-input", "--target", join(scratch, "all"), SPEC], {
      timeout: 240_000,
    });
    await rename(join(scratch, "all"), folder).catch(() => {});
    return { folder };
  } catch (error) {
    return { missing: `${SPEC}: ${String(error instanceof Error ? error.message : error).split("\n")[0]}` };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** @returns how it ended and what it said of the resources in a file */
export async function validate(folder: string, file: string): Promise<{ code: number; said: string }> {
  const words = ["-m", "kubernetes_validate", "-k", "1.34", "--strict", file];
  return await run("python3", words, { env: { ...process.env, PYTHONPATH: folder } }).then(
    ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
    (error) => ({ code: Number(error.code), said: String(error.stdout) + String(error.stderr) }),
  );
}
