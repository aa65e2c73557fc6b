import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { both, has, only, queryOf, type Term, termsOf, toggled, without } from "../../web/query.ts";
import { commonChips } from "../../web/query-chips.ts";

describe("a query", () => {
  it("is taken apart into fields, comparisons and words", () => {
    expect(termsOf('category:billing,refund -decidedBy:person urgency:>=high "two words" late')).toEqual([
      { negated: false, field: "category", comparison: "", values: ["billing", "refund"] },
      { negated: true, field: "decidedBy", comparison: "", values: ["person"] },
      { negated: false, field: "urgency", comparison: ">=", values: ["high"] },
      { negated: false, field: null, comparison: "", values: ["two words"] },
      { negated: false, field: null, comparison: "", values: ["late"] },
    ]);
  });

  it("keeps a comparison without a colon when a filter is added by a press", () => {
    const pressed = toggled("confidence<0.6", "review", "yes");
    expect(pressed).toBe("confidence:<0.6 review:yes");
    expect(toggled('"a<b"', "review", "yes")).toBe('"a<b" review:yes');
  });

  it("is the same after it was taken apart and put together", () => {
    const value = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => !/\s/.test(text.replaceAll(" ", "")));
    const words = value.map((text): Term => ({ negated: false, field: null, comparison: "", values: [text] }));
    const named = fc.record({
      negated: fc.boolean(),
      field: fc.constantFrom("category", "labels.topic", "decidedBy"),
      comparison: fc.constantFrom("", "<=", ">" as const),
      values: fc.array(
        value.filter((text) => !/^[<>=]/.test(text)),
        { minLength: 1, maxLength: 3 },
      ),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(words, named as fc.Arbitrary<Term>), { maxLength: 4 }), (terms) => {
        expect(termsOf(queryOf(terms))).toEqual(terms);
      }),
    );
  });

  it("keeps what is not closed", () => {
    expect(termsOf('"not closed')).toEqual([{ negated: false, field: null, comparison: "", values: ["not closed"] }]);
    expect(termsOf("  ")).toEqual([]);
  });

  it("gains and loses values of a field", () => {
    const one = toggled("late", "category", "billing");
    expect(one).toBe("late category:billing");
    const two = toggled(one, "category", "refund");
    expect(two).toBe("late category:billing,refund");
    expect(has(two, "category", "refund")).toBe(true);
    expect(toggled(toggled(two, "category", "billing"), "category", "refund")).toBe("late");
    expect(toggled("-category:billing", "category", "billing")).toBe("-category:billing category:billing");
    expect(has("-category:billing", "category", "billing")).toBe(false);
  });

  it("loses one term by its place", () => {
    expect(without('a "b c" d', 1)).toBe("a d");
  });

  it("is made for links", () => {
    expect(both(only("outcome", "classified"), "", only("queue", "two words"))).toBe(
      'outcome:classified queue:"two words"',
    );
  });
});

describe("common filters", () => {
  it("name the ends of the scales, whichever way the taxonomy lists them", () => {
    const labels = (...ids: string[]) => ids.map((id) => ({ id }));
    const chips = commonChips([
      { id: "category", labels: labels("a", "b") },
      { id: "sentiment", labels: labels("very_negative", "neutral", "positive") },
      { id: "urgency", labels: labels("critical", "low") },
    ]);
    expect(chips).toContainEqual({ text: "very negative", field: "sentiment", value: "very_negative" });
    expect(chips).toContainEqual({ text: "critical", field: "urgency", value: "critical" });
    expect(commonChips([]).map(({ field }) => field)).not.toContain("urgency");
  });
});
