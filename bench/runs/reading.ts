// Reads all pages of a source as a run does, and does nothing with them; prints one JSON line.
import { parseArgs } from "node:util";
import { openMongoStore } from "../../src/index.ts";
import { MARK_FIELDS } from "../../src/job.ts";
import { fieldsNeeded } from "../../src/stores/mapping.ts";
import { SOURCE } from "../items.ts";

export interface ReadingRun {
  readonly items: number;
  readonly itemsPerSecond: number;
}

/** Of a page of a run. */
const PAGE_ITEMS = 400;

const { values } = parseArgs({ options: { mongo: { type: "string" }, db: { type: "string" } } });
const store = await openMongoStore(values.mongo ?? "", values.db ?? "", { connectTimeoutMs: 5_000 });
const fields = fieldsNeeded({ text: null, maxChars: 24_000 });
const source = store.source({ collection: SOURCE, mark: MARK_FIELDS, filter: null, fields });
let items = 0;
const startedMs = performance.now();
let page = await source.readUnprocessed(null, PAGE_ITEMS);
items += page.documents.length;
while (!page.last) {
  page = await source.readUnprocessed(page.cursor, PAGE_ITEMS);
  items += page.documents.length;
}
const seconds = (performance.now() - startedMs) / 1_000;
await store.close();
const report: ReadingRun = { items, itemsPerSecond: Math.round(items / seconds) };
console.log(JSON.stringify(report));
