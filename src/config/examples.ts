import { stat } from "node:fs/promises";
import { QuerymillError } from "../errors.ts";
import type { EndpointSettings, ExampleSettings } from "../job.ts";
import { severalProblems } from "./problems.ts";
import type { ResolvedOptions } from "./sources.ts";

/** Settings that say something about a file of examples. */
const ABOUT = ["examples.textColumn", "examples.labelColumn", "examples.columns", "examples.map"] as const;

/** Learning from a larger file takes so long that it is said before. */
const LARGE_BYTES = 1_000_000;

/**
 * The file of labelled texts with what is said of it; null when there is none, or when it was meant for another model
 * than this run's.
 * @throws QuerymillError CONFIG_INVALID for what would have no effect
 */
export async function resolveExamples(
  options: ResolvedOptions,
  endpoints: readonly EndpointSettings[],
  pathOf: (key: "examples.file", path: string) => string,
): Promise<{ settings: ExampleSettings | null; notes: readonly string[] }> {
  const { get, name, origin, atLeast } = options;
  const file = get("examples.file");
  const inPrompt = get("examples.inPrompt");
  const offline = endpoints.some(({ model }) => model.provider === "offline");
  if (file === null) {
    const lost = [...ABOUT, "examples.inPrompt" as const].filter((key) => origin(key) !== "default");
    if (lost.length > 0)
      throw severalProblems(
        lost.map((key) => `${name(key)} is about a file of examples, and there is none. Add --examples FILE.`),
      );
    return { settings: null, notes: [] };
  }
  if (!offline && inPrompt === 0) {
    const said = `${name("examples.file")} teaches the offline classifier, and this run asks another model`;
    if (!atLeast("examples.file", "model")) return { settings: null, notes: [`${said}: it is not read.`] };
    throw new QuerymillError(
      "CONFIG_INVALID",
      `${said}. Add --model offline; or --examples-in-prompt 3, which shows up to 3 of them a label to the model in every call.`,
    );
  }
  if (inPrompt > 0 && endpoints.every(({ model }) => model.provider === "offline"))
    throw new QuerymillError(
      "CONFIG_INVALID",
      `${name("examples.inPrompt")} shows examples to a model, and the offline classifier reads no prompt: it learns from all of them anyway. Leave it out.`,
    );
  const settings = {
    file: pathOf("examples.file", file),
    textColumn: get("examples.textColumn"),
    labelColumn: get("examples.labelColumn"),
    columns: get("examples.columns"),
    map: get("examples.map"),
    inPrompt,
  };
  const { size } = await stat(settings.file).catch(() => ({ size: 0 }));
  const slow = offline && size >= LARGE_BYTES;
  return {
    settings,
    notes: slow ? [`The offline classifier first learns from ${file}: 100,000 texts take 10 to 30 s.`] : [],
  };
}
