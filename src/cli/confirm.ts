import { createInterface } from "node:readline/promises";
import { QuerymillError } from "../errors.ts";

/**
 * Asks a person before something is spent or removed. The default is no.
 * @param what completes `… needs --yes`, such as `Spending`
 * @param look completes `… to look only`
 * @throws QuerymillError USAGE where there is no person to ask
 */
export async function confirm(question: string, what: string, look = "--dry-run"): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new QuerymillError(
      "USAGE",
      `${what} needs --yes where there is no terminal to ask at. Add --yes to do it, or ${look} to look only.`,
    );
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const closed = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
    const answer = await Promise.race([lines.question(`${question} [y/N] `), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
