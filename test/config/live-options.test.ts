import { expect, test } from "vitest";
import { partOf } from "../../src/cli/reload.ts";
import { ENDPOINT_FIELDS } from "../../src/config/endpoint-fields.ts";
import { OPTION_KEYS, optionOf } from "../../src/config/schema.ts";

test("each option is either taken by a reload, which then knows where it belongs, or waits for a restart", () => {
  expect(OPTION_KEYS.filter((key) => optionOf(key).live)).toEqual(
    OPTION_KEYS.filter((key) => partOf(key) !== undefined),
  );
  expect(OPTION_KEYS.filter((key) => optionOf(key).live)).toContain("budget.usd");
});

test("nothing that says which job it is, what is asked or what is read is taken by a reload", () => {
  const fixed = ["job", "store", "db", "model", "baseUrl", "taxonomy", "mode", "batchDir", "filter", "redact"] as const;
  for (const key of fixed) expect(optionOf(key).live, key).toBe(false);
  for (const field of ["name", "model", "baseUrl", "fallback"] as const)
    expect(ENDPOINT_FIELDS[field].live, field).toBe(false);
  for (const field of ["weight", "concurrent", "keyVariable", "limits.requestsPerMinute"] as const)
    expect(ENDPOINT_FIELDS[field].live, field).toBe(true);
});

test("what belongs to one run only is never taken by a reload", () => {
  for (const key of OPTION_KEYS) if (!optionOf(key).inFile) expect(optionOf(key).live, key).toBe(false);
});
