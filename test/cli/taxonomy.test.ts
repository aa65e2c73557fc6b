import { expect, test } from "vitest";
import { lastEvent, makeWorkspace } from "../support/workspace.ts";

const SHOP = `dimensions:
  category:
    labels:
      - { id: refund, description: the money back }
      - { id: refunds, description: things sent back }
      - { id: other, description: the rest }
`;

test("check names file, line and column of what it finds, and fails for errors only", async () => {
  const space = makeWorkspace();
  space.write("shop.yaml", SHOP);
  const warned = await space.querymill(["taxonomy", "check", "shop.yaml"]);
  expect(warned).toMatchObject({ code: 0, stderr: "" });
  expect(warned.stdout).toMatch(
    /▲ shop\.yaml:5:15 category\.refunds\n {4}"refunds" and "refund" of refund differ by an s/,
  );
  expect(warned.stdout).toMatch(/every call +about \d+ – \d+ tokens of taxonomy before the text/);
  expect(warned.stdout).toMatch(/\n1 warning\n$/);

  space.write("bad.yaml", `${SHOP}  urgency: { labels: [high], choices: one }\n`);
  const failed = await space.querymill(["taxonomy", "check", "bad.yaml", "--json"]);
  expect(failed.code).toBe(2);
  expect(lastEvent(failed.stdout)).toMatchObject({
    event: "taxonomy:check",
    file: "bad.yaml",
    errors: 2,
    findings: [
      { level: "error", path: "urgency.labels", line: 7, column: 22 },
      { level: "error", path: "urgency.choices", line: 7 },
    ],
  });

  const priced = await space.querymill(["taxonomy", "check", "shop.yaml", "--model", "openai/gpt-5-mini", "--json"]);
  expect(lastEvent(priced.stdout)).toMatchObject({
    file: "shop.yaml",
    version: expect.stringMatching(/^t-/),
    warnings: 1,
    fixedPrompt: { model: "openai/gpt-5-mini", usdPer1000: { from: expect.any(Number), to: expect.any(Number) } },
  });
});

test("check takes the taxonomy of the settings, else the built-in one", async () => {
  const space = makeWorkspace();
  expect((await space.querymill(["taxonomy", "check"])).stdout).toMatch(
    /^the built-in taxonomy .* 22 labels\n[\s\S]*Nothing to mend/,
  );
  space.write("shop.yaml", SHOP);
  space.write("querymill.yaml", "taxonomy: shop.yaml\n");
  expect((await space.querymill(["taxonomy", "check"])).stdout).toMatch(/shop\.yaml .* 3 labels/);
});

test("diff says what changed and what to do about stored records", async () => {
  const space = makeWorkspace();
  space.write("a.yaml", SHOP);
  space.write("b.yaml", SHOP.replace("id: refunds", "id: returns, aliases: [refunds]"));
  const { code, stdout } = await space.querymill(["taxonomy", "diff", "a.yaml", "b.yaml"]);
  expect(code).toBe(0);
  expect(stdout).toContain("~ renamed  category.refunds → category.returns");
  expect(stdout).toContain("1 label is renamed: a record from before keeps the old name.");
  expect(stdout).toMatch(/run --reclassify stale --dry-run/);
  const same = await space.querymill(["taxonomy", "diff", "a.yaml", "a.yaml", "--json"]);
  expect(lastEvent(same.stdout)).toMatchObject({ event: "taxonomy:diff", changes: [], sameVersion: true });
});

test.each([
  [["taxonomy"], /taxonomy needs a command\. There are: check, diff/],
  [["taxonomy", "chek"], /Unknown command taxonomy chek\. Did you mean check\?/],
  [["taxonomy", "check", "none.yaml"], /none\.yaml cannot be read: there is no such file/],
  [["taxonomy", "check", "."], /is a folder/],
  [["taxonomy", "check", "--jsn"], /Unknown option --jsn\. Did you mean --json\?/],
  [["taxonomy", "diff", "default"], /missing required argument 'after'\. See .*taxonomy diff --help/],
])("%j is refused with what to do", async (args, message) => {
  const { code, stderr } = await makeWorkspace().querymill(args);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});
