import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { lastJson } from "../child.ts";
import { runQuerymill } from "../querymill.ts";
import type { Bench, Scenario } from "../scenario.ts";
import type { ModelServer } from "../servers.ts";
import { type Figure, figure, type Goal, ratio } from "../statistics.ts";

const ITEMS = 30_000;
/** A peer costs the same for the hundredth item as for the last. */
const PEER_ITEMS = 2_000;

interface Peer {
  readonly title: string;
  /** As the measuring tools call it. */
  readonly name: string;
  /** Its interpreter, by the name that `--peers` gives it. */
  readonly python: string;
  /** Of the peer's CPU over Querymill's. */
  readonly goal: Goal;
}

const PEERS: readonly Peer[] = [
  { title: "raw aiohttp workers", name: "aiohttp", python: "aiohttp", goal: { atLeast: 1 } },
  { title: "cookbook-style processor", name: "cookbook", python: "aiohttp", goal: { atLeast: 3 } },
  { title: "openai SDK, pages of 10, 5 at a time", name: "seed", python: "openai", goal: { atLeast: 12 } },
  { title: "curator", name: "curator", python: "curator", goal: { atLeast: 12 } },
];

interface PeerRun {
  readonly n: number;
  readonly paid: number;
  readonly cpu_us_doc: number;
}

/** CPU an item of programs that do the same calls, though neither MongoDB nor a journal. */
export const peers: Scenario = {
  name: "peers",
  what: "CPU an item of Python programs over that of Querymill (which does MongoDB and fsync too), 50 slots, zero latency",
  quick: false,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const { tools, pythons } = bench.options;
    if (tools === null)
      throw new Error("The Python programs are part of the measuring tools: give their folder with --tools.");
    const known = PEERS.filter(({ python }) => pythons.has(python));
    const missing = PEERS.filter(({ python }) => !pythons.has(python)).map(({ title }) => title);
    if (known.length === 0)
      throw new Error("Name the Python programs' interpreters: --peers openai=PATH,aiohttp=PATH,curator=PATH");
    if (missing.length > 0) bench.notes.push(`not compared, no interpreter given: ${missing.join("; ")}`);
    const server = await bench.modelServer();
    const items = bench.options.items ?? ITEMS;
    const results = await bench.interleave<number>({
      querymill: async () => (await runQuerymill(bench, { items, server, shortPrompt: true })).cpuUs,
      ...Object.fromEntries(
        known.map(({ name, python }) => [name, () => peerCpuUs(tools, name, pythons.get(python)!, server)]),
      ),
    });
    bench.notes.push("Querymill with a taxonomy whose prompt is about as long as theirs");
    return [
      ...known.map(({ title, name, goal }) => ratio(`${title} / querymill`, results[name]!, results.querymill!, goal)),
      figure("querymill, client alone", "µs an item", results.querymill!),
    ];
  },
};

async function peerCpuUs(tools: string, peer: string, python: string, server: ModelServer): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-bench-"));
  try {
    const args = ["--peer", peer, "--n", String(PEER_ITEMS), "--c", "50", "--stub", server.origin, "--out", folder];
    const run = await lastJson<PeerRun>(python, [join(tools, "peers.py"), ...args], {
      // Some write where they stand.
      cwd: folder,
      env: peer === "curator" ? { TIKTOKEN_CACHE_DIR: await tokenizersOf(python) } : {},
    });
    // Curator asks once more, to see whether the server is there.
    if (run.paid < run.n) throw new Error(`${peer} had ${run.paid} of ${run.n} items answered`);
    return run.cpu_us_doc;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Tokenizers that come with litellm: without them curator fetches some when it starts. */
async function tokenizersOf(python: string): Promise<string> {
  const program = "import importlib.util as u, os; print(os.path.dirname(u.find_spec('litellm').origin))";
  const { stdout } = await promisify(execFile)(python, ["-c", program], { timeout: 60_000 });
  return join(stdout.trim(), "litellm_core_utils", "tokenizers");
}
