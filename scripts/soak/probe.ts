/**
 * Loaded into a watched process (`--expose-gc --import`): writes down now and then what is really alive on its heap, which
 * only a full collection tells. Lines of JSON, appended to QUERYMILL_SOAK_PROBE.
 */
import { appendFileSync } from "node:fs";
import { getHeapCodeStatistics } from "node:v8";

const EVERY_MS = 5_000;
const path = process.env.QUERYMILL_SOAK_PROBE;
const { gc } = globalThis as { gc?: () => void };

if (path !== undefined && gc !== undefined)
  setInterval(() => {
    gc();
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
    const { code_and_metadata_size: machine, bytecode_and_metadata_size: byte } = getHeapCodeStatistics();
    const sample = { atMs: Date.now(), heapUsed, external, arrayBuffers, rss, code: machine + byte };
    appendFileSync(path, `${JSON.stringify(sample)}\n`);
  }, EVERY_MS).unref();
