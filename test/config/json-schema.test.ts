import { globSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { parseConfig } from "../../src/config/file.ts";
import { allowedWords, settingsSchema, taxonomySchema } from "../../src/config/json-schema.ts";
import { OPTION_KEYS, OPTIONS, optionOf } from "../../src/config/schema.ts";
import { parseTaxonomy } from "../../src/config/taxonomy.ts";

const settings = z.fromJSONSchema(settingsSchema() as never);
const taxonomy = z.fromJSONSchema(taxonomySchema() as never);
const takes = (schema: z.ZodType, text: string): boolean => schema.safeParse(parse(text) ?? {}).success;

/** Blocks of YAML in the documentation that begin with the name of a file. */
const blocks = (name: string): string[] =>
  ["README.md", ...globSync("docs/*.md")]
    .flatMap((page) => [...readFileSync(page, "utf8").matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text!))
    .filter((text) => text.startsWith(`# ${name}`));

describe("the JSON schema of the settings", () => {
  it("describes every setting of a file with help and default, and no other", () => {
    const { properties } = settingsSchema() as { properties: Record<string, Record<string, unknown>> };
    for (const key of OPTION_KEYS) {
      const { help, inFile, default: fallback } = optionOf(key);
      const [group, member] = key.split(".") as [string, string | undefined];
      const found =
        member === undefined ? properties[group] : (properties[group]?.properties as typeof properties)?.[member];
      if (!inFile) expect(found, key).toBeUndefined();
      else {
        expect(found?.description, key).toContain(help);
        expect(found?.default ?? null, key).toEqual(fallback);
      }
    }
  });

  it.each([
    "",
    "batchSize: 10",
    "concurrent: auto",
    "limit:",
    "budget: { usd: 20, per: month }",
    "source: { text: [a.b, c] }",
    "endpoints: [{ model: openai/x, weight: 2, limits: { tokensPerMinute: 5 } }]",
    "prices: { x: { input: 1, output: 2 } }",
    "examples: { file: a.csv, columns: { sentiment: mood }, map: { spam: null } }",
    "batchSize: 0",
    "batchSize: ten",
    "batchsize: 10",
    "mode: btach",
    "budget: 20",
    "budget: { usd: 20, each: month }",
    "endpoints: [{ modell: x }]",
    "endpoints: []",
    "baseUrl: localhost",
    "recover: true",
    "prices: { x: { input: 1 } }",
    "source: { text: 5 }",
    "tenants: { sales: { targetCollection: a, weight: 2 }, legal: }",
    "tenants: { sales: { budget: { usd: 5 }, endpoints: [{ model: openai/x }] } }",
    "tenants: {}",
    "tenants: { Sales: {} }",
    "tenants: { default: {} }",
    "tenants: { sales: { weight: 0 } }",
    "tenants: { sales: { batchDir: x } }",
    "tenants: { sales: { metrics: { listen: 9464 } } }",
    "tenants: { sales: { tenants: {} } }",
    "tenants: { sales: 5 }",
    "retention: { days: 30 }",
    "retention: { days: 0 }",
  ])("says of %j what loading the file says", (text) => {
    expect(takes(settings, text)).toBe(parseConfig(text, "querymill.yaml").problems.length === 0);
  });

  it("takes the files of the documentation", () => {
    const files = blocks("querymill.yaml");
    expect(files.length).toBeGreaterThan(1);
    for (const text of files) expect(settings.safeParse(parse(text)).error?.issues ?? []).toEqual([]);
  });

  it("knows the words of a choice", () => {
    expect(allowedWords(OPTIONS.mode)).toEqual(["batch", "continuous", "scheduled"]);
    expect(allowedWords(OPTIONS.concurrent)).toEqual(["auto"]);
    expect(allowedWords(OPTIONS.job)).toEqual([]);
  });
});

describe("the JSON schema of a taxonomy", () => {
  it.each([
    "dimensions: { category: { labels: [a, b] } }",
    "dimensions: { category: { labels: { a: what is a, b: what is b } } }",
    "dimensions: { category: { labels: { a: what is a, b: } } }",
    "name: x\nsummary: false\ndimensions: { category: { choose: one, required: true, labels: [{ id: a, aliases: [x], examples: [y] }, b] } }",
    "dimensions: { category: { labels: [a] } }",
    "dimensions: { category: { labels: [A, b] } }",
    "dimensions: { topic: { labels: [a, b] } }",
    "dimensions: { category: { labels: [a, b], colour: red } }",
    "labels: [a, b]",
  ])("says of %j what reading the file says", (text) => {
    const valid = (): boolean => {
      try {
        parseTaxonomy(text, "t.yaml");
        return true;
      } catch {
        return false;
      }
    };
    expect(takes(taxonomy, text)).toBe(valid());
  });

  it("takes the taxonomies of the documentation", () => {
    const files = blocks("taxonomy.yaml");
    expect(files.length).toBeGreaterThan(0);
    for (const text of files) expect(taxonomy.safeParse(parse(text)).error?.issues ?? []).toEqual([]);
  });
});
