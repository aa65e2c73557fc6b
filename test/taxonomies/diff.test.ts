import { describe, expect, it } from "vitest";
import { parseTaxonomy } from "../../src/config/taxonomy.ts";
import { diffTaxonomies } from "../../src/taxonomies/diff.ts";

const BEFORE = `
dimensions:
  category:
    labels:
      - { id: billing, description: charges and invoices, examples: [I was charged twice] }
      - { id: parcel, description: where it is, aliases: [shipping] }
      - { id: goods_back, description: things sent back to the shop }
      - { id: fraud, description: somebody else paid with my card }
      - { id: praise, description: the customer is glad }
      - { id: other, description: the rest, aliases: [misc] }
  mood: { labels: [glad, sad] }
fields: { amount: number, order: string }
`;

function changes(after: string, before = BEFORE): string[] {
  const diff = diffTaxonomies(parseTaxonomy(before, "a.yaml"), parseTaxonomy(after, "b.yaml"));
  return diff.changes.map(({ kind, path, before: old, what }) =>
    [kind, old === undefined ? path : `${old} > ${path}`, what].filter((part) => part !== "").join(" | "),
  );
}

describe("the difference of two taxonomies", () => {
  it("is none for the same content in another order or under another name", () => {
    const other = `name: x\n${BEFORE.replace("mood: { labels: [glad, sad] }", "mood: { labels: [sad, glad] }")}`;
    const diff = diffTaxonomies(parseTaxonomy(BEFORE, "a.yaml"), parseTaxonomy(other, "b.yaml"));
    expect(diff).toMatchObject({ changes: [], sameVersion: true });
  });

  it("tells added, removed, renamed, moved and changed apart", () => {
    expect(
      changes(`
summary: false
dimensions:
  category:
    labels:
      - { id: billing, description: charges and invoices, examples: [I paid two times] }
      - { id: shipping, description: where it is }
      - { id: returns, description: things sent back to the shop }
      - { id: security, description: somebody else paid with my card or account }
      - { id: complaint, description: not glad at all }
      - { id: other, description: the rest, aliases: [misc, rest] }
  tone: { labels: [praise, blame] }
fields: { amount: string, due: date }
`),
    ).toEqual([
      "changed | category.billing | other examples",
      "spelled | category.other | other aliases",
      "renamed | category.parcel > category.shipping | by its alias",
      "renamed | category.goods_back > category.returns | by the same description",
      expect.stringMatching(/^renamed \| category\.fraud > category\.security \| by alike words \(\d+ %\)$/),
      "changed | category.security | another description",
      "added | category.complaint",
      "removed | category.praise",
      "added | tone | 2 labels",
      "removed | mood | 2 labels",
      "changed | fields.amount | number before, string now",
      "added | fields.due | date",
      "removed | fields.order | string",
      "removed | summary | not asked for any more",
    ]);
  });

  it("follows a label to another parent and to another dimension", () => {
    const tree = (parent: string, topics: string, more = ""): string => `
dimensions:
  category: { labels: [a_one, b_two] }
  subcategory:
    labels:
      - { id: leaf, parent: ${parent} }
      - { id: twig, parent: a_one }${more}
  topics: { choose: many, labels: [${topics}] }
`;
    expect(
      changes(tree("b_two", "x_1, y_2, seed"), tree("a_one", "x_1, y_2", "\n      - { id: seed, parent: a_one }")),
    ).toEqual([
      "moved | subcategory.leaf | parent: a_one before, b_two now",
      "moved | subcategory.seed > topics.seed | to another dimension",
    ]);
  });

  it("knows that other aliases ask a model nothing else", () => {
    const spelled = BEFORE.replace("aliases: [misc]", "aliases: [misc, rest]");
    const diff = diffTaxonomies(parseTaxonomy(BEFORE, "a.yaml"), parseTaxonomy(spelled, "b.yaml"));
    expect(diff).toMatchObject({ samePrompt: true, sameVersion: false });
    const described = BEFORE.replace("description: the rest", "description: what is left");
    expect(diffTaxonomies(parseTaxonomy(BEFORE, "a.yaml"), parseTaxonomy(described, "b.yaml")).samePrompt).toBe(false);
  });
});
