import { expect, test } from "vitest";
import { BatchProcessor } from "../../src/index.ts";

test("an option that does not exist is refused with the nearest one", () => {
  expect(() => new BatchProcessor({ maxConcurent: 5 } as object)).toThrow(
    "BatchProcessor has no option maxConcurent. Did you mean maxConcurrent?",
  );
});

test("a value that cannot be is refused in the words of the options, not of the command line", async () => {
  const run = new BatchProcessor({ model: "offline", maxConcurrent: 0, continuousInterval: 0 }).run();
  await expect(run).rejects.toMatchObject({ code: "USAGE" });
  await expect(run).rejects.toThrow(/maxConcurrent: expected an integer[\s\S]*continuousInterval: expected/);
  await expect(run).rejects.not.toThrow(/--/);
});
