// What viewers of the dashboard cost a run, in CPU of its whole process, all threads. The model answers after 200 ms, over
// HTTP, from another process; so are the viewers, and they read.
//
// One run with its dashboard open is watched by nobody and by viewers in turn, window by window: of one process, which is
// warm, and whose heap is the same for both. --open compares whole runs instead, each in a process of its own: without a
// dashboard, and with one that nobody watches.
// node bench/dashboard-viewers.ts [--viewers 50] [--windows 24] [--seconds 8] | --open [--rounds 5] [--items 10000]
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { type ClientRequest, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadSettings } from "../src/config/load.ts";
import { API } from "../src/dashboard/api.ts";
import { openDashboard } from "../src/dashboard/server.ts";
import { OwnWorker } from "../src/dashboard/worker.ts";
import { prepareExecution } from "../src/jobs/wiring.ts";
import { openLog } from "../src/observe/log.ts";
import { BatchFileManager } from "../src/state/batch-file-manager.ts";
import { openSqliteStore } from "../src/stores/sqlite.ts";
import { type ModelServer, startModelServer } from "../test/support/model-server.ts";

type Variant = "none" | "dashboard" | "windows";

const LATENCY_MS = 200;
const SLOTS = 50;
/** Of a window, before it is measured, in ms. */
const SETTLE_MS = 500;

const { values } = parseArgs({
  options: {
    open: { type: "boolean", default: false },
    items: { type: "string", default: "10000" },
    rounds: { type: "string", default: "5" },
    viewers: { type: "string", default: "50" },
    windows: { type: "string", default: "24" },
    seconds: { type: "string", default: "8" },
    variant: { type: "string" },
    model: { type: "string" },
  },
});
const viewers = Number(values.viewers);
const windows = Number(values.windows);
const seconds = Number(values.seconds);
if (values.variant !== undefined) await runOnce(values.variant as Variant);
else {
  const model = await startModelServer({ latency: `fixed:${LATENCY_MS}` });
  await (values.open ? compareOpen(model) : compareWindows(model));
  await model.close();
}

async function compareOpen(model: ModelServer): Promise<void> {
  const ratios: number[] = [];
  const seen = { none: [] as number[], dashboard: [] as number[] };
  for (let round = 0; round < Number(values.rounds); round++) {
    // None of both always comes second.
    const order = round % 2 === 0 ? (["none", "dashboard"] as const) : (["dashboard", "none"] as const);
    for (const variant of order)
      for await (const { figure } of linesOf(startRun(variant, Number(values.items), model)))
        if (figure !== undefined) seen[variant].push(figure);
    ratios.push(seen.dashboard.at(-1)! / seen.none.at(-1)!);
  }
  console.log(`no dashboard   ${median(seen.none).toFixed(1)} µs an item`);
  console.log(`nobody watches ${median(seen.dashboard).toFixed(1)} µs an item`);
  console.log(`ratio of a round ${median(ratios).toFixed(3)} (${spread(ratios)})`);
}

async function compareWindows(model: ModelServer): Promise<void> {
  const items = Math.ceil(((SLOTS * 1_000) / LATENCY_MS) * (seconds + SETTLE_MS / 1_000 + 1) * (windows + 2));
  const child = startRun("windows", items, model);
  const [alone, watched]: [number[], number[]] = [[], []];
  let [messages, page, cookie] = [0, "", ""];
  const watching: ClientRequest[] = [];
  for await (const { link, window, figure } of linesOf(child)) {
    if (link !== undefined) [page, cookie] = [link, await login(link)];
    // Of four windows the middle two are watched: what changes steadily changes both alike.
    if (window !== undefined) {
      const count = window % 4 === 1 || window % 4 === 2 ? viewers : 0;
      while (watching.length < count)
        watching.push(
          watch(page, cookie, () => {
            messages += 1;
          }),
        );
      if (count === 0) for (const one of watching.splice(0)) one.destroy();
      child.stdin!.write("go\n");
    }
    // The first four warm up.
    if (figure !== undefined && window! >= 4) (watching.length > 0 ? watched : alone).push(figure);
  }
  const ratios = watched.map((us, at) => us / alone[at]!);
  console.log(`nobody watches ${mean(alone).toFixed(1)} µs an item in ${alone.length} windows of ${seconds} s`);
  console.log(`${viewers} viewers     ${mean(watched).toFixed(1)} µs an item; they read ${messages} messages`);
  console.log(`ratio ${(mean(watched) / mean(alone)).toFixed(3)} (95 %: ${spread(ratios)})`);
}

