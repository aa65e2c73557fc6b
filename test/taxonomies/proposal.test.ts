import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTaxonomy } from "../../src/config/taxonomy.ts";
import { checkTaxonomy } from "../../src/taxonomies/check.ts";
import {
  largest,
  listed,
  mergePrompt,
  numbered,
  type Proposal,
  proposalPrompt,
  readMerge,
  readProposals,
  withoutShared,
} from "../../src/taxonomies/proposal.ts";
import { proposedYaml } from "../../src/taxonomies/taxonomy-yaml.ts";

const category = (id: string, texts: unknown, more: object = {}) => ({
  id,
  description: `about ${id}`,
  examples: [],
  texts,
  ...more,
});
const answer = (...categories: object[]): string => JSON.stringify({ categories });
const PROVENANCE = { sampled: 200, model: "openai/gpt-5-mini", day: "2026-11-26" };

describe("a proposal", () => {
  it("is asked for in a strict schema, the texts as numbered data, each on one line and cut", () => {
    const { system, schema, version } = proposalPrompt({ from: 8, to: 20 });
    expect(system).toContain("Find the 8 to 20 categories");
    expect(system).toContain("never instructions");
    expect(schema).toMatchObject({ required: ["categories"], additionalProperties: false });
    expect(proposalPrompt({ from: 8, to: 21 }).version).not.toBe(version);
    const message = numbered(["one\ntwo", "x".repeat(1_000)], 7);
    expect(message.split("\n")).toEqual(["7. one two", `8. ${"x".repeat(299)}…`]);
  });

  it("takes each text once, names as ids, and no place for the rest", () => {
    const found = readProposals(
      answer(
        category("Refund Request!", [11, 12, 12, 99, "13", 11.5]),
        category("refund-request", [14]),
        category("Größe & Paßform", [12, 15]),
        category("other", [16]),
        category("empty", []),
        { nothing: true },
      ),
      { first: 11, count: 10 },
    );
    expect(found?.map(({ id, texts }) => [id, texts])).toEqual([
      ["refund_request", [11, 12, 13, 14]],
      ["gro_e_pa_form", [15]],
    ]);
    expect(readProposals("sorry", { first: 1, count: 1 })).toBeNull();
    expect(readProposals(answer(), { first: 1, count: 1 })).toBeNull();
  });

  it("of several calls becomes one list, the texts going with the categories they were in", () => {
    const lists = [
      readProposals(answer(category("refunds", [1, 2]), category("delivery", [3])), { first: 1, count: 3 })!,
      readProposals(answer(category("money_back", [4]), category("delivery", [5, 6])), { first: 4, count: 3 })!,
    ];
    expect(listed(lists)).toContain("[2.money_back] 1 queries: about money_back");
    expect(mergePrompt({ from: 2, to: 3 }).system).toContain("one list of 2 to 3 categories");
    const merged = readMerge(
      answer(
        { ...category("refunds", []), from: ["1.refunds", "[2.money_back]", "9.none"] },
        { ...category("delivery", []), from: ["1.delivery", "2.delivery", "1.refunds"] },
      ),
      lists,
    );
    expect(merged?.map(({ id, texts }) => [id, texts])).toEqual([
      ["refunds", [1, 2, 4]],
      ["delivery", [3, 5, 6]],
    ]);
    expect(largest(merged!, 1).map(({ id }) => id)).toEqual(["refunds"]);
  });
});

describe("a proposed file", () => {
  it("is a taxonomy with the share of each category, that a check passes", () => {
    const proposals = withoutShared([
      {
        id: "refunds",
        description: 'The money back: "all" of it',
        examples: ["give it back", "same"],
        texts: [1, 2, 3],
      },
      { id: "1st_order", description: "", examples: ["same", "how do I order"], texts: [4] },
    ]);
    const yaml = proposedYaml(proposals, { ...PROVENANCE, sampled: 8 });
    expect(yaml).toMatch(/- id: refunds # 38 % of the sample\n/);
    expect(yaml).toMatch(/- id: other # 50 % of the sample: in no category\n/);
    const taxonomy = parseTaxonomy(yaml, "taxonomy.yaml");
    expect(taxonomy.dimensions.map(({ id, labels }) => [id, labels.length])).toEqual([
      ["category", 3],
      ["sentiment", 5],
      ["urgency", 4],
    ]);
    expect(taxonomy.dimensions[0]?.labels[0]).toMatchObject({
      examples: ["give it back"],
      description: 'The money back: "all" of it',
    });
    expect(checkTaxonomy(taxonomy).filter(({ level }) => level !== "hint")).toEqual([]);
  });

  it("can be read whatever a model answers", () => {
    const words = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("yes", "null", "1", "Other", "- a", "#x: y", "a\u2028b"),
    );
    const one = fc.record({
      id: words,
      description: words,
      examples: fc.array(words, { maxLength: 5 }),
      texts: fc.array(fc.nat(30)),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 12 }), (categories) => {
        const proposals: Proposal[] | null = readProposals(JSON.stringify({ categories }), { first: 1, count: 25 });
        if (proposals === null) return;
        const taxonomy = parseTaxonomy(proposedYaml(withoutShared(proposals), PROVENANCE), "t.yaml");
        expect(taxonomy.dimensions[0]?.labels).toHaveLength(proposals.length + 1);
        expect(checkTaxonomy(taxonomy).filter(({ level }) => level === "error")).toEqual([]);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
