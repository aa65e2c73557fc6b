import { type Found, REDACTION_KINDS, type RedactionKind } from "../../src/redaction/kinds.ts";

const MARKED = /⟦(\w+)\|([^⟧]*)⟧/g;

/** A text with its marks taken out, and where its secrets stand. */
function unmark(marked: string): { text: string; secrets: Found[] } {
  const secrets: Found[] = [];
  let text = "";
  let from = 0;
  for (const match of marked.matchAll(MARKED)) {
    text += marked.slice(from, match.index);
    secrets.push({ kind: match[1] as RedactionKind, start: text.length, end: text.length + match[2]!.length });
    text += match[2];
    from = match.index + match[0].length;
  }
  return { text: text + marked.slice(from), secrets };
}

/** A secret counts as masked when finds, of whatever kind, cover all of it; a find that touches no secret is a false alarm. */
export function judge(find: (text: string) => readonly Found[], marked: readonly string[], clean: readonly string[]) {
  const byKind = Object.fromEntries(
    REDACTION_KINDS.map((kind) => [kind, { secrets: 0, masked: 0, alarms: 0 }]),
  ) as Record<RedactionKind, { secrets: number; masked: number; alarms: number }>;
  const misses: string[] = [];
  const alarms: string[] = [];
  let cleanAltered = 0;
  for (const [at, one] of [...marked, ...clean].entries()) {
    const { text, secrets } = unmark(one);
    const found = find(text);
    for (const { kind, start, end } of secrets) {
      const isMasked = found.some((span) => span.start <= start && span.end >= end);
      byKind[kind].secrets += 1;
      if (isMasked) byKind[kind].masked += 1;
      else misses.push(`${kind}: ${text}`);
    }
    const wrong = found.filter((span) => !secrets.some(({ start, end }) => span.start < end && span.end > start));
    for (const { kind, start, end } of wrong) {
      byKind[kind].alarms += 1;
      alarms.push(`${kind} ${text.slice(start, end)}: ${text}`);
    }
    if (at >= marked.length && wrong.length > 0) cleanAltered += 1;
  }
  return { byKind, misses, alarms, cleanAltered };
}
