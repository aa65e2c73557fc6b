import type { Command } from "commander";
import { readTaxonomyFile } from "../config/taxonomy-file.ts";
import { type Change, diffTaxonomies, type TaxonomyDiff } from "../taxonomies/diff.ts";
import { count, type Look, left, symbols } from "./format.ts";
import { asTyped } from "./program.ts";
import { openScreen } from "./screen.ts";
import { makeTaxonomyCommand } from "./taxonomy-command.ts";

/** `querymill taxonomy diff A B`: what changed from one taxonomy to another, and what that means for stored records. */
export function diffCommand(): Command {
  const command = makeTaxonomyCommand(
    "diff",
    "Compares two taxonomies and says what the change means for stored records. Asks no model and no store.",
    `querymill taxonomy diff shop-old.yaml shop.yaml
querymill taxonomy diff default shop.yaml --json`,
    { usage: "[options] <before> <after>", keys: ["json"] },
  );
  command.argument("<before>", "a file, or default for the built-in taxonomy");
  command.argument("<after>", "a file, or default");
  return command.action(async (before: string, after: string, flags: { json?: boolean }) => {
    process.exitCode = await diff(before, after, flags.json === true);
  });
}

async function diff(beforePath: string, afterPath: string, json: boolean): Promise<number> {
  const [before, after] = [await readTaxonomyFile(beforePath), await readTaxonomyFile(afterPath)];
  const found = diffTaxonomies(before.taxonomy, after.taxonomy);
  const screen = openScreen();
  if (json) {
    screen.json({
      event: "taxonomy:diff",
      before: { file: before.name, version: before.taxonomy.version },
      after: { file: after.name, version: after.taxonomy.version },
      ...found,
      meaning: meaningOf(found),
    });
    return 0;
  }
  const { to, dot } = symbols(screen.look.ascii);
  screen.printWhole([
    `${before.name} ${dot} ${before.taxonomy.version}  ${to}  ${after.name} ${dot} ${after.taxonomy.version}`,
    "",
    ...found.changes.map((change) => changeLine(change, screen.look)),
    ...(found.changes.length > 0 ? [""] : []),
    ...meaningOf(found).map(asTyped),
  ]);
  return 0;
}

const SIGNS = {
  added: ["+", "green"],
  removed: ["-", "red"],
  renamed: ["~", "cyan"],
  moved: ["~", "cyan"],
  changed: ["~", "yellow"],
  spelled: ["~", "dim"],
} as const;

function changeLine({ kind, path, before, what }: Change, look: Look): string {
  const [sign, format] = SIGNS[kind];
  const { to } = symbols(look.ascii);
  const place = before === undefined ? path : `${before} ${to} ${path}`;
  return `  ${look.style(format, `${sign} ${left(kind, 8)}`)} ${left(place, 36)} ${look.style("dim", what)}`.trimEnd();
}

/** What a change means for records that were made before it. */
function meaningOf({ changes, samePrompt, sameVersion }: TaxonomyDiff): string[] {
  if (sameVersion)
    return ["The content is the same, so records of both are alike: nothing has to be classified again."];
  if (samePrompt)
    return [
      "A model is asked the very same: only the names that its answers are recognised by changed.",
      "Records stay as they are; go on with  querymill run --accept-changes",
    ];
  const of = (kind: Change["kind"]): number =>
    changes.filter((change) => change.kind === kind && change.of === "label").length;
  const [added, removed, renamed, moved] = [of("added"), of("removed"), of("renamed"), of("moved")];
  return [
    ...(added > 0 ? [`${labels(added)} new: a record from before has none of them, whatever its text says.`] : []),
    ...(removed > 0 ? [`${labels(removed)} gone: a record that has one keeps it until it is classified again.`] : []),
    ...(renamed > 0 ? [`${labels(renamed)} renamed: a record from before keeps the old name.`] : []),
    ...(moved > 0 ? [`${labels(moved)} elsewhere: a record from before shows the old place.`] : []),
    "Records from before stay as they are, and new ones are not comparable with them.",
    "  How many, and what they cost:  querymill run --reclassify stale --dry-run",
    "  Classify them again:           querymill run --reclassify stale",
    "  Only new items, from now on:   querymill run --accept-changes",
  ];
}

function labels(items: number): string {
  return items === 1 ? "1 label is" : `${count(items)} labels are`;
}
