import { QuerymillError } from "../errors.ts";

const MOST_PROBLEMS = 10;

/** One error for everything that is wrong: USAGE when only flags are, else CONFIG_INVALID. @param problems at least one */
export function severalProblems(problems: readonly string[]): QuerymillError {
  const code = problems.every((problem) => problem.startsWith("--")) ? "USAGE" : "CONFIG_INVALID";
  if (problems.length === 1) return new QuerymillError(code, problems[0]!);
  const rest = problems.length - MOST_PROBLEMS;
  const lines = problems.slice(0, MOST_PROBLEMS).map((problem) => `  ${problem.replaceAll("\n", "\n  ")}`);
  if (rest > 0) lines.push(`  and ${rest} more`);
  return new QuerymillError(code, `${problems.length} settings are wrong:\n${lines.join("\n")}`);
}
