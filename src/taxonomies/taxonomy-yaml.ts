import { DEFAULT_TAXONOMY } from "../default-taxonomy.ts";
import type { Dimension } from "../taxonomy.ts";
import { type Proposal, REST } from "./proposal.ts";

/** Where a proposed taxonomy comes from, for the comment at its head. */
export interface Provenance {
  readonly sampled: number;
  /** `openai/gpt-5-mini`. */
  readonly model: string;
  /** `2026-11-26`. */
  readonly day: string;
}

/** @returns a commented taxonomy file, largest category first, with the share of the sample of each */
export function proposedYaml(proposals: readonly Proposal[], { sampled, model, day }: Provenance): string {
  const sorted = proposals.reduce((sum, { texts }) => sum + texts.length, 0);
  const share = (items: number): string => `${Math.round((items / sampled) * 100)} % of the sample`;
  return [
    `# Proposed by ${model} on ${day} from ${sampled} of your own queries, drawn at random.`,
    "# A draft: read it, rename, put together, sharpen the descriptions. The first 3 examples of a label are shown to the",
    "# model; they were made up by it, so put your own in their place where you have better ones.",
    "#",
    "#   querymill taxonomy check FILE                what would cost accuracy",
    "#   querymill run --taxonomy FILE --limit 100    a first look",
    "",
    "dimensions:",
    "  category:",
    "    description: what the customer needs",
    "    labels:",
    ...proposals.flatMap(({ id, description, examples, texts }) => [
      `      - id: ${scalar(id)} # ${share(texts.length)}`,
      ...(description === "" ? [] : [`        description: ${JSON.stringify(description)}`]),
      ...(examples.length > 0
        ? ["        examples:", ...examples.map((example) => `          - ${JSON.stringify(example)}`)]
        : []),
    ]),
    `      - id: ${REST} # ${share(sampled - sorted)}: in no category`,
    '        description: "Greetings, spam, unclear texts, and what fits no other label; comes last"',
    "",
    "  # The built-in ones. Leave out what you do not need: every label is part of every call.",
    ...DEFAULT_TAXONOMY.dimensions.filter(({ id }) => id !== "category").flatMap(builtIn),
    "",
    "  # More questions of your own, for example:",
    "  # topics:",
    "  #   description: everything the text mentions",
    "  #   choose: many",
    "  #   labels: { price: about a price, speed: about how fast it is }",
    "",
    "# What is to be read out of the texts, for example:",
    "# fields:",
    "#   order_number: { type: string, description: the order it is about }",
    "",
  ].join("\n");
}

function builtIn({ id, description, required, labels }: Dimension): string[] {
  return [
    `  ${id}:`,
    `    description: ${JSON.stringify(description)}`,
    `    required: ${required}`,
    "    labels:",
    ...labels.map((label) => `      ${label.id}: ${JSON.stringify(label.description)}`),
  ];
}

/** An id that YAML would take for a number or a switch stands in quotes. */
function scalar(id: string): string {
  return /^(?:\d.*|true|false|null|yes|no|on|off|y|n)$/.test(id) ? JSON.stringify(id) : id;
}
