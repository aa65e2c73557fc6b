import type { Look } from "./format.ts";
import { fitLines, lookOf, plainAscii } from "./terminal.ts";

/** Where a command that ends at once says what it found. */
export interface Screen {
  readonly look: Look;
  /** Lines of ours: cut at the right edge of a terminal, whole in a pipe. */
  print(lines: readonly string[]): void;
  /** Lines that must stay whole, such as a customer's text: the terminal wraps them. */
  printWhole(lines: readonly string[]): void;
  /** One JSON object on a line of its own. */
  json(value: object): void;
}

export function openScreen(stream: NodeJS.WriteStream = process.stdout): Screen {
  // A reader that went away (`| head`) is no trouble of ours.
  stream.on("error", () => {});
  const look = lookOf(stream, process.env);
  const columns = stream.isTTY ? look.columns : Number.POSITIVE_INFINITY;
  const write = (lines: readonly string[]): void => {
    if (lines.length > 0) stream.write(`${lines.join("\n")}\n`);
  };
  return {
    look,
    print: (lines) => write(fitLines(lines, { ...look, columns })),
    printWhole: (lines) => write(look.ascii ? lines.map(plainAscii) : lines),
    json: (value) => write([JSON.stringify(value)]),
  };
}
