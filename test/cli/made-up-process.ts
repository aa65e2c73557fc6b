/**
 * A process that supervises an execution made up here: it settles an item every 20 ms, for ever unless
 * `brief`, and ends when it is stopped and its three calls have come home. Arguments: how it ends (`stop`, `brief`, `slow`, `refused`, `bug`, or `limits`: as `stop`, with a changed limit for each item), then output flags.
 */
import { supervise } from "../../src/cli/supervise.ts";
import { QuerymillError } from "../../src/errors.ts";
import { Events, type ExecutionEnd } from "../../src/events.ts";
import { type JobSettings, mainEndpoint } from "../../src/job.ts";
import type { Execution } from "../../src/jobs/execution.ts";
import { makeEnd, makeSnapshot } from "./made-up-run.ts";

const [how = "stop", ...flags] = process.argv.slice(2);
const events = new Events();
let stopping = how === "brief";
let aborted = false;
let read = 3;
let inFlight = 3;
let limit = 1;

const execution: Execution = {
  events,
  run,
  stop: () => {
    if (!stopping) events.emit("execution:drain", { executionId: "1188", inFlight, reason: "signal" });
    stopping = true;
  },
  abort: () => {
    aborted = true;
  },
  pause: () => {},
  resume: () => {},
  setConcurrency: async () => {},
  budgetPer: "job",
  setBudget: async () => {},
  requeue: async () => ({ deadLetters: [], waiting: [] }),
  change: async () => {},
  drainEndpoint: () => {},
  resumeEndpoint: () => {},
  snapshot: () =>
    makeSnapshot({ state: stopping ? "draining" : "running", nowMs: Date.now(), startedAtMs: Date.now() }),
};

async function run(): Promise<ExecutionEnd> {
  if (how === "refused") throw new QuerymillError("STORE_UNREACHABLE", "MongoDB at mongodb://me:hunter22@h is away.");
  if (how === "bug") throw new TypeError("x is undefined with hunter22, falcon33 and osprey44");
  while (!aborted && inFlight > 0) {
    await new Promise((resolve) => setTimeout(resolve, stopping && how === "slow" ? 1_000 : 20));
    const settled = { executionId: "1188", key: `"T-${read}"`, outcome: "classified", reason: null } as const;
    const cost = { attempts: 1, latencyMs: 20, durationMs: 25, costUsd: 0 };
    events.emit("item:settled", { ...settled, ...cost, decidedBy: "model" });
    if (how === "limits") {
      const change = { executionId: "1188", endpoint: "eu", from: limit, to: limit + 1, reason: "slow-start" } as const;
      events.emit("limit:change", change);
      limit += 1;
    }
    if (stopping) inFlight--;
    else read++;
  }
  const sum = { read, classified: read - inFlight, skipped: 0, deadLetters: 0, inFlight };
  const end = makeEnd({ ...sum, status: "stopped", stopReason: "signal", exitCode: 0 });
  events.emit("execution:end", end);
  return end;
}

const model = { provider: "openai", name: "small", baseUrl: null };
const settings = {
  model: { ...model, apiKey: null },
  tenant: "default",
  mode: "batch",
  storeUri: "mongodb://me:hunter22@h/db",
  endpoints: ["falcon33", "osprey44"].map((apiKey) => mainEndpoint({ ...model, apiKey })),
  taxonomy: { name: "t", version: "t-1", summary: true, alternatives: true, dimensions: [] },
  deadlines: { drainMs: 60_000 },
  batchDir: "batch_files",
  job: "support-inbox",
  budget: null,
  examples: null,
} as unknown as JobSettings;

process.exitCode = await supervise(execution, {
  settings,
  output: { json: flags.includes("--json"), quiet: flags.includes("--quiet"), logLevel: "warn", logFile: null },
  notes: ["A note."],
  jobFlags: "",
  again: "querymill run",
});
