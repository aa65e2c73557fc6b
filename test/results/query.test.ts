import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { parseQuery, type QueryContext, queryFor } from "../../src/results/query.ts";
import type { Taxonomy } from "../../src/taxonomy.ts";

const taxonomy: Taxonomy = {
  ...DEFAULT_TAXONOMY,
  dimensions: [
    ...DEFAULT_TAXONOMY.dimensions,
    { id: "topic", description: "", choose: "many", required: false, labels: [label("billing"), label("login")] },
  ],
  fields: [{ id: "order_id", type: "string", description: "", required: false }],
};
const categories = taxonomy.dimensions.find(({ id }) => id === "category")!.labels.map(({ id }) => id);
const [first, second] = categories as [string, string];
const context: QueryContext = { taxonomy, nowMs: Date.UTC(2026, 10, 26, 12), timezone: "Europe/Berlin" };
const read = (text: string) => parseQuery(text, context);

function label(id: string) {
  return { id, description: "", aliases: [], examples: [] };
}

describe("a query", () => {
  it("becomes conditions on records, all of which hold", () => {
    expect(
      read(
        `category:${first},${second.toUpperCase()} topic:login -by:person confidence<0.6 confidence.urgency>=0.2 language:de run:20261126T* review:yes cost>0.01 fields.order_id:"A 1" "charged twice" -refund`,
      ).selection.conditions,
    ).toEqual([
      { field: "category", is: "in", values: [first, second], not: false },
      { field: "labels.topic", is: "in", values: ["login"], not: false },
      { field: "decidedBy", is: "in", values: ["person"], not: true },
      { field: "confidence.category", is: "<", values: [0.6], not: false },
      { field: "confidence.urgency", is: ">=", values: [0.2], not: false },
      { field: "language", is: "in", values: ["de"], not: false },
      { field: "executionId", is: "begins", values: ["20261126T"], not: false },
      { field: "needsReview", is: "in", values: [true], not: false },
      { field: "costUsd", is: ">", values: [0.01], not: false },
      { field: "fields.order_id", is: "in", values: ["A 1"], not: false },
      { field: "summary", is: "contains", values: ["charged twice"], not: false },
      { field: "summary", is: "contains", values: ["refund"], not: true },
    ]);
    expect(read("urgency:none cost:none").selection.conditions.map(({ values }) => values)).toEqual([[null], [null]]);
  });

  it("understands names and forms that others use, and writes them in its own", () => {
    expect(read("decidedBy:person execution:x confidence:<0.6 -confidence:>=0.9").text).toBe(
      "by:person run:x confidence<0.6 -confidence>=0.9",
    );
    expect(read("outcome:deadLetter failure:content").text).toBe("outcome:dead failure:content");
    const urgencies = taxonomy.dimensions.find(({ id }) => id === "urgency")!.labels.map(({ id }) => id);
    expect(read(`urgency:>=${urgencies[1]}`).selection.conditions).toEqual([
      { field: "urgency", is: "in", values: urgencies.slice(1), not: false },
    ]);
    expect(read(`urgency<${urgencies[1]}`).selection.conditions[0]?.values).toEqual(urgencies.slice(0, 1));
  });

  it("means days in the zone it is told, the last day included", () => {
    const iso = (text: string) => {
      const { fromMs, toMs } = read(text).selection;
      return [fromMs, toMs].map((ms) => (ms === null ? null : new Date(ms).toISOString()));
    };
    expect(iso("since:2026-11-01 until:2026-11-02")).toEqual(["2026-10-31T23:00:00.000Z", "2026-11-02T23:00:00.000Z"]);
    // The clocks went back on 25 October: that day had 25 hours.
    expect(iso("since:2026-10-25 until:2026-10-25")).toEqual(["2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"]);
    expect(iso("since:today until:today")).toEqual(["2026-11-25T23:00:00.000Z", "2026-11-26T23:00:00.000Z"]);
    expect(iso("since:7d until:30min")).toEqual(["2026-11-19T12:00:00.000Z", "2026-11-26T11:30:00.000Z"]);
    expect(iso("since:2026-11-01T10:00 until:2026-11-01T10:00Z")).toEqual([
      "2026-11-01T09:00:00.000Z",
      "2026-11-01T10:00:00.000Z",
    ]);
  });

  it("takes an id for everything that it can mean", () => {
    expect(read("id:17,T-1042").selection.keys).toEqual(['"17"', '{"$numberInt":"17"}', '"T-1042"']);
    expect(read('id:{"$oid":"64b000000000000000000000"}').selection.keys).toContain(
      '{"$oid":"64b000000000000000000000"}',
    );
  });

  it("asks for other outcomes by what those items have", () => {
    expect(read("outcome:dead queue:model failure:content refused")).toMatchObject({
      outcome: "dead",
      text: 'outcome:dead queue:model failure:content "refused"',
    });
    expect(read("outcome:Classified")).toMatchObject({ outcome: "classified", text: "" });
  });

  it("says what is wrong, what is allowed and what is nearest", () => {
    const messages: [string, RegExp][] = [
      ["categry:x", /"categry:x": there is no field categry\. Did you mean category\? Fields: category, .*"categry:x"/],
      [
        `category:${first.slice(0, -1)}`,
        new RegExp(`category has no .* Did you mean ${first}\\? There are: .*none\\.`),
      ],
      ["by:persn", /Did you mean person\? There are: model, cache/],
      ["confidence<high", /high is no number/],
      ["confidence<0.1,0.2", /compares with one number/],
      ["language>de", /language is no number/],
      ["since:2026-02-30", /"since:2026-02-30" is no time\. Write since: and 2026-11-01/],
      ["since:7d since:8d", /since is said twice/],
      ["outcome:ded", /Did you mean dead\?/],
      ["outcome:dead outcome:retry", /outcome is said twice/],
      ["outcome:dead urgency:high", /urgency is something that only classified items have/],
      ["outcome:pending words", /words are looked for in summaries/],
      ["failure:content", /only items that failed have a failure\. Add outcome:dead/],
      ["-id:3", /cannot be excluded/],
      ["category:", /has no value/],
      ['"open', /A quote is open/],
      ['""', /nothing between the quotes/],
      ["run:a*,b", /a value with \* stands alone/],
      ["x".repeat(2_001), /2,001 characters long; 2000 are the most/],
      ["a ".repeat(41), /41 parts; 40 are the most/],
    ];
    for (const [text, message] of messages) {
      expect(() => read(text), text).toThrowError(expect.objectContaining({ code: "USAGE" }));
      expect(() => read(text), text).toThrowError(message);
    }
  });

  it("is the same query when its one way to be written is read again", () => {
    const value = fc.oneof(
      fc
        .string({ minLength: 1, maxLength: 12 })
        .filter((text) => text.trim() !== "")
        .map((text) => JSON.stringify(text).replaceAll(/\\(?!["\\])/g, "")),
      fc.constantFrom("de", "a*", "x-y", "0.5", "-1"),
    );
    const part = fc.oneof(
      fc.tuple(fc.constantFrom("", "-"), fc.constantFrom("language:", "run:", "model:", "reason:"), value),
      fc.tuple(fc.constantFrom("", "-"), fc.constantFrom("category:", "Category:"), fc.constantFrom(...categories)),
      fc.tuple(
        fc.constantFrom("", "-"),
        fc.constantFrom("cost", "confidence"),
        fc.constantFrom("<0.5", ">=1e-3", ":2"),
      ),
      fc.tuple(fc.constantFrom("", "-"), fc.constant(""), value),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const text = parts.map((one) => one.join("")).join("  ");
        let query: ReturnType<typeof read>;
        try {
          query = read(text);
        } catch {
          return;
        }
        expect(read(query.text)).toEqual(query);
      }),
      { numRuns: 500 },
    );
    expect(read(queryFor("category", first, second)).selection.conditions[0]?.values).toEqual([first, second]);
    expect(read(queryFor("topic", "login")).text).toBe("topic:login");
  });

  it("takes labels of an earlier taxonomy in quotes, and knows the fields of any taxonomy", async () => {
    expect(read('category:"gone_label"').selection.conditions[0]?.values).toEqual(["gone_label"]);
    expect(read("category:none").selection.conditions[0]?.values).toEqual([null]);
  });
});
