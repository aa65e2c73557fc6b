import { text, toggle } from "./option.ts";

/** Settings of a run whose items are the rows of a file. */
export const FILE_OPTIONS = {
  input: text({
    flag: "--input <file>",
    help: "classify the rows of a CSV, JSONL or Parquet file; - is stdin",
    expected: "a file, or - for stdin",
    default: null,
  }),
  output: text({
    flag: "--output <file>",
    help: "the rows of --input with what came of them: CSV, JSONL or Parquet by the ending; - is stdout",
    expected: "a file, or - for stdout",
    default: null,
  }),
  overwrite: toggle({
    flag: "--overwrite",
    inFile: false,
    help: "replace an existing --output file",
    default: false,
  }),
  idColumn: text({
    flag: "--id-column <name>",
    help: "column of --input that identifies a row; default: _id when there is one, else the row's number",
    expected: "the name of a column",
    default: null,
  }),
  textColumn: text({
    flag: "--text-column <name>",
    help: "column of --input with the text; default: subject with the first of text, query, message, body, content, description, transcript",
    expected: "the name of a column",
    default: null,
  }),
  encoding: text({
    flag: "--encoding <name>",
    help: "of --input, such as windows-1252; default: recognised",
    expected: "the name of an encoding such as utf-8 or windows-1252",
    default: null,
  }),
  delimiter: text({
    flag: "--delimiter <char>",
    help: "of a CSV --input, tab for a tab; default: recognised among , ; tab |",
    expected: 'one character, or "tab"',
    pattern: /^([^"\r\n\s]|\t|tab|\\t)$/,
    default: null,
  }),
} as const;
