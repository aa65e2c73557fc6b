import { tableText } from "../files/table-writer.ts";
import type { JobSettings } from "../job.ts";
import { recordsMatching, recordTable, refuseWithoutRecords } from "../results/matching-records.ts";
import type { ResultQuery } from "../results/query.ts";
import type { Target } from "../store.ts";
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

/**
 * The records that a query means, as a file that is written while it is sent. It ends when nobody reads on.
 * @param ended called once, however it ended, also when this throws
 * @throws QuerymillError USAGE; as the store, before anything is sent
 */
export async function exportStream(
  target: Target,
  { taxonomy, job }: Pick<JobSettings, "taxonomy" | "job">,
  query: ResultQuery,
  format: ExportFormat,
  ended: () => void,
): Promise<Response> {
  const { row, options } = recordTable(taxonomy);
  const rows = async function* () {
    for await (const record of recordsMatching(target, query.selection)) yield row(record, format);
  };
  const pieces = (async function* () {
    try {
      yield* tableText(rows(), { format, delimiter: ",", ...options });
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

/** @throws QuerymillError USAGE for another format, and for items that have no record */
export function exportIn(format: string, query: ResultQuery): ExportFormat {
  if (format !== "csv" && format !== "jsonl") throw refused(`format is csv or jsonl; got "${format.slice(0, 40)}".`);
  refuseWithoutRecords(query);
  return format;
}
