/**
 * Text from outside as a terminal may show it: control characters, escape sequences, characters that turn the reading
 * direction and unseen tags become their code point in brackets. What joins emoji stays.
 */
export function visible(text: string): string {
  return text.toWellFormed().replace(UNSEEN, (character) => {
    const code = character.codePointAt(0)!;
    return character === "\t" ? "    " : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
  });
}

const UNSEEN =
  /[\p{Cc}\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
