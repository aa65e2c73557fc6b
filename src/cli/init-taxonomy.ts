import { resolve } from "node:path";
import { loadSettings } from "../config/load.ts";
import { DEFAULT_TAXONOMY } from "../default-taxonomy.ts";
import type { JobSettings } from "../job.ts";
import { readExamples } from "../jobs/read-examples.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { BACK, type Back, type Questions } from "./init-questions.ts";
import { exists } from "./init-write.ts";

/** Which categories there are. */
export interface TaxonomyAnswer {
  /** As the settings name it; null for the built-in ones. */
  readonly file: string | null;
  /** Text of a file that is written with the settings; null when there is none to write. */
  readonly starts: string | null;
}

const STARTED = "taxonomy.yaml";

export async function askTaxonomy(ask: Questions, cwd: string): Promise<TaxonomyAnswer | Back> {
  for (;;) {
    const there = await exists(resolve(cwd, STARTED));
    const answer = await ask.choose("Which categories?", [
      {
        value: "built-in",
        label: "the built-in ones",
        hint: DEFAULT_TAXONOMY.dimensions.map(({ id, labels }) => `${labels.length} × ${id}`).join(", "),
      },
      ...(there ? [] : [{ value: "start", label: "start a file to edit", hint: `${STARTED}, from the built-in ones` }]),
      { value: "file", label: "a file of mine" },
    ]);
    if (answer === BACK) return BACK;
    if (answer === "built-in") return { file: null, starts: null };
    if (answer === "start") return { file: STARTED, starts: await startedTaxonomy(DEFAULT_TAXONOMY) };
    const file = await ask.line("File with your categories, YAML or JSON (empty: back)", there ? STARTED : "");
    if (file === BACK) continue;
    const settings = await ask.attempt("Reading it", () => settingsWith({ taxonomy: file }, cwd));
    if (settings === null) continue;
    ask.say(describe(settings.taxonomy));
    return { file, starts: null };
  }
}

/** A file of labelled texts for the offline classifier; null for none. */
export async function askExamples(
  ask: Questions,
  taxonomy: TaxonomyAnswer,
  cwd: string,
): Promise<string | null | Back> {
  const answer = await ask.choose("Have you labelled texts? The offline classifier learns from them.", [
    { value: "no", label: "no" },
    { value: "yes", label: "yes", hint: "a CSV, JSONL or Parquet file with the columns text and category" },
  ]);
  if (answer !== "yes") return answer === BACK ? BACK : null;
  for (;;) {
    const file = await ask.line("File with labelled texts (empty: back)", "labelled.csv");
    if (file === BACK) return BACK;
    const flags = {
      examples: file,
      ...(taxonomy.file === null || taxonomy.starts !== null ? {} : { taxonomy: taxonomy.file }),
    };
    const found = await ask.attempt("Reading it", async () => {
      const { settings } = await loadSettings({
        flags: { ...flags, model: "offline" },
        env: process.env,
        cwd,
        config: {},
      });
      return await readExamples(settings.examples!, settings.taxonomy);
    });
    if (found === null) continue;
    ask.say(found.notes.join(" "));
    return file;
  }
}

/** @returns the text of a taxonomy file to edit, made from one */
async function startedTaxonomy({ dimensions }: Taxonomy): Promise<string> {
  const { Document, isScalar, visit } = await import("yaml");
  const content = {
    name: "my-categories",
    dimensions: Object.fromEntries(
      dimensions.map(({ id, description, choose, required, labels }) => [
        id,
        {
          description,
          ...(choose === "many" ? { choose } : {}),
          required,
          labels: labels.map(({ id, description, examples, aliases, parent }) => ({
            id,
            description,
            ...(parent === undefined ? {} : { parent }),
            ...(aliases.length === 0 ? {} : { aliases: [...aliases] }),
            ...(examples.length === 0 ? {} : { examples: examples.slice(0, 3) }),
          })),
        },
      ]),
    ),
  };
  const document = new Document(content);
  visit(document, {
    Seq(_key, list) {
      list.flow = list.items.every(isScalar);
    },
  });
  return `# What is asked of every query. Change, add and remove labels; querymill schema --taxonomy describes the file.
# Descriptions tell labels apart; a few examples make answers surer. Changed labels mean other results:
# a run that was begun with the old ones says so.
${document.toString({ lineWidth: 110 })}`;
}

function describe({ name, dimensions }: Taxonomy): string {
  return `${name}: ${dimensions.map(({ id, labels }) => `${id} with ${labels.length} labels`).join(", ")}`;
}

async function settingsWith(flags: Record<string, unknown>, cwd: string): Promise<JobSettings> {
  const { settings } = await loadSettings({ flags, env: process.env, cwd, config: {}, needsModel: false });
  return settings;
}
