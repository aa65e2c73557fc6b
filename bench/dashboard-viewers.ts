// What viewers of the dashboard cost a run: CPU of whole runs over the embedded store, each in a process of its own, in turn.
// The model answers after 200 ms, over HTTP, from another process; so are the viewers, and they read.
// node bench/dashboard-viewers.ts [--items 5000] [--rounds 5] [--viewers 50] [--only none,viewers]
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
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

const ALL = ["none", "dashboard", "one viewer", "viewers"] as const;
type Variant = (typeof ALL)[number];

const LATENCY_MS = 200;
const SLOTS = 50;

const { values } = parseArgs({
  options: {
    items: { type: "string", default: "5000" },
    rounds: { type: "string", default: "5" },
    viewers: { type: "string", default: "50" },
    only: { type: "string", default: ALL.join() },
    variant: { type: "string" },
    model: { type: "string" },
  },
});
const VARIANTS = ALL.filter((one) => values.only.split(",").includes(one));
const items = Number(values.items);
const viewers = Number(values.viewers);
if (values.variant !== undefined) await runOnce(values.variant as Variant);
else await compare(Number(values.rounds));

async function compare(rounds: number): Promise<void> {
  const model = await startModelServer({ latency: `fixed:${LATENCY_MS}` });
  const seen = new Map<Variant, number[]>(VARIANTS.map((variant) => [variant, []]));
  let messages = 0;
  for (let round = 0; round < rounds; round++)
    for (const variant of VARIANTS) {
      const found = await runChild(variant, model);
      messages += found.messages;
      seen.get(variant)!.push(found.us);
    }
  for (const [variant, figures] of seen) {
    const name = variant === "viewers" ? `${viewers} viewers` : variant;
    const against = VARIANTS.filter((base) => base === "none" || base === "one viewer").map(
      (base) => `${median(figures.map((us, round) => us / seen.get(base)![round]!)).toFixed(3)} × ${base}`,
    );
    const range = `${Math.min(...figures).toFixed(1)}–${Math.max(...figures).toFixed(1)}`;
    console.log(`${name.padEnd(12)} ${median(figures).toFixed(1)} µs an item (${range})  ${against.join(", ")}`);
  }
  console.log(`${messages} messages were read by viewers`);
  await model.close();
}

/** @returns µs of CPU an item, and how many messages the viewers got */
async function runChild(variant: Variant, model: ModelServer): Promise<{ us: number; messages: number }> {
  const args = [
    fileURLToPath(import.meta.url),
    "--items",
    String(items),
    "--variant",
    variant,
    "--model",
    model.baseUrl,
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let messages = 0;
  let us = Number.NaN;
  for await (const line of createInterface({ input: child.stdout })) {
    const { link, figure } = JSON.parse(line) as { link?: string; figure?: number };
    if (figure !== undefined) us = figure;
    const count = variant === "viewers" ? viewers : variant === "one viewer" ? 1 : 0;
    if (link === undefined || count === 0) continue;
    const cookie = await login(link);
    for (let at = 0; at < count; at++)
      watch(link, cookie, () => {
        messages += 1;
      });
  }
  if (!Number.isFinite(us)) throw new Error(`The run ${variant} told nothing.`);
  return { us, messages };
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

function watch(link: string, cookie: string, onMessage: () => void): void {
  const asked = request(`${new URL(link).origin}${API}/live`, { headers: { cookie }, agent: false }, (response) => {
    response.setEncoding("utf8").on("data", (text: string) => {
      for (const _ of text.matchAll(/^event: overview/gm)) onMessage();
    });
    response.on("error", () => {});
  });
  asked.on("error", () => {}).end();
}

/** Prints the link of its dashboard, then µs of CPU an item, all threads. */
async function runOnce(variant: Variant): Promise<void> {
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
  const end = await execution.run();
  const { user, system } = process.cpuUsage(before);
  await dashboard?.close();
  if (end.classified !== items) throw new Error(JSON.stringify(end));
  await rm(folder, { recursive: true });
  console.log(JSON.stringify({ figure: (user + system) / items }));
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)]!;
}
