import { resolve } from "node:path";
import { QuerymillError } from "../errors.ts";
import type { Comparison } from "../evaluation/compare.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { renderComparison } from "./compare-view.ts";
import { renderEvaluation, renderHeadline } from "./evaluate-view.ts";
import { symbols } from "./format.ts";
import { openScreen } from "./screen.ts";
import { refuseUnwritableFile, writeWholeFile } from "./whole-file.ts";

export interface FindingsOptions {
  /** JSON file; null: not saved. */
  readonly output: string | null;
  /** HTML file; null: none. */
  readonly report: string | null;
  /** Whether the report may hold texts of customers. */
  readonly texts: boolean;
  readonly overwrite: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
}

export interface Found {
  readonly evaluation: Evaluation;
  readonly against: Evaluation | null;
  readonly comparison: Comparison | null;
  /** Texts of rows by id, for examples. */
  readonly textsOf: (ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

/** Where the results of an evaluation go. */
export interface Findings {
  /** Shows, saves and reports. @returns 0 */
  tell(found: Found): Promise<number>;
}

/** Looks before anything is spent whether the files may be written. @throws QuerymillError USAGE */
export async function openFindings(options: FindingsOptions): Promise<Findings> {
  const { output, report, overwrite } = options;
  if (output !== null && report !== null && resolve(output) === resolve(report))
    throw refused(`--output and --report name the same file, ${output}. Name two.`);
  for (const [flag, path] of [
    ["--output", output],
    ["--report", report],
  ] as const) {
    if (path === null) continue;
    await refuseUnwritableFile(flag, path, overwrite);
  }
  return { tell: (found) => tell(found, options) };
}

async function tell(found: Found, { output, report, texts, json, quiet }: FindingsOptions): Promise<number> {
  const { evaluation, against, comparison } = found;
  const screen = openScreen();
  if (json) {
    const { answers: _answers, ...told } = evaluation;
    screen.json({ event: "evaluate:end", ...told, comparison });
  } else {
    const compared = comparison === null ? [] : ["", ...renderComparison(comparison, screen.look)];
    if (quiet) screen.print(renderHeadline(evaluation, screen.look));
    else screen.print(["", ...renderEvaluation(evaluation, screen.look), ...compared]);
  }
  const saved: string[] = [];
  if (output !== null) {
    await writeWholeFile(output, `${JSON.stringify({ ...evaluation, against, comparison })}\n`);
    saved.push(`The result is in ${output}`);
  }
  if (report !== null) {
    const { reportPage, exampleIds } = await import("../evaluation/report.ts");
    const known = texts ? await found.textsOf(exampleIds(evaluation, comparison)) : new Map<string, string>();
    await writeWholeFile(report, reportPage({ evaluation, comparison, texts: known }));
    saved.push(
      `The report is in ${report}: open it in a browser${known.size > 0 ? "; it holds texts of customers" : ""}`,
    );
  }
  const { ok } = symbols(screen.look.ascii);
  if (!json && !quiet && saved.length > 0)
    screen.print(["", ...saved.map((line) => `${screen.look.style("green", ok)} ${line}`)]);
  return 0;
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
