/** A character of a text that cannot be seen, or that changes how others are seen. */
export interface Unseen {
  /** `U+202E` */
  readonly code: string;
  /** What it does, where it has a usual name. */
  readonly name: string | null;
}

const UNSEEN =
  /\p{Cc}|\p{Zl}|\p{Zp}|[\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]|\u034f|\u17b4|\u17b5/u;
const NAMES: Readonly<Record<string, string>> = {
  "U+0000": "null",
  "U+001B": "escape",
  "U+00AD": "soft hyphen",
  "U+061C": "Arabic letter mark",
  "U+200B": "zero width space",
  "U+200E": "left-to-right mark",
  "U+200F": "right-to-left mark",
  "U+202A": "left-to-right embedding",
  "U+202B": "right-to-left embedding",
  "U+202C": "end of direction",
  "U+202D": "left-to-right override",
  "U+202E": "right-to-left override",
  "U+2060": "word joiner",
  "U+2066": "left-to-right isolate",
  "U+2067": "right-to-left isolate",
  "U+2068": "first strong isolate",
  "U+2069": "end of isolate",
  "U+FEFF": "byte order mark",
};

/**
 * A text from outside as it can be shown safely: pieces of plain text, and between them the characters that would not be
 * seen or would turn the reading direction. Line ends and tabs stay, and so does what joins emoji.
 */
export function piecesOf(text: string): (string | Unseen)[] {
  const pieces: (string | Unseen)[] = [];
  let plain = "";
  for (const character of text.toWellFormed().replaceAll("\r\n", "\n")) {
    if (character === "\n" || character === "\t" || !UNSEEN.test(character)) {
      plain += character;
      continue;
    }
    if (plain !== "") pieces.push(plain);
    plain = "";
    const code = `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;
    pieces.push({ code, name: NAMES[code] ?? null });
  }
  if (plain !== "") pieces.push(plain);
  return pieces;
}
