import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/** A file of the page, as it is served. */
export interface PageFile {
  readonly body: Uint8Array | string;
  /** Value of `content-type`. */
  readonly type: string;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
const here = import.meta.dirname;

/**
 * Builds the page in memory, for a process that runs from a source checkout.
 * @returns files by their path from the root, such as `index.html` and `assets/main-Bx3f.js`; all but the first have a hash in
 *   their names and never change
 */
export async function buildPage(): Promise<ReadonlyMap<string, PageFile>> {
  const { build } = await import("vite");
  const built = await build({
    root: here,
    configFile: false,
    envFile: false,
    logLevel: "error",
    publicDir: false,
    // Also where NODE_ENV is `test`: else each element has the place in the source where it was made.
    oxc: { jsx: { runtime: "automatic", importSource: "preact", development: false } },
    build: {
      write: false,
      target: ["chrome123", "firefox128", "safari17.5"],
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
  const [bundle] = [built].flat();
  if (bundle === undefined || !("output" in bundle)) throw new Error("Vite watches instead of building.");
  return new Map(
    bundle.output.map((file) => [
      file.fileName,
      {
        body: file.type === "chunk" ? file.code : file.source,
        type: TYPES[file.fileName.split(".").at(-1)!] ?? "application/octet-stream",
      },
    ]),
  );
}

/** Bytes of all files as they go over the network, each compressed by gzip. */
export function gzippedBytes(files: ReadonlyMap<string, PageFile>): number {
  return [...files.values()].reduce((sum, { body }) => sum + gzipSync(body, { level: 9 }).length, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = join(here, "..", "dist", "page");
  await rm(folder, { recursive: true, force: true });
  const files = await buildPage();
  for (const [name, { body }] of files) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), body);
    console.log(`${name} ${gzippedBytes(new Map([[name, files.get(name)!]]))}`);
  }
  console.log(`${files.size} files, ${gzippedBytes(files)} bytes gzipped`);
}
