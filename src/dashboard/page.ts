import { readdir, readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { DashboardApp, DashboardContext } from "./gate.ts";
import { refuse } from "./problem.ts";

/** A file of the page, as it is served. */
export interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
  /** Value of `content-type`. */
  readonly type: string;
}

/** Files by their path from the root, `index.html` first of all. */
export type Page = ReadonlyMap<string, PageFile>;

/** What `web/build.ts` makes of the page's sources. */
type Built = ReadonlyMap<string, { readonly body: Uint8Array | string; readonly type: string }>;

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
const START = "index.html";
const compress = promisify(gzip);

/** Reads the page that the package brings; in a source checkout it is built in memory. */
export async function loadPage(): Promise<Page> {
  const built = import.meta.filename.endsWith(".ts") ? await buildPage() : await readPage();
  const files = [...built].map(async ([path, { body, type }]): Promise<[string, PageFile]> => {
    const bytes = Buffer.from(body);
    return [path, { body: bytes, gzipped: Buffer.from(await compress(bytes)), type }];
  });
  return new Map(await Promise.all(files));
}

/** Serves the page; it holds no data. @param page loaded when it is asked for first */
export function mountPage(app: DashboardApp, page: () => Promise<Page>): void {
  const serve = async (context: DashboardContext, path: string): Promise<Response> => {
    const file = (await page()).get(path);
    if (file === undefined) return refuse(context, 404, "NOT_FOUND", "There is nothing here.");
    context.header("content-type", file.type);
    context.header("vary", "accept-encoding");
    // All but the first have a hash of what is in them in their names.
    if (path !== START) context.header("cache-control", "public, max-age=31536000, immutable");
    if (!/\bgzip\b/.test(context.req.header("accept-encoding") ?? "")) return context.body(file.body);
    context.header("content-encoding", "gzip");
    return context.body(file.gzipped);
  };
  app.get("/", (context) => serve(context, START));
  // The same page for each tenant: it asks for what is below its own address.
  app.get("/t/:tenant/", (context) => serve(context, START));
  app.get("/assets/*", (context) => serve(context, context.req.path.slice(1)));
}

async function buildPage(): Promise<Built> {
  // Not there in the package: the compiler must not look for it.
  const place = new URL("../../web/build.ts", import.meta.url).href;
  const { buildPage: build } = (await import(place)) as { readonly buildPage: () => Promise<Built> };
  return await build();
}

async function readPage(): Promise<Built> {
  const folder = join(import.meta.dirname, "..", "page");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(async ({ parentPath, name }): Promise<[string, { body: Uint8Array; type: string }]> => {
      const path = join(parentPath, name);
      const type = TYPES[name.split(".").at(-1)!] ?? "application/octet-stream";
      return [path.slice(folder.length + 1).replaceAll(sep, "/"), { body: await readFile(path), type }];
    });
  return new Map(await Promise.all(files));
}
