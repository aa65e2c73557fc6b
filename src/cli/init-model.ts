import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { loadSettings } from "../config/load.ts";
import { mergeVariables } from "../config/sources.ts";
import { endpointFindings } from "../jobs/endpoint-findings.ts";
import type { Finding } from "../jobs/finding.ts";
import { MODEL_PROVIDERS } from "../llm/providers.ts";
import type { InitAnswers } from "./init-file.ts";
import { BACK, type Back, type Questions } from "./init-questions.ts";

type Model = NonNullable<InitAnswers["model"]>;

const OWN_SERVER = "(own server)";
const OWN_KEY = "QUERYMILL_API_KEY";

/** Which model answers; says where its key is looked for, and tests for nothing that its host answers. */
export async function askModel(ask: Questions, cwd: string): Promise<Model | Back> {
  for (;;) {
    const isSet = await variablesIn(cwd);
    const provider = await ask.choose("Which model answers?", [
      { value: "offline", label: "offline", hint: "free, no key, no network; better with labelled texts of yours" },
      ...Object.entries(MODEL_PROVIDERS).map(([name, { keyVariable }]) => ({
        value: name,
        label: name,
        hint: keyVariable === null ? "no key needed" : `${keyVariable} ${isSet(keyVariable) ? "is set" : "is not set"}`,
      })),
      { value: OWN_SERVER, label: "another OpenAI-compatible server", hint: "by its address" },
    ]);
    if (provider === BACK) return BACK;
    if (provider === "offline") return { model: "offline", baseUrl: null, keyVariable: null };
    const model = provider === OWN_SERVER ? await askServer(ask) : await askName(ask, provider);
    if (model === BACK) continue;
    const usable = await test(ask, model, cwd);
    if (usable)
      return { ...model, keyVariable: model.keyVariable ?? ((await variablesIn(cwd))(OWN_KEY) ? OWN_KEY : null) };
  }
}

async function askName(ask: Questions, provider: string): Promise<Model | Back> {
  const name = await ask.line(`Which model of ${provider}? Its name there (empty: back)`, "");
  const { keyVariable } = MODEL_PROVIDERS[provider]!;
  return name === BACK
    ? BACK
    : { model: `${provider}/${name.replace(`${provider}/`, "")}`, baseUrl: null, keyVariable };
}

async function askServer(ask: Questions): Promise<Model | Back> {
  const baseUrl = await ask.line("Address of the server, up to /v1 (empty: back)", "http://127.0.0.1:8000/v1");
  if (baseUrl === BACK) return BACK;
  const name = await ask.line("What does it call the model? (empty: back)", "");
  return name === BACK ? BACK : { model: name, baseUrl, keyVariable: null };
}

/** @returns false for another choice */
async function test(ask: Questions, { model, baseUrl }: Model, cwd: string): Promise<boolean> {
  const flags = { model, ...(baseUrl === null ? {} : { baseUrl }) };
  for (;;) {
    const findings = await ask.attempt("Trying the model's host", async () => {
      const { settings } = await loadSettings({ flags, env: process.env, cwd, config: {} });
      const found: Finding[] = [];
      for await (const finding of endpointFindings(settings, false)) found.push(finding);
      return found;
    });
    for (const { level, text } of findings ?? []) (level === "ok" ? ask.say : ask.warn)(text);
    if (findings?.every(({ level }) => level !== "bad")) return true;
    const answer = await ask.choose("That does not work yet.", [
      { value: "again", label: "try again", hint: "after a change in .env" },
      { value: "later", label: "go on", hint: "it will be mended later" },
    ]);
    if (answer === BACK) return false;
    if (answer === "later") return true;
  }
}

/** @returns whether a variable is set in the environment or in .env */
async function variablesIn(cwd: string): Promise<(name: string) => boolean> {
  const dotenv = await readFile(resolve(cwd, ".env"), "utf8").catch(() => null);
  const variables = mergeVariables(process.env, dotenv);
  return (name) => variables(name) !== undefined;
}
