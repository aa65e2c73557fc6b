import { QuerymillError } from "../errors.ts";

/** One thing that is wrong in a file. */
export interface Fault {
  /** 1-based; null for the whole file. */
  readonly line: number | null;
  /** 1-based, in characters; null when the whole line is meant. */
  readonly column: number | null;
  /** What is wrong, without a customer's text. */
  readonly what: string;
}

/** Faults that are told one by one; the others are counted. */
const TOLD = 5;

/** @returns the error for a file that cannot be used: what is wrong, and what to do about it */
export function fileInvalid(path: string, what: string, remedy: string): QuerymillError {
  return new QuerymillError("FILE_INVALID", `${nameOf(path)}: ${what}. ${remedy}`);
}

/** Faults of single rows, gathered over the rest of the file so that all can be mended at once. */
export class RowFaults {
  readonly #path: string;
  readonly #first: Fault[] = [];
  readonly #remedies = new Set<string>();
  #count = 0;

  constructor(path: string) {
    this.#path = path;
  }

  get any(): boolean {
    return this.#count > 0;
  }

  add(fault: Fault, remedy: string): void {
    this.#count += 1;
    if (this.#first.length === TOLD) return;
    this.#first.push(fault);
    this.#remedies.add(remedy);
  }

  /** @returns one error with the first faults, how many there are, and what to do */
  error(): QuerymillError {
    const left = this.#count - this.#first.length;
    const told = this.#first.map(shown).join("\n  ");
    const more = left === 0 ? "" : `\n  and ${left.toLocaleString("en-US")} more`;
    const head =
      this.#count === 1
        ? `${nameOf(this.#path)}, ${shown(this.#first[0]!)}.`
        : `${nameOf(this.#path)}: ${this.#count.toLocaleString("en-US")} rows cannot be read:\n  ${told}${more}\n`;
    return new QuerymillError("FILE_INVALID", `${head}${this.#count === 1 ? " " : ""}${[...this.#remedies].join(" ")}`);
  }
}

/** @returns the path as it is told; `-` is stdin */
export function nameOf(path: string): string {
  return path === "-" ? "stdin" : path;
}

function shown({ line, column, what }: Fault): string {
  if (line === null) return what;
  return `line ${line.toLocaleString("en-US")}${column === null ? "" : `, column ${column.toLocaleString("en-US")}`}: ${what}`;
}
