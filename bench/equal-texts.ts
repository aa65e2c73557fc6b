// How many texts of labelled files are equal by what counts as the same, and how often equal ones have one label:
// node bench/equal-texts.ts FILE.jsonl …   (lines of {"text", "label"})
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { sameText } from "../src/lanes/answer-key.ts";

const forms: Readonly<Record<string, (text: string) => string>> = {
  exact: (text) => text,
  "the cache's": sameText,
  "no punctuation": (text) =>
    sameText(text)
      .replace(/[\p{P}\p{S}]+/gu, "")
      .replace(/\s+/g, " ")
      .trim(),
  "digits as 0 too": (text) =>
    sameText(text)
      .replace(/\d/g, "0")
      .replace(/[\p{P}\p{S}]+/gu, "")
      .replace(/\s+/g, " ")
      .trim(),
};
const byFolder = Map.groupBy(process.argv.slice(2), (file) => basename(dirname(file)));
for (const [folder, files] of byFolder) {
  const rows = files
    .flatMap((file) => readFileSync(file, "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { text?: string; label?: string })
    .filter(
      (row): row is { text: string; label: string } => typeof row.text === "string" && typeof row.label === "string",
    );
  for (const [name, form] of Object.entries(forms)) {
    const first = new Map<string, string>();
    let hits = 0;
    let alike = 0;
    for (const { text, label } of rows) {
      const same = form(text);
      const before = first.get(same);
      if (before === undefined) first.set(same, label);
      else {
        hits += 1;
        if (before === label) alike += 1;
      }
    }
    const purity = hits === 0 ? "" : `, ${((alike / hits) * 100).toFixed(1)} % of them with the label of the first`;
    console.log(`${folder.padEnd(12)} ${name.padEnd(16)} ${hits} of ${rows.length} asked before${purity}`);
  }
}