interface Line {
  readonly link?: string;
  /** It is about to begin, and waits for a word; with a figure: it has ended. */
  readonly window?: number;
  /** µs of CPU an item. */
  readonly figure?: number;
}

function startRun(variant: Variant, items: number, model: ModelServer): ChildProcess {
  const args = ["--variant", variant, "--items", `${items}`, "--model", model.baseUrl];
  const same = ["--windows", `${windows}`, "--seconds", `${seconds}`];
  return spawn(process.execPath, [fileURLToPath(import.meta.url), ...args, ...same], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

async function* linesOf(child: ChildProcess): AsyncGenerator<Line> {
  for await (const line of createInterface({ input: child.stdout! })) yield JSON.parse(line) as Line;
}

async function login(link: string): Promise<string> {
  const { origin, hash } = new URL(link);
  const answer = await fetch(`${origin}${API}/session`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-querymill": "1" },
    body: JSON.stringify({ token: hash.slice("#token=".length) }),
  });
  return answer.headers.get("set-cookie")!.split(";")[0]!;
}

function watch(link: string, cookie: string, onMessage: () => void): ClientRequest {
  const asked = request(`${new URL(link).origin}${API}/live`, { headers: { cookie }, agent: false }, (response) => {
    response.setEncoding("utf8").on("data", (text: string) => {
      for (const _ of text.matchAll(/^event: overview/gm)) onMessage();
    });
    response.on("error", () => {});
  });
  asked.on("error", () => {}).end();
  return asked;
}

/** Prints the link of its dashboard, then its windows, or µs of CPU an item of the whole run. */
async function runOnce(variant: Variant): Promise<void> {
  const items = Number(values.items);
  const folder = await mkdtemp(join(tmpdir(), "querymill-bench-dashboard-"));
  const store = await openSqliteStore(join(folder, "store.sqlite"));
  for (let at = 0; at < items; at += 1_000)
    await store.insert(
      "conversation_set",
      Array.from({ length: Math.min(1_000, items - at) }, (_, one) => ({
        _id: `q${at + one}`,
        text: `My parcel number ${at + one} has not arrived, where is it?`,
      })),
    );
  await store.close();
  const { settings } = await loadSettings({
    flags: {
      store: join(folder, "store.sqlite"),
      batchDir: folder,
      model: "openai-compatible/bench-1",
      baseUrl: values.model!,
      concurrent: String(SLOTS),
    },
    env: {},
    cwd: folder,
    files: false,
  });
  const execution = await prepareExecution(settings);
  const { logger } = await openLog({ level: "error", file: null, write: () => {}, secrets: [] });
  const listen = { host: "127.0.0.1", port: 0, hosts: [], shown: "0" };
  const dashboard =
    variant === "none"
      ? null
      : await openDashboard({
          settings,
          dashboard: { listen, hosts: [], readOnly: false, token: null, readerToken: null },
          listen,
          worker: new OwnWorker({ execution, reload: null }, new BatchFileManager(folder, settings)),
          events: execution.events,
          logger,
        });
  if (dashboard !== null) console.log(JSON.stringify({ link: dashboard.link }));
  const before = process.cpuUsage();
  const running = execution.run();
  if (variant === "windows") {
    await measureWindows(() => execution.snapshot().counters.classified);
    execution.stop("stop-requested");
  }
  const end = await running;
  const { user, system } = process.cpuUsage(before);
  await dashboard?.close();
  await rm(folder, { recursive: true });
  if (variant === "windows") process.exit();
  if (end.classified !== items) throw new Error(JSON.stringify(end));
  console.log(JSON.stringify({ figure: (user + system) / items }));
  process.exit();
}

async function measureWindows(settled: () => number): Promise<void> {
  const words = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  for (let window = 0; window < windows; window++) {
    console.log(JSON.stringify({ window }));
    await words.next();
    await delay(SETTLE_MS);
    const [items, cpu] = [settled(), process.cpuUsage()];
    await delay(seconds * 1_000);
    const { user, system } = process.cpuUsage(cpu);
    console.log(JSON.stringify({ window, figure: (user + system) / (settled() - items) }));
  }
}

function mean(figures: readonly number[]): number {
  return figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
}

/** Mean and twice its standard error, as a range. */
function spread(figures: readonly number[]): string {
  const middle = mean(figures);
  const error = Math.sqrt(mean(figures.map((figure) => (figure - middle) ** 2)) / Math.max(1, figures.length - 1));
  return `${(middle - 2 * error).toFixed(3)} to ${(middle + 2 * error).toFixed(3)}`;
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)]!;
}
