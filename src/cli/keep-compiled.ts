import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Keeps compiled code for the next start, which then takes half the time: in `querymill/compiled` of this user's cache folder
 * (`XDG_CACHE_HOME`, else `~/.cache`), or where `NODE_COMPILE_CACHE` says; `NODE_DISABLE_COMPILE_CACHE=1` turns it off. Where
 * nothing can be written, nothing is kept.
 */
export function keepCompiled(env: Readonly<Record<string, string | undefined>>): void {
  const folder = env.NODE_COMPILE_CACHE || folderOf(env.XDG_CACHE_HOME ?? "");
  if (folder !== null) enableCompileCache(folder);
}

/** @returns null for a user without a home */
function folderOf(caches: string): string | null {
  try {
    return join(isAbsolute(caches) ? caches : join(homedir(), ".cache"), "querymill", "compiled");
  } catch {
    return null;
  }
}
