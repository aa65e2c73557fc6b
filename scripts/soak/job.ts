import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Cli, type CliEnd, type CliEvent, startCli } from "../../test/support/cli.ts";

export interface JobOptions {
  readonly name: string;
  /** Of settings and state; made here. */
  readonly folder: string;
  readonly storeUri: string;
  readonly db: string;
  readonly collection: string;
  readonly modelUrl: string;
  /** Where notifications go; null for none. */
  readonly webhookUrl: string | null;
  /** Measure what is alive on the heap. */
  readonly probed: boolean;
  readonly onEvent: (event: CliEvent) => void;
  /** An end that nobody asked for. */
  readonly onBadEnd: (what: string) => void;
}

const PROBE = fileURLToPath(new URL("./probe.ts", import.meta.url));
/** A secret in the form of Standard Webhooks. */
const SECRET = `whsec_${Buffer.from("a secret of the soak, 32 bytes !").toString("base64")}`;
const TAXONOMY = `name: shop
summary: true
dimensions:
  category: { choose: one, required: true, labels: { billing: money, shipping: parcels, returns: sent back } }
  sentiment: { choose: one, required: true, labels: { negative: bad, neutral: so so, positive: good } }
`;

/** One continuous job as a supervisor runs it: the same command again whenever its process ends. */
export class Job {
  readonly options: JobOptions;
  readonly batchDir: string;
  restarts = 0;
  /** Where the present process answers; null before it said so. */
  socket: string | null = null;
  #cli: Cli | null = null;
  #asked: "kill" | "stop" | null = null;
  #concurrent = 16;

  constructor(options: JobOptions) {
    this.options = options;
    this.batchDir = join(options.folder, "state");
  }

  get probeFile(): string {
    return join(this.options.folder, "heap.jsonl");
  }
  get pid(): number | null {
    return this.#cli?.pid ?? null;
  }

  async start(): Promise<void> {
    await mkdir(this.options.folder, { recursive: true });
    await writeFile(join(this.options.folder, "taxonomy.yaml"), TAXONOMY);
    await this.#configure();
    this.#launch();
  }

  async kill(): Promise<void> {
    await this.#end("kill", "SIGKILL");
  }

  async restart(): Promise<void> {
    await this.#end("stop", "SIGTERM");
  }

  /** Ends it for good. */
  async stop(): Promise<CliEnd | null> {
    const cli = this.#cli;
    if (cli === null) return null;
    this.#asked = "stop";
    this.#cli = null;
    cli.kill("SIGTERM");
    return await cli.ended;
  }

  /** A command of `querymill control`. */
  async control(words: readonly string[]): Promise<void> {
    const cli = startCli(["control", ...words, ...this.#place(), "--json"], this.#startOptions({}));
    const { code, stderr } = await cli.ended;
    if (code !== 0) this.options.onBadEnd(`control ${words.join(" ")}: exit ${code}: ${stderr.slice(0, 500)}`);
  }

  /** Another number of calls at once, by the settings file and SIGHUP. */
  async retune(): Promise<void> {
    this.#concurrent = this.#concurrent === 16 ? 12 : 16;
    await this.#configure();
    this.#cli?.kill("SIGHUP");
  }

  async heapSamples(): Promise<{ atMs: number; heapUsed: number; external: number; rss: number; code: number }[]> {
    const text = await readFile(this.probeFile, "utf8").catch(() => "");
    return text
      .split("\n")
      .filter((line) => line.endsWith("}"))
      .map((line) => JSON.parse(line));
  }

  async #end(how: "kill" | "stop", signal: NodeJS.Signals): Promise<void> {
    const cli = this.#cli;
    if (cli === null) return;
    this.#asked = how;
    cli.kill(signal);
    await cli.ended;
    // The supervisor's turn.
    await delay(500);
  }

  #launch(): void {
    this.#asked = null;
    const cli = startCli(
      ["run", ...this.#place(), "--mode", "continuous", "--json", "--log-level", "warn"],
      this.#startOptions({
        NODE_COMPILE_CACHE: join(this.options.folder, "compiled"),
        HOOK_SECRET: SECRET,
        ...(this.options.webhookUrl === null ? {} : { HOOK_URL: this.options.webhookUrl }),
        ...(this.options.probed
          ? { NODE_OPTIONS: `--expose-gc --import=${PROBE}`, QUERYMILL_SOAK_PROBE: this.probeFile }
          : {}),
      }),
    );
    this.#cli = cli;
    const pump = this.#pump(cli);
    void cli.ended.then(async ({ code, signal, stderr }) => {
      clearInterval(pump.timer);
      pump.drain();
      if (this.#cli !== cli) return;
      const expected = this.#asked === "kill" ? signal === "SIGKILL" : this.#asked === "stop" && code === 0;
      if (!expected) this.options.onBadEnd(`${this.options.name}: exit ${code ?? signal}: ${stderr.slice(-2_000)}`);
      this.restarts += 1;
      await delay(300);
      if (this.#cli === cli) this.#launch();
    });
  }

  #pump(cli: Cli): { timer: NodeJS.Timeout; drain(): void } {
    let at = 0;
    const drain = (): void => {
      for (; at < cli.events.length; at += 1) {
        const event = cli.events[at]!;
        if (event.event === "control:ready") this.socket = event.address as string;
        this.options.onEvent(event);
      }
    };
    return { timer: setInterval(drain, 200), drain };
  }

  #place(): string[] {
    const { name, storeUri, db } = this.options;
    return [
      ...["--job", name, "--store", storeUri, "--db", db, "--batch-dir", this.batchDir],
      ...["--config", "querymill.yaml"],
    ];
  }

  #startOptions(env: Record<string, string>): { cwd: string; env: Record<string, string> } {
    return { cwd: this.options.folder, env };
  }

  /** Short waits, so that what takes hours elsewhere happens here within minutes. */
  async #configure(): Promise<void> {
    const { collection, modelUrl, webhookUrl } = this.options;
    const notify =
      webhookUrl === null
        ? ""
        : `notify:
  allowPrivate: [127.0.0.1]
  channels:
    hook: { type: webhook, urlVariable: HOOK_URL, secretVariable: HOOK_SECRET }
  maxPerHour: 1000
  rules:
    error-share: { share: 0.1, windowMinutes: 1, minItems: 20, cooldownMinutes: 0 }
    dead-letters: { count: 5, windowMinutes: 1, cooldownMinutes: 0 }
    endpoint-down: { forMinutes: 0, cooldownMinutes: 0 }
    store-away: { forMinutes: 0, cooldownMinutes: 0 }
`;
    await writeFile(
      join(this.options.folder, "querymill.yaml"),
      `taxonomy: taxonomy.yaml
sourceCollection: ${collection}
targetCollection: ${collection}_answers
model: drawn-1
baseUrl: ${modelUrl}
concurrent: ${this.#concurrent}
interval: 5
reclassify: changed
source: { updatedAt: updatedAt, quietFor: 1 }
cache: { enabled: false }
retry: { retries: 3, baseDelayMs: 50, maxDelayMs: 500, rounds: [2000, 4000, 8000] }
deadlines: { attemptMs: 3000 }
breaker: { share: 0.9, window: 200 }
${notify}`,
    );
  }
}
