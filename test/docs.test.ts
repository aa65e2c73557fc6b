import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { optionsPage } from "../scripts/options-page.ts";
import { RULE_FIELDS } from "../src/config/notify-rule-fields.ts";
import { defaultRules, RULES, type RuleName } from "../src/notify/rule-settings.ts";
import { FAILURE_KINDS } from "../src/outcome.ts";

const page = (name: string): string => readFileSync(`docs/${name}`, "utf8");
const inBackticks = (line: string): string[] => [...line.matchAll(/`([\w-]+)`/g)].map(([, word]) => word!);
/** The first cells of a page's tables, behind a heading. */
const firstCells = (text: string): string[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => inBackticks(line.split("|")[1]!));

/** Members of a union type in a source file. */
function union(file: string, type: string): string[] {
  const body = new RegExp(`export type ${type} =([^;]+);`).exec(readFileSync(file, "utf8"))![1]!;
  return [...body.matchAll(/"([\w-]+)"/g)].map(([, word]) => word!);
}

test("the page of options is what the table of options says", () => {
  expect(page("options.md")).toBe(optionsPage());
});

test("the page of errors explains every code and every class of failure, and no others", () => {
  const [codes, classes] = page("errors.md").split("## Failures of single items");
  expect(firstCells(codes!).sort()).toEqual(union("src/errors.ts", "ErrorCode").sort());
  expect(firstCells(classes!).sort()).toEqual([...FAILURE_KINDS].sort());
});

test("the page of notification rules has each rule with its modes, its severity and its defaults", () => {
  const rows = page("notification-rules.md")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  expect(rows.map(([, rule]) => rule!.replaceAll("`", ""))).toEqual(Object.keys(RULES));
  for (const [, cell, , modes, defaults, severity, recovery] of rows) {
    const name = cell!.replaceAll("`", "") as RuleName;
    const rule = defaultRules("UTC")[name];
    const { modes: on } = RULES[name];
    expect(modes!.split(", ").sort(), name).toEqual(on.length === 3 ? ["all"] : on.toSorted());
    expect(severity, name).toContain(rule.severity);
    expect(recovery === "–", name).toBe(RULES[name].recovery === null);
    for (const [, setting, value] of defaults!.matchAll(/`(\w+)` ([\d., :]*\d)/g)) {
      expect(Object.keys(RULE_FIELDS[name]), name).toContain(setting);
      expect(String(rule[setting as keyof typeof rule]), `${name} ${setting}`).toBe(value!.replaceAll(", ", ","));
    }
  }
});
