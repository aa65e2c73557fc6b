import { type OutputValues, tableText, type WriteOptions } from "../files/table-writer.ts";
import type { ListSides } from "../results/list-items.ts";
import { recordsMatching, recordTable } from "../results/matching-records.ts";
import { OUTCOME_COLUMNS, rowsWithoutRecord } from "../results/outcome-table.ts";
import type { ResultQuery } from "../results/query.ts";
import { refused } from "./data-requests.ts";

const TYPES = { csv: "text/csv; charset=utf-8", jsonl: "application/x-ndjson; charset=utf-8" } as const;

/** Files that are written at a time: each reads the store from one end to the other. */
const MOST_EXPORTS = 4;
/** Whoever takes nothing for so long takes nothing more, in ms. */
const STALLED_MS = 60_000;

/** The exports of a server that are under way. */
export class Exports {
  #open = 0;

  /** @returns false when there are too many */
  begin(): boolean {
    if (this.#open >= MOST_EXPORTS) return false;
    this.#open += 1;
    return true;
  }

  readonly end = (): void => {
    this.#open -= 1;
  };
}

/** What a file holds. */
export interface Exported {
  readonly job: string;
  readonly format: ExportFormat;
  readonly rows: AsyncIterable<OutputValues>;
  readonly options: Pick<WriteOptions, "columns" | "json">;
}

/**
 * A file that is written while it is sent. It ends when nobody reads on.
 * @param ended called once, however it ended, also when this throws
 * @throws as the rows, before anything is sent
 */
export async function exportStream({ job, format, rows, options }: Exported, ended: () => void): Promise<Response> {
  const pieces = (async function* () {
    try {
      yield* tableText(rows, { format, delimiter: ",", ...options });
    } finally {
      ended();
    }
  })();
  const encoder = new TextEncoder();
  const first = await pieces.next();
  let left = first.done ? null : first.value;
  let stalled: NodeJS.Timeout | undefined;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      clearTimeout(stalled);
      const piece = left ?? (await pieces.next()).value;
      left = null;
      if (typeof piece !== "string") {
        controller.close();
        return;
      }
      controller.enqueue(encoder.encode(piece));
      stalled = setTimeout(() => {
        controller.error(new Error("Nobody has read on."));
        void pieces.return(undefined);
      }, STALLED_MS).unref();
    },
    async cancel() {
      clearTimeout(stalled);
      await pieces.return(undefined);
    },
  });
  const name = `${job.replaceAll(/[^\w.-]+/g, "-").slice(0, 60) || "items"}.${format}`;
  return new Response(body, {
    headers: {
      "content-type": TYPES[format],
      "content-disposition": `attachment; filename="${name}"`,
      "cache-control": "no-store",
    },
  });
}

export type ExportFormat = keyof typeof TYPES;

/** @throws QuerymillError USAGE for another format */
export function formatIn(format = "csv"): ExportFormat {
  if (format !== "csv" && format !== "jsonl") throw refused(`format is csv or jsonl; got "${format.slice(0, 40)}".`);
  return format;
}

/** The records that a query means, or what became of items that have none. */
export function exportedOf(sides: ListSides, query: ResultQuery, format: ExportFormat): Exported {
  const { settings, store } = sides;
  const { job, taxonomy, targetCollection } = settings;
  if (query.outcome !== "classified")
    return { job, format, rows: rowsWithoutRecord(sides, query), options: { columns: OUTCOME_COLUMNS } };
  const { row, options } = recordTable(taxonomy);
  const rows = async function* (): AsyncGenerator<OutputValues> {
    for await (const record of recordsMatching(store.target(targetCollection), query.selection))
      yield row(record, format);
  };
  return { job, format, rows: rows(), options };
}
