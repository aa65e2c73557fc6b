import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTaxonomy } from "../../src/config/taxonomy.ts";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { QuerymillError } from "../../src/errors.ts";
import { normalised } from "../../src/llm/label-lookup.ts";
import { buildPrompt } from "../../src/llm/prompt.ts";
import { dimensionOf } from "../../src/taxonomy.ts";

const GOOD = `
# what a shop asks
name: my-shop
summary: false
dimensions:
  category:
    description: what the customer needs
    labels:
      - id: billing
        description: charges and invoices
        aliases: [payment, "the bill"]
        examples:
          - I was charged twice
          - 404
      - id: shipping
  subcategory:
    labels:
      - { id: invoice, parent: billing }
      - { id: late, parent: shipping }
  urgency:
    labels: { high: today, low: whenever }
  topics:
    choose: many
    required: true
    labels: [price, speed]
`;

describe("a taxonomy file", () => {
  it("is read with its defaults: lists of ids, lists of labels and maps of descriptions", () => {
    const taxonomy = parseTaxonomy(GOOD, "conf/taxonomy.yaml");
    expect(taxonomy).toMatchObject({ name: "my-shop", summary: false, alternatives: true });
    expect(taxonomy.version).toMatch(/^t-[0-9a-f]{8}$/);
    expect(taxonomy.dimensions.map(({ id, choose, required }) => [id, choose, required])).toEqual([
      ["category", "one", true],
      ["subcategory", "one", false],
      ["urgency", "one", false],
      ["topics", "many", true],
    ]);
    expect(taxonomy.dimensions[0]?.labels).toEqual([
      {
        id: "billing",
        description: "charges and invoices",
        aliases: ["payment", "the bill"],
        examples: ["I was charged twice", "404"],
      },
      { id: "shipping", description: "", aliases: [], examples: [] },
    ]);
    expect(taxonomy.dimensions[1]?.labels[1]).toMatchObject({ id: "late", parent: "shipping" });
    expect(taxonomy.dimensions[2]?.labels[0]).toMatchObject({ id: "high", description: "today" });
    expect(taxonomy.dimensions[3]?.labels.map(({ id }) => id)).toEqual(["price", "speed"]);
  });

  it("may be JSON, and has the file's name when it gives none", () => {
    const text = JSON.stringify({ dimensions: { category: { labels: ["a", "b"] } } });
    expect(parseTaxonomy(text, "dir/shop.json")).toMatchObject({ name: "shop", summary: true });
  });

  it("has the same version whatever its name, comments and order of keys, and another one for another content", () => {
    const a = "dimensions:\n  category: {labels: [x, y], description: d}\n  mood: {labels: {up: good, down: bad}}\n";
    const b =
      "# c\nname: other\ndimensions:\n  mood: {labels: {down: bad, up: good}}\n  category: {description: d, labels: [y, x]}\n";
    const version = (text: string) => parseTaxonomy(text, "t.yaml").version;
    expect(version(b)).toBe(version(a));
    const changes: readonly (readonly [string, string])[] = [
      ["good", "great"],
      ["[x, y]", "[x, z]"],
      ["description: d", "description: e"],
      ["labels: [x, y]", "required: false, labels: [x, y]"],
    ];
    for (const [from, to] of changes) expect(version(a.replace(from, to))).not.toBe(version(a));
    expect(version(`summary: false\n${a}`)).not.toBe(version(a));
  });
});

