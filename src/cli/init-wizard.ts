import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { mergeVariables } from "../config/sources.ts";
import type { InitAnswers } from "./init-file.ts";
import { askInput } from "./init-input.ts";
import { askModel } from "./init-model.ts";
import { BACK, type Back, Cancelled, openQuestions, type Questions } from "./init-questions.ts";
import { askEmbedded, askMongo, type FoundStore } from "./init-store.ts";
import { askExamples, askTaxonomy, type TaxonomyAnswer } from "./init-taxonomy.ts";
import { askText } from "./init-text.ts";
import { exists, nextSteps, prepareFiles, writeFiles } from "./init-write.ts";

/** What has been answered so far; a question before may have been answered anew. */
interface Answered {
  store: FoundStore;
  text: InitAnswers["text"];
  model: InitAnswers["model"];
  taxonomy: TaxonomyAnswer;
  examples: string | null;
}
type Step = (so: Answered) => Promise<Partial<Answered> | Back>;

/** Exit code of a person who left. */
const LEFT = 130;

/**
 * Asks question by question, each answer tested, and writes the files at the end.
 * @param path of the settings, absolute
 * @returns the exit code
 */
export async function wizard(path: string, cwd: string, overwrite: boolean): Promise<number> {
  const ask = await openQuestions(
    "Querymill: settings for this folder. Ctrl-C leaves; nothing is written before the end.",
  );
  try {
    const name = relative(cwd, path);
    if (
      !overwrite &&
      (await exists(path)) &&
      !(await ask.yes(`${name} is there already. Replace it at the end?`, false))
    )
      throw new Cancelled();
    const answered = await askAll(ask, cwd);
    const { store, text, model, taxonomy, examples } = answered;
    const answers: InitAnswers = { store: store.answer, text, model, taxonomy: taxonomy.file, examples };
    const more = new Map(taxonomy.starts === null ? [] : [[resolve(cwd, taxonomy.file!), taxonomy.starts]]);
    const files = await prepareFiles(answers, path, more);
    ask.note(files.texts.get(path)!.trimEnd(), name);
    const written = [...files.texts.keys()].map((file) => relative(cwd, file));
    if (!(await ask.yes(`Write ${written.join(", ")}?`, true))) throw new Cancelled();
    await writeFiles(files, cwd);
    ask.end(`Wrote ${written.join(", ")}.`);
    process.stdout.write(`${nextSteps(path, cwd).join("\n")}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof Cancelled)) throw error;
    ask.end("Left. Nothing was written.");
    return LEFT;
  }
}

async function askAll(ask: Questions, cwd: string): Promise<Answered> {
  const steps: readonly Step[] = [
    async () => named("store", await askStore(ask, cwd)),
    async ({ store }) => (store.settings === null ? { text: null } : named("text", await askText(ask, store.settings))),
    async () => named("model", await askModel(ask, cwd)),
    async () => named("taxonomy", await askTaxonomy(ask, cwd)),
    async ({ model, taxonomy }) =>
      model?.model === "offline" ? named("examples", await askExamples(ask, taxonomy, cwd)) : { examples: null },
  ];
  let answered: Partial<Answered> = {};
  for (let at = 0; at < steps.length; ) {
    const answer = await steps[at]!(answered as Answered);
    if (answer !== BACK) {
      answered = { ...answered, ...answer };
      at += 1;
    } else
      do at = Math.max(0, at - 1);
      while (at === 1 && answered.store?.settings === null);
  }
  return answered as Answered;
}

async function askStore(ask: Questions, cwd: string): Promise<FoundStore | Back> {
  const dotenv = await readFile(resolve(cwd, ".env"), "utf8").catch(() => null);
  const variable = mergeVariables(process.env, dotenv)("MONGODB_URI");
  for (;;) {
    const kind = await ask.choose(
      "Where are the queries?",
      [
        { value: "mongodb", label: "in MongoDB" },
        { value: "file", label: "in a file", hint: "CSV, JSONL or Parquet" },
        { value: "embedded", label: "in an embedded store", hint: "a file that querymill import filled" },
      ],
      undefined,
      false,
    );
    const found =
      kind === "mongodb"
        ? await askMongo(ask, variable, cwd)
        : kind === "embedded"
          ? await askEmbedded(ask, cwd)
          : await askFile(ask, cwd);
    if (found !== BACK) return found;
  }
}

async function askFile(ask: Questions, cwd: string): Promise<FoundStore | Back> {
  const answer = await askInput(ask, cwd);
  return answer === BACK ? BACK : { answer, settings: null };
}

function named<K extends keyof Answered>(key: K, answer: Answered[K] | Back): Partial<Answered> | Back {
  return answer === BACK ? BACK : ({ [key]: answer } as unknown as Partial<Answered>);
}
