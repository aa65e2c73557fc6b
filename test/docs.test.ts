import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { optionsPage } from "../scripts/options-page.ts";

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
  const known = [...union("src/errors.ts", "FailureClass"), ...union("src/outcome.ts", "FailureKind")];
  expect(firstCells(classes!).sort()).toEqual(known.sort());
});