describe("a broken taxonomy file", () => {
  it.each([
    [
      "an id in capitals",
      "urgency: {labels: [low, High!]}",
      'taxonomy.yaml:4:27 urgency.labels[1]: expected lower-case letters, digits, _; got "High!"',
    ],
    ["one label", "urgency: {labels: [low]}", "taxonomy.yaml:4:21 urgency.labels: expected at least 2 labels; got 1"],
    ["no labels", "urgency: {}", "urgency: labels: expected at least 2 labels; got nothing"],
    ["an unknown key", "urgency: {lables: [a, b]}", "urgency.lables: no such key. Did you mean labels?"],
    ["a double id", "urgency: {labels: [low, low]}", "urgency.labels[1]: low is there twice"],
    ["ids that look alike", "urgency: {labels: [p_1, p1]}", "urgency.labels[1]: p1 is too like p_1"],
    [
      "an alias of two labels",
      "urgency: {labels: [{id: a, aliases: [Now]}, {id: b, aliases: [now]}]}",
      "urgency.labels[1].aliases[0]: stands for a already",
    ],
    [
      "an alias that is another's id",
      "urgency: {labels: [{id: a, aliases: [b]}, {id: b}]}",
      "urgency.labels[0].aliases[0]: stands for b already",
    ],
    [
      "a parent that is no category",
      "subcategory: {labels: [{id: a, parent: shiping}, b]}",
      'subcategory.labels[0].parent: expected a label of category; got "shiping". Did you mean shipping?',
    ],
    [
      "a parent elsewhere",
      "urgency: {labels: [{id: a, parent: billing}, b]}",
      "only labels of subcategory have a parent",
    ],
    ["a reserved name", "language: {labels: [a, b]}", "language: the name language is taken by the answer"],
    ["a confidence's name", "confidence_category: {labels: [a, b]}", "the name confidence_category is taken"],
    ["an object's name", "constructor: {labels: [a, b]}", "the name constructor is taken"],
    [
      "a prototype",
      "__proto__: {labels: [a, b]}",
      '__proto__: expected a name of lower-case letters, digits, _; got "__proto__"',
    ],
    ["a JSON word as id", "urgency: {labels: ['null', b]}", "the id null cannot be told"],
    ["many sentiments", "sentiment: {choose: many, labels: [a, b]}", "sentiment.choose: expected one"],
    ["another choice", "mood: {choose: some, labels: [a, b]}", 'mood.choose: expected one or many; got "some"'],
    [
      "a word for a switch",
      "mood: {required: often, labels: [a, b]}",
      'mood.required: expected true or false; got "often"',
    ],
    [
      "examples that are no list",
      "mood: {labels: [{id: a, examples: x}, b]}",
      'mood.labels[0].examples: expected a list of texts; got "x"',
    ],
    ["a list where a map belongs", "mood: [a, b]", "mood: expected a map of names and values; got a list"],
    [
      "a label without id",
      "mood: {labels: [{description: x}, b]}",
      "mood.labels[0]: id: expected lower-case letters, digits, _; got nothing",
    ],
    ["a key twice", "mood: {labels: [a, b], labels: [a, b]}", "taxonomy.yaml:4:26 Map keys must be unique"],
    ["no YAML", "mood: {labels: [a, b}", "taxonomy.yaml:4:"],
  ])("with %s is refused with the place and what was expected", (_name, dimension, message) => {
    expect(refusal(`dimensions:\n  category: {labels: [billing, shipping]}\n# here:\n  ${dimension}\n`)).toContain(
      message,
    );
  });

  it("without a category, without dimensions or without anything says so", () => {
    expect(refusal("dimensions: {mood: {labels: [a, b]}}")).toContain(
      "dimensions: expected a dimension named category; got mood",
    );
    expect(refusal("name: x")).toContain("dimensions: expected a map of dimensions");
    expect(refusal("")).toContain("taxonomy.yaml:1:1 expected a map of names and values; got nothing");
    expect(refusal("just words")).toContain('expected a map of names and values; got "just words"');
  });

  it("is told all at once, in the order of the file, and after ten how many more there are", () => {
    const labels = Array.from({ length: 13 }, (_, index) => `No ${index}`);
    const message = refusal(`sumary: true\ndimensions:\n  category:\n    labels: ${JSON.stringify(labels)}`);
    const lines = message.split("\n");
    expect(lines).toHaveLength(11);
    expect(lines[0]).toBe("taxonomy.yaml:1:9 sumary: no such key. Did you mean summary?");
    expect(lines[10]).toBe("and 4 more");
  });

  it("cannot grow through aliases, and may not be larger than 1 MB", () => {
    const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`);
    expect(refusal(["l0: &l0 [x]", ...levels].join("\n"))).toContain("too many aliases");
    expect(refusal(`# ${"x".repeat(1_000_000)}`)).toContain("larger than 1 MB");
  });

  it("never brings anything but a taxonomy or its own error", () => {
    const scrap = fc.constantFrom(
      "dimensions",
      "category",
      "labels",
      ":",
      "\n",
      "  ",
      "- ",
      "[",
      "]",
      "{",
      "}",
      "&a",
      "*a",
      "id",
      "a",
      "b",
      ",",
      '"',
      "#",
      "!",
      "null",
      "0",
    );
    fc.assert(
      fc.property(fc.array(scrap, { maxLength: 30 }), (parts) => {
        try {
          expect(parseTaxonomy(parts.join(""), "t.yaml").version).toMatch(/^t-/);
        } catch (error) {
          expect(error).toBeInstanceOf(QuerymillError);
        }
      }),
      { seed: 7, numRuns: 1_000 },
    );
  });
});

