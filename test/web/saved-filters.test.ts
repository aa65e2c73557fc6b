import { expect, it } from "vitest";
import { filtersIn } from "../../web/items/saved-filters.ts";

it("what was kept is read as far as it can be understood, whoever has written there", () => {
  const good = { name: "angry", q: "sentiment:negative" };
  expect(filtersIn(JSON.stringify([good, { name: 7, q: "x" }, null, "text", { name: "", q: "x" }]))).toEqual([good]);
  for (const text of [null, "", "{", "7", '{"name":"a"}']) expect(filtersIn(text)).toEqual([]);
  const many = Array.from({ length: 50 }, (_, at) => ({ name: `n${at}`, q: "x" }));
  expect(filtersIn(JSON.stringify(many))).toHaveLength(30);
});
