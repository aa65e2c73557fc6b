import { styleText } from "node:util";
import { clip, type Look, type StyleFormat, widthOf } from "./format.ts";

/** The part of `process.stdout` that a live panel needs. */
export interface TerminalStream {
  readonly columns?: number;
  readonly rows?: number;
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const HIDE = "\x1b[?25l";
const SHOW = "\x1b[?25h";
/** Before a line, never behind it: at the right edge it would take the last character away. */
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/**
 * Redraws a panel in place, changed lines only. The cursor rests at the start of the line below the panel, hidden while
 * there is one: whoever opens it must `close` it, also when the process dies (`process.on("exit")`).
 * States: empty → drawn (first `draw`) → empty again (`clear`) → closed.
 */
export class LiveTerminal {
  readonly #stream: TerminalStream;
  #drawn: string[] = [];
  #columns = 0;
  #hidden = false;
  #closed = false;

  constructor(stream: TerminalStream) {
    this.#stream = stream;
  }

  /** Shows these lines in place of the last ones. None may be wider than the window, nor may they fill its height. */
  draw(lines: readonly string[]): void {
    if (this.#closed) return;
    const columns = this.#stream.columns ?? 80;
    const resized = this.#columns !== columns && this.#drawn.length > 0;
    let out = this.#hidden ? "" : HIDE;
    if (resized) {
      out += this.#backOver(columns) + CLEAR_BELOW;
      this.#drawn = [];
    }
    this.#hidden = true;
    this.#columns = columns;
    out += this.#changes(lines);
    this.#drawn = [...lines];
    if (out !== "") this.#stream.write(out);
  }

  /** Prints lines that stay, above the panel. */
  print(lines: readonly string[]): void {
    if (lines.length === 0) return;
    const panel = this.#drawn;
    const columns = this.#stream.columns ?? 80;
    const text = `${lines.join("\n")}\n`;
    if (panel.length === 0) this.#stream.write(text);
    else
      this.#stream.write(`${this.#backOver(columns)}${CLEAR_BELOW}${text}${panel.map((line) => `${line}\n`).join("")}`);
  }

  /** Draws everything again at the next `draw`: after the program was suspended, nobody knows what the screen holds. */
  forget(): void {
    this.#drawn = [];
    this.#hidden = false;
  }

  /** Takes the panel away and gives the cursor back. */
  clear(): void {
    const back = this.#drawn.length > 0 ? this.#backOver(this.#stream.columns ?? 80) + CLEAR_BELOW : "";
    const out = back + (this.#hidden ? SHOW : "");
    this.#drawn = [];
    this.#hidden = false;
    if (out !== "") this.#stream.write(out);
  }

  /** Leaves the last frame where it is and gives the cursor back. Doing it twice changes nothing. */
  close(): void {
    if (this.#hidden && !this.#closed) this.#stream.write(SHOW);
    this.#hidden = false;
    this.#closed = true;
  }

  #changes(lines: readonly string[]): string {
    let out = "";
    let row = this.#drawn.length;
    const moveTo = (target: number): string => {
      const step = target - row;
      row = target;
      return step < 0 ? `\x1b[${-step}A\r` : step > 0 ? `\x1b[${step}B\r` : "";
    };
    for (const [index, line] of lines.entries()) {
      if (index >= this.#drawn.length) {
        out += `${moveTo(index)}${CLEAR_LINE}${line}\n`;
        row = index + 1;
      } else if (this.#drawn[index] !== line) out += `${moveTo(index)}${CLEAR_LINE}${line}\r`;
    }
    if (lines.length < this.#drawn.length) out += moveTo(lines.length) + CLEAR_BELOW;
    return out + moveTo(lines.length);
  }

  /** To the first line of the panel. A window made narrower has wrapped its lines. */
  #backOver(columns: number): string {
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0);
    return rows > 0 ? `\x1b[${rows}A\r` : "";
  }
}

/** How to draw on a stream: its width, whether it takes more than ASCII, and its colours. */
export function lookOf(stream: NodeJS.WriteStream, env: Readonly<Record<string, string | undefined>>): Look {
  const style = (format: StyleFormat, text: string): string => styleText(format, text, { stream });
  return { columns: stream.columns ?? 100, ascii: needsAscii(env), style };
}

/** True for `TERM=dumb` and for a locale that says it has no UTF-8. A machine without any locale is trusted to have it. */
export function needsAscii(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "";
  return env.TERM === "dumb" || (locale !== "" && !/utf-?8/i.test(locale));
}

/** The last guard before ASCII-only output: what slipped through becomes a plain character of the same width. */
export function plainAscii(line: string): string {
  return line
    .replace(/[–—─]/g, "-")
    .replace(/[·│]/g, "|")
    .replace(/[“”]/g, '"')
    .replace(/[‘’]/g, "'")
    .replace(/…/g, "~")
    .replace(/\P{ASCII}/gu, "?");
}

/** Lines made ready for a look: not too wide, and ASCII where nothing else is understood. */
export function fitLines(lines: readonly string[], { columns, ascii }: Look): string[] {
  return lines.map((line) => clip(ascii ? plainAscii(line) : line, columns, ascii));
}
