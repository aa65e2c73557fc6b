import type { Context, Env } from "hono";
import { type OutputValues, tableText, type WriteOptions } from "../files/table-writer.ts";
import type { ListSides } from "../results/list-items.ts";
import { recordsMatching, recordTable } from "../results/matching-records.ts";
import { OUTCOME_COLUMNS, rowsWithoutRecord } from "../results/outcome-table.ts";
import type { ResultQuery } from "../results/query.ts";
import { refused } from "./data-requests.ts";
import { refuse } from "./problem.ts";

const TYPES = { csv: "text/csv; charset=utf-8", jsonl: "application/x-ndjson; charset=utf-8" } as const;

/** Files that are written at a time: each reads the store from one end to the other. */
const MOST_EXPORTS = 4;
/** Whoever takes nothing for so long takes nothing more, in ms. */
const STALLED_MS = 60_000;

/** What a file holds. */
export interface Exported {
  /** Of the file, without its ending. */
  readonly name: string;
  readonly format: ExportFormat;
  readonly rows: AsyncIterable<OutputValues>;
  readonly options: Pick<WriteOptions, "columns" | "json">;
}

/** The files of a server: four at a time, whatever is in them. */
export class Exports {
  #open = 0;

  /**
   * Sends a file that is written while it is sent, or says that no more can be (503). Who asks for its head alone gets that,
   * and takes no place.
   * @throws as the rows, before anything is sent
   */
  async send<E extends Env>(context: Context<E>, exported: Exported): Promise<Response> {
    const isHead = context.req.method === "HEAD";
    if (!isHead && this.#open >= MOST_EXPORTS) {
      context.header("retry-after", "30");
      return refuse(
        context,
        503,
        "TOO_MANY",
        "Four files are being written already, and no more can. Try again when one is done.",
      );
    }
    const headers = headersOf(exported);
    return isHead ? context.body(null, 200, headers) : context.body(await this.#begin(exported), 200, headers);
  }

  async #begin(exported: Exported): Promise<ReadableStream<Uint8Array>> {
    this.#open += 1;
    return await exportStream(exported, () => {
      this.#open -= 1;
    });
  }
}

function headersOf({ name, format }: Exported): Record<string, string> {
  const safe = name.replaceAll(/[^\w.-]+/g, "-").slice(0, 80) || "items";
  return {
    "content-type": TYPES[format],
    "content-disposition": `attachment; filename="${safe}.${format}"`,
    "cache-control": "no-store",
  };
}

/**
 * Ends when nobody reads on.
 * @param ended called once, however it ended, also when this throws
 */
async function exportStream(
  { format, rows, options }: Exported,
  ended: () => void,
): Promise<ReadableStream<Uint8Array>> {
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
  return new ReadableStream<Uint8Array>({
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
    return { name: job, format, rows: rowsWithoutRecord(sides, query), options: { columns: OUTCOME_COLUMNS } };
  const { row, options } = recordTable(taxonomy);
  const rows = async function* (): AsyncGenerator<OutputValues> {
    for await (const record of recordsMatching(store.target(targetCollection), query.selection))
      yield row(record, format);
  };
  return { name: job, format, rows: rows(), options };
}
