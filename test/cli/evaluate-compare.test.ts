import { readFileSync, statSync } from "node:fs";
import { expect, test } from "vitest";
import { csv, labelledSpace, manyRows, OFFLINE } from "../support/labelled.ts";
import { lastEvent, serveModel } from "../support/workspace.ts";

test("two models are compared on the same rows, also later from what was saved", async () => {
  const made = labelledSpace(manyRows(40));
  const server = await serveModel();
  const flags = ["evaluate", "labelled.csv", "--taxonomy", "shop.yaml", "--base-url", server.baseUrl];
  const both = await made.querymill([
    ...flags,
    "--model",
    "m-1",
    "--against",
    "offline",
    "--json",
    "--output",
    "a.json",
  ]);
  expect(both.code).toBe(0);
  const { comparison } = lastEvent(both.stdout) as { comparison: { dimensions: Record<string, unknown>[] } };
  expect(comparison).toMatchObject({
    first: { model: "openai-compatible/m-1" },
    second: { model: "offline" },
    dimensions: [{ dimension: "category", rows: 40 }],
  });
  const [{ test: counted, first, second, differing }] = comparison.dimensions as [Record<string, unknown>];
  const { onlyFirst, onlySecond, pValue } = counted as Record<string, number>;
  expect((onlySecond! - onlyFirst!) / 40).toBeCloseTo(shareOf(second) - shareOf(first), 10);
  expect(pValue).toBeGreaterThan(0);
  expect((differing as { right: string }[]).filter(({ right }) => right === "first")).toHaveLength(onlyFirst!);
  expect((await made.querymill([...flags, "--model", "m-1", "--against", "offline"])).stdout).toMatch(
    /McNemar p [=<] /,
  );

  await made.querymill([...OFFLINE.filter((word) => !/^(--id-column|id)$/.test(word)), "--json", "--output", "b.json"]);
  const saved = await made.querymill(["evaluate", "a.json", "b.json", "--json"]);
  expect(saved.code).toBe(0);
  expect(lastEvent(saved.stdout).comparison).toEqual(comparison);
  expect(statSync(made.path("a.json")).mode & 0o777).toBe(0o600);
  expect(readFileSync(made.path("a.json"), "utf8")).not.toContain("where is parcel");

  made.write("labelled.csv", csv(manyRows(39)));
  await made.querymill([...OFFLINE, "--json", "--output", "c.json"]);
  const other = await made.querymill(["evaluate", "a.json", "c.json"]);
  expect(other.code).toBe(2);
  expect(other.stderr).toContain("different data");
});

const shareOf = (interval: unknown): number => (interval as { value: number }).value;

test("--sample draws the same rows each time, and a larger sample holds a smaller one", async () => {
  const made = labelledSpace(manyRows(50));
  const drawn = async (n: number): Promise<string[]> => {
    const { stdout } = await made.querymill([
      ...OFFLINE,
      "--sample",
      String(n),
      "--json",
      "--overwrite",
      "--output",
      "s.json",
    ]);
    expect(lastEvent(stdout)).toMatchObject({ rows: { read: 50, notDrawn: 50 - n, scored: n } });
    const { answers } = JSON.parse(readFileSync(made.path("s.json"), "utf8")) as { answers: { id: string }[] };
    return answers.map(({ id }) => id);
  };
  const ten = await drawn(10);
  const twenty = await drawn(20);
  expect(await drawn(10)).toEqual(ten);
  expect(twenty).toEqual(expect.arrayContaining(ten));
});
