import type { SourcePreset } from "../job.ts";

/** Where queries come from and classifications go. */
export type StoreAnswer =
  | {
      readonly kind: "mongodb";
      /** null when it holds a password, or is in MONGODB_URI anyway: the file does not name it then. */
      readonly uri: string | null;
      readonly db: string;
      readonly source: string;
      readonly target: string;
    }
  | { readonly kind: "embedded"; readonly path: string; readonly source: string; readonly target: string }
  | {
      readonly kind: "file";
      readonly input: string;
      readonly output: string;
      readonly textColumn: string | null;
      /** What reads its rows instead of a column. */
      readonly preset: SourcePreset | null;
    };

/** What was answered; null: the default, which the file then shows as a comment. */
export interface InitAnswers {
  readonly store: StoreAnswer | null;
  /** Of a store's documents. */
  readonly text: string | readonly string[] | null;
  readonly model: {
    readonly model: string;
    readonly baseUrl: string | null;
    readonly keyVariable: string | null;
  } | null;
  readonly taxonomy: string | null;
  readonly examples: string | null;
}

/** Settings in the form of the file, without what was left at its default. */
export type InitSettings = Readonly<Record<string, unknown>>;

/** @returns the answers in the form of `querymill.yaml` */
function settingsOf({ store, text, model, taxonomy, examples }: InitAnswers): InitSettings {
  const settings: Record<string, unknown> = {};
  if (store?.kind === "file") {
    settings.input = store.input;
    settings.output = store.output;
    if (store.textColumn !== null) settings.textColumn = store.textColumn;
    if (store.preset !== null) settings.source = { preset: store.preset };
  } else if (store !== null) {
    if (store.kind === "embedded") settings.store = store.path;
    else {
      if (store.uri !== null) settings.store = store.uri;
      settings.db = store.db;
    }
    settings.sourceCollection = store.source;
    settings.targetCollection = store.target;
  }
  if (text !== null) settings.source = { text };
  if (model !== null) settings.model = model.model;
  if (model?.baseUrl) settings.baseUrl = model.baseUrl;
  if (taxonomy !== null) settings.taxonomy = taxonomy;
  if (examples !== null) settings.examples = { file: examples };
  return settings;
}

/**
 * The text of `querymill.yaml`: what was answered, and what else is often wanted as comments. Holds no secret.
 * @param schema where the JSON schema for editors is, relative to the file
 */
export function renderSettings(answers: InitAnswers, schema: string): string {
  const { store, text, model, examples } = answers;
  const said = settingsOf(answers);
  const line = (key: string, otherwise: string): string =>
    said[key] === undefined ? `# ${key}: ${otherwise}` : `${key}: ${flow(said[key])}`;
  const parts = [
    [
      `# yaml-language-server: $schema=${schema}`,
      "# Settings of Querymill. Every flag has a line here: querymill run --help lists them.",
      "# No key and no password belongs in this file: they come from the environment or from .env.",
    ],
    store?.kind === "file"
      ? [
          "# The rows to classify, and where they go with what came of them.",
          line("input", "tickets.csv"),
          line("output", "results.csv"),
          "# The column with the text; found by its name when it is called text, message, body, …",
          line("textColumn", "text"),
          "# Exported tickets: zendesk, intercom, freshdesk or mail reads whole conversations.",
          store.preset === null ? "# source: { preset: zendesk }" : `source: { preset: ${store.preset} }`,
        ]
      : [
          "# Where the queries are: mongodb://HOST/DB, or a file of the embedded store.",
          ...(store?.kind === "mongodb" && store.uri === null ? ["# The address is in the variable MONGODB_URI."] : []),
          line("store", "mongodb://localhost:27017/support"),
          ...(store?.kind === "embedded" ? [] : [line("db", "support")]),
          "# The collection of the queries, and the one of the classifications.",
          line("sourceCollection", "conversation_set"),
          line("targetCollection", "sentimental_analysis"),
          "",
          "# Where the text is in a document: a path, a list of paths, or a template with {path}.",
          text === null ? "# source: { text: [subject, body] }" : `source: { text: ${flow(text)} }`,
        ],
    [
      "# Which model answers: PROVIDER/NAME, a server's own name with baseUrl, or offline (no key, no network).",
      ...(model?.keyVariable ? [`# Its key is in the variable ${model.keyVariable}.`] : []),
      line("model", "offline"),
      line("baseUrl", "http://127.0.0.1:8000/v1"),
    ],
    [
      "# Your categories; without a file the built-in 13. querymill schema --taxonomy describes the file.",
      line("taxonomy", "taxonomy.yaml"),
      "# Labelled texts (columns text and category) that the offline classifier learns from.",
      examples === null ? "# examples: { file: labelled.csv }" : `examples: { file: ${flow(examples)} }`,
    ],
    [
      "# Calls at once; auto finds out how many the endpoint takes.",
      "# concurrent: auto",
      "# Stop before spending more; per: run, day, month or job.",
      "# budget: { usd: 20, per: month }",
      ...(store?.kind === "file"
        ? []
        : [
            "# Go on when the queries at hand are done, and look for new ones every 60 s.",
            "# mode: continuous",
            "# interval: 60",
          ]),
    ],
  ];
  return `${parts.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** A value on one line of YAML. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value !== "string") return String(value);
  const plain = /^[A-Za-z_./][\w./-]*$/.test(value) || /^mongodb(\+srv)?:\/\/[^\s,{}[\]#]+$/.test(value);
  return plain && !/^(true|false|null|yes|no|on|off|y|n|~)$/i.test(value) ? value : JSON.stringify(value);
}
