import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { buildPage, gzippedBytes, type PageFile } from "../../web/build.ts";

const WEB = join(import.meta.dirname, "..", "..", "web");
const MOST_BYTES = 60_000;
const MOST_LINES = 350;

let files: ReadonlyMap<string, PageFile>;
const text = (name: string): string => Buffer.from(files.get(name)!.body).toString("utf8");

beforeAll(async () => {
  files = await buildPage();
});

describe("the built page", () => {
  it(`is at most ${MOST_BYTES} bytes as it goes over the network`, () => {
    expect(gzippedBytes(files)).toBeLessThan(MOST_BYTES);
  });

  it("has hashed names and known types", () => {
    for (const [name, { type }] of files) {
      expect(type).not.toBe("application/octet-stream");
      if (name !== "index.html") expect(name).toMatch(/^assets\/.+-[\w-]{8}\.(js|css)$/);
    }
  });

  it("has no script and no style inside, and names only files of its own", () => {
    const html = text("index.html");
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/i);
    const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path!);
    expect(
      named.filter((path) => !path.startsWith("data:image/svg+xml,") && !files.has(path.replace(/^\//, ""))),
    ).toEqual([]);
  });

  it("loads nothing from elsewhere and makes no code out of text", () => {
    for (const name of files.keys()) {
      const code = text(name).replaceAll(/http:\/\/www\.w3\.org\/[\w/.]+/g, "");
      expect(code, name).not.toMatch(/https?:\/\/|@import|\beval\(|new Function\(/);
    }
  });
});

describe("the page's sources", () => {
  const sources = globSync("**/*.{ts,tsx}", { cwd: WEB, exclude: ["build.ts"] }).map((name) =>
    name.replaceAll("\\", "/"),
  );
  const codeOf = new Map(sources.map((name) => [name, readFileSync(join(WEB, name), "utf8")]));
  const importsOf = (name: string): { isType: boolean; path: string }[] =>
    [...codeOf.get(name)!.matchAll(/^import\s+(type\s)?[^;]*?["'](\.[^"']+)["'];/gm)].map(([, type, path]) => ({
      isType: type !== undefined,
      path: posix.join(posix.dirname(name), path!),
    }));

  it("take nothing but types and the contract from the program", () => {
    const values = sources.flatMap((name) =>
      importsOf(name)
        .filter(({ isType, path }) => path.startsWith("../") && !isType)
        .map(({ path }) => path),
    );
    expect([...new Set(values)]).toEqual(["../src/dashboard/api.ts"]);
  });

  it("put no text into the page as markup", () => {
    for (const [name, code] of codeOf)
      expect(code, name).not.toMatch(/dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write/);
  });

  it(`are at most ${MOST_LINES} lines each and import in no circle`, () => {
    const done = new Set<string>();
    const visit = (name: string, path: readonly string[]): void => {
      expect(path, name).not.toContain(name);
      if (done.has(name) || !codeOf.has(name)) return;
      for (const { path: next } of importsOf(name)) visit(next, [...path, name]);
      done.add(name);
    };
    for (const [name, code] of codeOf) {
      visit(name, []);
      expect(code.split("\n").length - 1, name).toBeLessThanOrEqual(MOST_LINES);
    }
  });
});
