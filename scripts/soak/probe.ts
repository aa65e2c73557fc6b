/**
 * Loaded into a watched process (`--expose-gc --import`): writes down now and then what is really alive on its heap, which
 * only a full collection tells. Lines of JSON, appended to QUERYMILL_SOAK_PROBE.
 */
import { appendFileSync } from "node:fs";

const EVERY_MS = 5_000;
const path = process.env.QUERYMILL_SOAK_PROBE;
const { gc } = globalThis as { gc?: () => void };

if (path !== undefined && gc !== undefined)
  setInterval(() => {
    gc();
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
    appendFileSync(path, `${JSON.stringify({ atMs: Date.now(), heapUsed, external, arrayBuffers, rss })}\n`);
  }, EVERY_MS).unref();