describe("the default taxonomy", () => {
  it("passes the check that files go through, with the same content", () => {
    const { name, summary, alternatives, dimensions } = DEFAULT_TAXONOMY;
    const file = {
      name,
      summary,
      alternatives,
      dimensions: Object.fromEntries(dimensions.map(({ id, ...rest }) => [id, rest])),
    };
    expect(parseTaxonomy(JSON.stringify(file), "t.json")).toEqual(DEFAULT_TAXONOMY);
  });

  it("has 13 categories, 5 sentiments and 4 urgencies, each described and with examples of its own", () => {
    expect(DEFAULT_TAXONOMY.dimensions.map(({ id, labels }) => [id, labels.length])).toEqual([
      ["category", 13],
      ["sentiment", 5],
      ["urgency", 4],
    ]);
    for (const { id, labels } of DEFAULT_TAXONOMY.dimensions) {
      const examples = labels.flatMap((label) => label.examples.map(normalised));
      expect(new Set(examples).size).toBe(examples.length);
      for (const label of labels) {
        expect(label.description).not.toBe("");
        expect(label.examples.length).toBeGreaterThanOrEqual(id === "category" ? 8 : 5);
      }
    }
    expect(dimensionOf(DEFAULT_TAXONOMY, "sentiment")?.labels[0]?.id).toBe("very_negative");
  });

  it("makes a prompt of less than 12,000 characters", () => {
    expect(buildPrompt(DEFAULT_TAXONOMY).system.length).toBeLessThan(12_000);
  });
});

function refusal(text: string): string {
  try {
    parseTaxonomy(text, "taxonomy.yaml");
  } catch (error) {
    if (error instanceof QuerymillError && error.code === "TAXONOMY_INVALID") return error.message;
    throw error;
  }
  throw new Error("the file was taken");
}

describe("free fields of a taxonomy file", () => {
  const withFields = (fields: string): string => `dimensions: { category: { labels: [a_b, c] } }\nfields:\n${fields}`;

  it("are read with their defaults, and change the version", () => {
    const taxonomy = parseTaxonomy(
      withFields(`  order_number:
    type: string
    description: as on the invoice
    pattern: '[A-Z]{2}\\d{6}'
    required: true
  refund_amount: number
  due: date
`),
      "t.yaml",
    );
    expect(taxonomy.fields).toEqual([
      {
        id: "order_number",
        type: "string",
        description: "as on the invoice",
        required: true,
        pattern: "[A-Z]{2}\\d{6}",
      },
      { id: "refund_amount", type: "number", description: "refund amount", required: false },
      { id: "due", type: "date", description: "due", required: false },
    ]);
    const without = parseTaxonomy("dimensions: { category: { labels: [a_b, c] } }", "t.yaml");
    expect(without).not.toHaveProperty("fields");
    expect(taxonomy.version).not.toBe(without.version);
  });

  it.each([
    ["  amount: money\n", /^t\.yaml:3:11 fields\.amount: expected string, number, boolean, date; got "money"/],
    ["  amount: { description: x }\n", /fields\.amount: type: expected string, number, boolean, date; got nothing/],
    ["  category: string\n", /the name category is taken by a dimension/],
    ["  urgency: string\n", /the name urgency is taken by a dimension/],
    ["  summary: string\n", /the name summary is taken by the answer/],
    ["  amount: { type: number, pattern: x }\n", /only a string has a pattern; this is a number/],
    ["  order: { type: string, pattern: '(' }\n", /pattern: expected a regular expression/],
    ["  order: { type: string, format: x }\n", /format: no such key/],
  ])("%j is refused with its place", (fields, message) => {
    expect(() => parseTaxonomy(withFields(fields), "t.yaml")).toThrow(message);
  });
});
