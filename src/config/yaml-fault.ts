import { type Document, isCollection, isScalar, visit } from "yaml";

/** What keeps a text from being YAML. */
export interface YamlFault {
  /** Where it begins, in UTF-16 units. */
  readonly offset: number;
  readonly text: string;
}

/**
 * The first thing that is wrong: the others follow from it. What is opened and never closed is told where it opens.
 * @returns null for what is YAML
 */
export function yamlFault(document: Document): YamlFault | null {
  const [first] = document.errors;
  if (first === undefined) return null;
  const [text = ""] = first.message.split("\n");
  const [at] = first.pos;
  if (!/^Missing closing|^Flow (sequence|map)/.test(text)) return { offset: at, text };
  let offset = at;
  visit(document, (_key, node) => {
    const isOpen = (isScalar(node) && node.type?.startsWith("QUOTE") === true) || (isCollection(node) && node.flow);
    const [from = at, to = at] = isOpen ? (node.range ?? []) : [];
    if (from < at && to >= at) offset = from;
  });
  const [, quote] = /^Missing closing (["'])quote/.exec(text) ?? [];
  return { offset, text: quote === undefined ? text : `a text begins here with ${quote} that has no end` };
}
