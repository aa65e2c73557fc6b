import { z } from "zod";
import { integer, shaped, text } from "./option.ts";

/** The settings of labelled texts, by their place in the group `examples`. */
export const EXAMPLE_FIELDS = {
  "examples.file": text({
    flag: "--examples <file>",
    help: "labelled texts (CSV, JSONL, Parquet) that the offline classifier learns from",
    expected: "a file",
    default: null,
  }),
  "examples.textColumn": text({
    flag: "--examples-text <column>",
    help: "column of the examples with the text; default: subject with text, message, body, …",
    expected: "the name of a column",
    default: null,
  }),
  "examples.labelColumn": text({
    flag: "--examples-label <column>",
    help: "column of the examples with the category; default: category, label or intent",
    expected: "the name of a column",
    default: null,
  }),
  "examples.columns": shaped<Readonly<Record<string, string>>>({
    help: "columns of other dimensions, such as {sentiment: mood}; default: those called like the dimension",
    expected: "a column by dimension, such as {sentiment: mood}",
    schema: z.record(z.string().min(1), z.string().min(1)),
    default: {},
  }),
  "examples.map": shaped<Readonly<Record<string, string | null>>>({
    help: "what labels of the examples mean: a label of the taxonomy, or null to leave them out",
    expected: "a label of the taxonomy, or null, by label of the file",
    schema: z.record(z.string().min(1), z.string().min(1).nullable()),
    default: {},
  }),
  "examples.inPrompt": integer({
    flag: "--examples-in-prompt <n>",
    help: "examples a label that other models are shown in every call; they cost tokens and leave this machine",
    min: 0,
    max: 3,
    unit: "examples",
    default: 0,
  }),
} as const;
