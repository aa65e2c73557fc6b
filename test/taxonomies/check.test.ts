import { describe, expect, it } from "vitest";
import { parseTaxonomy } from "../../src/config/taxonomy.ts";
import { taxonomyPlaces } from "../../src/config/taxonomy-places.ts";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { checkTaxonomy, fixedPrompt } from "../../src/taxonomies/check.ts";

/** What is found in a file of these dimensions, as `level rule path`. */
function found(dimensions: string): string[] {
  return checkTaxonomy(parseTaxonomy(`dimensions:\n${dimensions}`, "t.yaml")).map(
    ({ level, rule, path }) => `${level} ${rule} ${path}`,
  );
}
const category = (labels: string, rest = "other: what fits nowhere else"): string =>
  `  category:\n    labels:\n${`${labels}\n${rest}`
    .split("\n")
    .map((line) => `      ${line}`)
    .join("\n")}\n`;

describe("a check of a taxonomy", () => {
  it("finds nothing in the built-in one, and says how large it makes each call", () => {
    expect(checkTaxonomy(DEFAULT_TAXONOMY)).toEqual([]);
    const { chars, tokens } = fixedPrompt(DEFAULT_TAXONOMY);
    expect(chars).toBeGreaterThan(5_000);
    expect(tokens.from).toBeLessThan(tokens.to);
  });

  it.each([
    ["refund: the money back\nrefunds: things sent back", ["warning names-alike category.refunds"]],
    ["delivered: it came\ndelivery: still under way", ["warning names-alike category.delivery"]],
    ["tier_1: the first\ntier_2: the second", []],
    ["shipment: where the parcel is\nbilling: money", []],
  ])("of the names of %j finds %j", (labels, expected) => {
    expect(found(category(labels))).toEqual(expected);
  });

  it("finds labels nobody can tell apart: by their descriptions, their examples, or the same example twice", () => {
    expect(
      found(
        category(
          "bill: charges, invoices, payments\npayment: about charges, invoices and payments\nparcel: Where is it",
        ),
      ),
    ).toEqual(["warning labels-alike category.payment"]);
    const examples = `  category:
    labels:
      - { id: one, description: first, examples: ["How do I verify my identity", "verify identity please", "my identity is not verified"] }
      - { id: two, description: second, examples: ["why verify my identity", "is it needed to verify identity", "identity must be verified?"] }
      - { id: other, description: rest, examples: ["hello", "Hello!", "WHY verify my  identity"] }
`;
    expect(found(examples)).toEqual([
      "hint example-twice category.other.examples[1]",
      "warning example-of-two category.other.examples[2]",
      "warning labels-alike category.two",
    ]);
  });

  it("finds what is missing, or too long", () => {
    expect(found("  category: { labels: [billing, { id: shipping, description: where it is }] }\n")).toEqual([
      "warning no-description category.billing",
      "warning no-other category",
    ]);
    expect(found(category(`billing: ${"very long ".repeat(40)}`))).toEqual(["hint long-description category.billing"]);
    const many = Array.from({ length: 160 }, (_, at) => `label_${at}_x: about number${at}`).join("\n");
    expect(found(category(many))).toContain("warning many-labels category");
    const huge = Array.from({ length: 1_010 }, (_, at) => `label_${at}_x: about number${at}`).join("\n");
    expect(found(category(huge))).toContain("warning over-enum-limit category");
  });

  it("finds categories that no subcategory leads to: an error where one has to be answered", () => {
    const sub = (required: boolean): string => `  subcategory:
    required: ${required}
    labels:
      - { id: late, parent: shipping, description: too late }
      - { id: lost, parent: shipping, description: never came }
      - { id: invoice, parent: billing, description: the paper }
`;
    const labels = category("billing: the money\nshipping: the parcel");
    expect(found(labels + sub(false))).toEqual(["hint only-child subcategory.invoice"]);
    expect(found(labels + sub(true))).toEqual(["hint only-child subcategory.invoice", "error no-child category.other"]);
    expect(found(`${labels}  subcategory:\n    labels: { billing: all about it, x_y: something }\n`)).toEqual([
      "hint same-name subcategory.billing",
    ]);
  });

  it("finds more optional parts than a provider's strict schema takes", () => {
    const fields = Array.from({ length: 17 }, (_, at) => `  field_${at}: number`).join("\n");
    const taxonomy = parseTaxonomy(`dimensions:\n${category("billing: the money")}fields:\n${fields}`, "t.yaml");
    expect(checkTaxonomy(taxonomy).map(({ rule }) => rule)).toEqual(["many-optional"]);
  });
});

it("the parts of a file are found where they stand, whatever form they have", () => {
  const text = `dimensions:
  category:
    labels:
      - id: billing
        examples:
          - first
          - second
      - shipping
  topics: { choose: many, labels: { price: money, speed: time } }
fields:
  amount: number
`;
  const placeOf = taxonomyPlaces(text, "t.yaml");
  const at = (path: string): string => Object.values(placeOf(path)).join(":");
  expect(at("category")).toBe("2:3");
  expect(at("category.billing")).toBe("4:13");
  expect(at("category.billing.examples[1]")).toBe("7:13");
  expect(at("category.billing.aliases[3]")).toBe("4:13");
  expect(at("category.shipping")).toBe("8:9");
  expect(at("topics.speed")).toBe("9:51");
  expect(at("fields.amount")).toBe("11:3");
  expect(at("")).toBe("1:1");
});
