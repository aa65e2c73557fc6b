import { relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import { loadSettings } from "../config/load.ts";
import { parseStoreUri } from "../config/store-uri.ts";
import { QuerymillError } from "../errors.ts";
import { MODEL_PROVIDERS } from "../llm/providers.ts";
import { secretsOfUri } from "../redact.ts";
import type { InitAnswers } from "./init-file.ts";
import { exists, nextSteps, prepareFiles, writeFiles } from "./init-write.ts";
import { addOptions, makeCommand } from "./options.ts";

/** Settings that `--yes` takes from the command line. */
const TAKEN = [
  "store",
  "db",
  "sourceCollection",
  "targetCollection",
  "input",
  "output",
  "textColumn",
  "model",
  "baseUrl",
  "taxonomy",
  "examples.file",
] as const;

/** `querymill init`: asks, tests each answer, and writes a commented `querymill.yaml`. */
export function initCommand(): Command {
  const command = makeCommand(
    "init",
    "Asks where the queries are, what their text is, which model answers and what the categories are; tests each answer, spends nothing, and writes a commented querymill.yaml. Nothing is written before the end.",
    `querymill init
querymill init --yes --store mongodb://localhost/support --model openai/gpt-5-mini`,
  );
  command.addOption(new Option("--yes", "ask nothing: write a commented file with defaults and the flags given here"));
  command.addOption(new Option("--overwrite", "replace an existing file"));
  addOptions(command, TAKEN);
  command.addOption(new Option("--config <file>", "the file to write (default: querymill.yaml)"));
  command.addOption(new Option("--json", "with --yes: one line of JSON that says what was written"));
  return command.action(async (flags: Record<string, unknown>) => {
    process.exitCode = await init(flags);
  });
}

async function init({ yes, overwrite, config, json, ...flags }: Record<string, unknown>): Promise<number> {
  const cwd = process.cwd();
  const path = resolve(cwd, String(config ?? "querymill.yaml"));
  if (yes !== true) {
    if (!process.stdin.isTTY || !process.stdout.isTTY)
      throw refused(
        "init asks questions, and there is no terminal to ask at. Add --yes to write a commented file with defaults, and flags such as --store and --model to fill it in.",
      );
    if (Object.keys(flags).length > 0 || json === true)
      throw refused("Without --yes init asks for everything. Leave the other flags out, or add --yes.");
    const { wizard } = await import("./init-wizard.ts");
    return await wizard(path, cwd, overwrite === true);
  }
  if (overwrite !== true && (await exists(path)))
    throw refused(
      `${relative(cwd, path)} exists already and is not replaced unasked. Add --overwrite, or name another file with --config.`,
    );
  await loadSettings({ flags, env: process.env, cwd, config: {}, needsModel: false });
  const { answers, notes } = answersOf(flags, cwd);
  const files = await prepareFiles(answers, path, new Map());
  await writeFiles(files, cwd);
  const written = [...files.texts.keys()].map((file) => relative(cwd, file));
  if (json === true) process.stdout.write(`${JSON.stringify({ event: "init", written, notes })}\n`);
  else process.stdout.write([...notes, `Wrote ${written.join(", ")}.`, ...nextSteps(path, cwd), ""].join("\n"));
  return 0;
}

/** Flags as answers; a password among them is left out, and said so. */
function answersOf(flags: Readonly<Record<string, unknown>>, cwd: string): { answers: InitAnswers; notes: string[] } {
  const given = (name: string): string | null => (flags[name] === undefined ? null : String(flags[name]));
  const notes: string[] = [];
  const uri = given("store");
  const secret = uri !== null && secretsOfUri(uri).length > 0;
  if (secret)
    notes.push(
      "--store holds a password, so the file does not name it. Put it in the environment or in .env as MONGODB_URI.",
    );
  const names = {
    source: given("sourceCollection") ?? "conversation_set",
    target: given("targetCollection") ?? "sentimental_analysis",
  };
  const mongo = uri !== null && /^mongodb/i.test(uri);
  const input = given("input");
  const model = given("model");
  const db = given("db") ?? (mongo ? parseStoreUri(uri, cwd)?.db : null) ?? "querymill";
  return {
    notes,
    answers: {
      store:
        input !== null
          ? {
              kind: "file",
              input,
              output: given("output") ?? "results.csv",
              textColumn: given("textColumn"),
              preset: null,
            }
          : mongo
            ? { kind: "mongodb", uri: secret ? null : uri, db, ...names }
            : uri !== null
              ? { kind: "embedded", path: uri, ...names }
              : null,
      text: null,
      model:
        model === null ? null : { model, baseUrl: given("baseUrl"), keyVariable: usualKey(model, given("baseUrl")) },
      taxonomy: given("taxonomy"),
      examples: given("examples"),
    },
  };
}

/** The variable that usually holds the key of a provider; null with a server of one's own. */
function usualKey(model: string, baseUrl: string | null): string | null {
  if (baseUrl !== null) return null;
  return MODEL_PROVIDERS[model.split("/")[0]!]?.keyVariable ?? null;
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
