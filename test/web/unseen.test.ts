import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { visible } from "../../src/cli/visible.ts";
import { piecesOf } from "../../web/unseen.ts";

describe("text of customers", () => {
  it("shows what turns the reading direction, and what cannot be seen", () => {
    expect(piecesOf("pay\u202eevil\u202c to \u200bme")).toEqual([
      "pay",
      { code: "U+202E", name: "right-to-left override" },
      "evil",
      { code: "U+202C", name: "end of direction" },
      " to ",
      { code: "U+200B", name: "zero width space" },
      "me",
    ]);
    expect(piecesOf("\u001b[31m")).toEqual([{ code: "U+001B", name: "escape" }, "[31m"]);
    expect(piecesOf("\u{e0041}")).toEqual([{ code: "U+E0041", name: null }]);
  });

  it("leaves markup, line ends, tabs, other scripts and emoji as they are", () => {
    for (const text of ["<script>alert(1)</script>", "a\n\tb", "لم يصلني", "👩‍👩‍👧", "é", ""])
      expect(piecesOf(text)).toEqual(text === "" ? [] : [text]);
    expect(piecesOf("a\r\nb")).toEqual(["a\nb"]);
  });

  it("hides nothing that the terminal shows", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const shown = piecesOf(text.replaceAll(/[\r\n\t]/g, "")).map((piece) =>
          typeof piece === "string" ? piece : `<${piece.code}>`,
        );
        const inTerminal = visible(text.replaceAll(/[\r\n\t]/g, ""));
        expect(shown.join("").length).toBeGreaterThanOrEqual(inTerminal.length);
      }),
    );
    for (let code = 0; code < 0x3000; code++) {
      const character = String.fromCharCode(code);
      if ("\n\t\r".includes(character) || visible(character) === character) continue;
      expect(piecesOf(character), code.toString(16)).toHaveLength(1);
      expect(typeof piecesOf(character)[0], code.toString(16)).toBe("object");
    }
  });
});
