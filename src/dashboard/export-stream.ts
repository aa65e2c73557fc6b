import { tableText } from "../files/table-writer.ts";
import type { JobSettings } from "../job.ts";
import { recordsMatching, recordTable, refuseWithoutRecords } from "../results/matching-records.ts";
import type { ResultQuery } from "../results/query.ts";
import type { Target } from "../store.ts";
import { refused } from "./data-requests.ts";

const TYPES = { csv: "text/csv; charset=utf-8", jsonl: "application/x-ndjson; charset=utf-8" } as const;

/**
 * The records that a query means, as a file that is written while it is sent. It ends when nobody reads on.
 * @throws QuerymillError USAGE; as the store, before anything is sent
 */
export async function exportStream(
  target: Target,
  { taxonomy, job }: Pick<JobSettings, "taxonomy" | "job">,
  query: ResultQuery,
  format: string,
): Promise<Response> {
  if (format !== "csv" && format !== "jsonl") throw refused(`format is csv or jsonl; got "${format.slice(0, 40)}".`);
  refuseWithoutRecords(query);
  const { row, options } = recordTable(taxonomy);
  const rows = async function* () {
    for await (const record of recordsMatching(target, query.selection)) yield row(record, format);
  };
  const text = tableText(rows(), { format, delimiter: ",", ...options });
  const encoder = new TextEncoder();
  const first = await text.next();
  let left = first.done ? null : first.value;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = left ?? (await text.next()).value;
      left = null;
      if (typeof piece === "string") controller.enqueue(encoder.encode(piece));
      else controller.close();
    },
    async cancel() {
      await text.return(undefined);
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
