import type { OutputColumn } from "../files/table-writer.ts";
import type { RowOutcome } from "../jobs/row-outcomes.ts";
import { type CsvColumn, cell, csvColumns, valueAt } from "../results/csv-columns.ts";
import type { Taxonomy } from "../taxonomy.ts";

/** A column that a run adds to a file's own. */
export interface ResultColumn extends OutputColumn {
  /** What it is called when the file has no column of that name. */
  readonly field: string;
  /** @param raw lists and objects as they are, for JSONL */
  readonly value: (outcome: RowOutcome, raw: boolean) => unknown;
}

/** Of a record what says who decided how; the rest is in `querymill export`. */
const LEFT_OUT = new Set([
  "_id",
  "job",
  "other",
  "endpoint",
  "promptVersion",
  "taxonomyVersion",
  "contentHash",
  "executionId",
  "fence",
  "latencyMs",
  "attempts",
]);

/**
 * What is added to each row: the item, its outcome and the classification. A name that the file has already gets
 * `querymill_` in front.
 */
export function resultColumns(taxonomy: Taxonomy, taken: ReadonlySet<string>): ResultColumn[] {
  const own: Omit<ResultColumn, "name">[] = [
    { field: "item", value: ({ id }) => cell(id) },
    { field: "outcome", value: ({ outcome }) => outcome },
    { field: "reason", value: ({ reason }) => reason },
  ];
  const ofRecord = csvColumns(taxonomy)
    .filter(({ header }) => !LEFT_OUT.has(header) && !header.startsWith("usage."))
    .map(fromRecord);
  return [...own, ...ofRecord].map((column) => ({ ...column, name: freeName(column.field, taken) }));
}

function fromRecord({ header, value, type }: CsvColumn): Omit<ResultColumn, "name"> {
  return {
    field: header,
    type,
    value: ({ record }, raw) => {
      if (record === null) return null;
      return raw ? (valueAt(record, header) ?? null) : value(record);
    },
  };
}

function freeName(field: string, taken: ReadonlySet<string>): string {
  let name = field;
  while (taken.has(name)) name = `querymill_${name}`;
  return name;
}
