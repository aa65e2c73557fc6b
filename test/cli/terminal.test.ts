import { expect, test } from "vitest";
import { fitLines, LiveTerminal, needsAscii } from "../../src/cli/terminal.ts";

/** A small terminal: enough of one to see what stands on it. */
class Screen {
  columns: number;
  rows = 50;
  readonly isTTY = true;
  readonly lines: string[] = [""];
  cursorShown = true;
  written = 0;
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): boolean {
    this.written += text.length;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals are driven by the escape character
    for (const [token, count, action] of text.matchAll(/\x1b\[(\??\d*)([A-Za-z])|[^\x1b]/g))
      this.#take(token, count, action);
    return true;
  }

  /** What a reader sees, without empty lines at the end. */
  seen(): string {
    return this.lines
      .map((line) => line.trimEnd())
      .join("\n")
      .trimEnd();
  }

  #take(token: string, count: string | undefined, action: string | undefined): void {
    const steps = Number(count) || 1;
    if (action === "A") this.#row = Math.max(0, this.#row - steps);
    else if (action === "B") this.#row += steps;
    else if (action === "K") this.lines[this.#row] = this.#line().slice(0, Math.min(this.#column, this.columns - 1));
    else if (action === "J") {
      this.lines[this.#row] = this.#line().slice(0, this.#column);
      this.lines.length = this.#row + 1;
    } else if (action === "h" || action === "l") this.cursorShown = action === "h";
    else if (token === "\r") this.#column = 0;
    else if (token === "\n") {
      this.#row++;
      this.#column = 0;
      this.#line();
    } else this.#put(token);
  }

  #put(character: string): void {
    if (this.#column === this.columns) {
      this.#row++;
      this.#column = 0;
    }
    const line = this.#line().padEnd(this.#column);
    this.lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
    this.#column++;
  }

  #line(): string {
    while (this.lines.length <= this.#row) this.lines.push("");
    return this.lines[this.#row]!;
  }
}

test("redraws in place and writes only lines that changed", () => {
  const screen = new Screen(40);
  const terminal = new LiveTerminal(screen);
  terminal.draw(["first line", "second line", "third line"]);
  const before = screen.written;
  terminal.draw(["first line", "2nd", "third line"]);
  expect(screen.seen()).toBe("first line\n2nd\nthird line");
  expect(screen.written - before).toBeLessThan(20);
  const unchanged = screen.written;
  terminal.draw(["first line", "2nd", "third line"]);
  expect(screen.written).toBe(unchanged);
});

test("grows and shrinks without leaving anything behind", () => {
  const screen = new Screen(40);
  const terminal = new LiveTerminal(screen);
  for (const lines of [["a"], ["a", "b", "c"], ["x", "c"], ["x", "y", "z", "w"], ["w"]]) {
    terminal.draw(lines);
    expect(screen.seen()).toBe(lines.join("\n"));
  }
});

test("prints above the panel", () => {
  const screen = new Screen(40);
  const terminal = new LiveTerminal(screen);
  terminal.draw(["panel 1", "panel 2"]);
  terminal.print(["a log line"]);
  terminal.draw(["panel 1", "panel 3"]);
  expect(screen.seen()).toBe("a log line\npanel 1\npanel 3");
});

test("draws anew when the window became narrower, though its lines were wrapped", () => {
  const screen = new Screen(20);
  const terminal = new LiveTerminal(screen);
  terminal.print(["stays"]);
  terminal.draw(["a line of 20 columns", "short"]);
  screen.columns = 10;
  screen.lines.splice(1, 2, "a line of ", "20 columns", "short");
  screen.write("\n");
  terminal.draw(["narrow", "short"]);
  expect(screen.seen()).toBe("stays\nnarrow\nshort");
});

test("hides the cursor while it draws and always gives it back", () => {
  const screen = new Screen(40);
  const terminal = new LiveTerminal(screen);
  terminal.draw(["panel"]);
  expect(screen.cursorShown).toBe(false);
  terminal.clear();
  expect(screen.cursorShown).toBe(true);
  expect(screen.seen()).toBe("");
  terminal.draw(["again"]);
  terminal.close();
  expect(screen.cursorShown).toBe(true);
  terminal.draw(["after the end"]);
  expect(screen.seen()).toBe("again");
});

test("takes the locale at its word, and a machine without one for UTF-8", () => {
  expect(needsAscii({})).toBe(false);
  expect(needsAscii({ LANG: "de_DE.UTF-8" })).toBe(false);
  expect(needsAscii({ LANG: "de_DE.UTF-8", LC_ALL: "C" })).toBe(true);
  expect(needsAscii({ LANG: "en_US.utf8", TERM: "dumb" })).toBe(true);
});

test("whatever is not ASCII is replaced cell by cell where only ASCII is understood", () => {
  const look = { columns: 40, ascii: true, style: (_format: string, text: string) => text };
  expect(fitLines(["a – b · café"], look)).toEqual(["a - b | caf?"]);
});

test("a line as wide as the window keeps its last character", () => {
  const screen = new Screen(10);
  const terminal = new LiveTerminal(screen);
  terminal.draw(["0123456789", "abcdefghij"]);
  terminal.draw(["9876543210", "abcdefghij"]);
  expect(screen.seen()).toBe("9876543210\nabcdefghij");
});
