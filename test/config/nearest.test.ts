import fc from "fast-check";
import { expect, test } from "vitest";
import { didYouMean, editDistance, nearest } from "../../src/config/nearest.ts";

test("finds what was meant, whatever the case and the hyphens", () => {
  const flags = ["--batch-size", "--batch-dir", "--budget", "--base-url"];
  expect(nearest("--batchsize", flags)).toEqual(["--batch-size"]);
  expect(nearest("--BATCH_SIZE", flags)).toEqual(["--batch-size"]);
  expect(didYouMean("--bugdet", flags)).toBe(" Did you mean --budget?");
  expect(didYouMean("--zzz", flags)).toBe("");
});

test("counts a swap of neighbours as one edit", () => {
  expect([editDistance("abcd", "abdc"), editDistance("", "abc"), editDistance("kitten", "sitting")]).toEqual([1, 3, 3]);
});

test("is a distance: nothing to itself, the same both ways", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, a)).toBe(0);
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
    { seed: 7, numRuns: 200 },
  );
});
