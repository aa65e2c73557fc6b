import { dropDatabase, seed } from "./items.ts";
import { Noise } from "./noise.ts";
import { type ModelServer, type ModelServerFlags, type Mongo, startModelServer, startMongo } from "./servers.ts";
import type { Figure } from "./statistics.ts";

export interface BenchOptions {
  readonly rounds: number;
  /** Items of each run; null for the scenario's own number. */
  readonly items: number | null;
  /** Folder of the measuring tools; null when there is none. */
  readonly tools: string | null;
  /** Protections to take out, one run for each. */
  readonly without: readonly string[];
  /** Interpreters of the Python programs, by their names in `--peers`. */
  readonly pythons: ReadonlyMap<string, string>;
  /** Leaves out what takes minutes: no scenario was named. */
  readonly brief: boolean;
  /** Also does what takes many minutes. */
  readonly long: boolean;
}

export interface Scenario {
  readonly name: string;
  /** One line for the heading. */
  readonly what: string;
  /** Runs without being named. */
  readonly quick: boolean;
  measure(bench: Bench): Promise<readonly Figure[]>;
}

/** What one scenario works with: servers are started when asked for, and all is ended by {@link close}. */
export class Bench {
  readonly options: BenchOptions;
  readonly noise = new Noise();
  /** What a reader has to know beside the figures. */
  readonly notes: string[] = [];
  readonly #say: (line: string) => void;
  readonly #closers: (() => Promise<void>)[] = [];
  #mongo: Promise<Mongo> | null = null;
  #databases = 0;

  constructor(options: BenchOptions, say: (line: string) => void) {
    this.options = options;
    this.#say = say;
  }

  /** Progress, for whoever waits. */
  say(line: string): void {
    this.#say(line);
  }

  mongo(): Promise<Mongo> {
    this.#mongo ??= startMongo().then((mongo) => {
      this.#closers.push(() => mongo.stop());
      return mongo;
    });
    return this.#mongo;
  }

  async modelServer(flags: ModelServerFlags = {}): Promise<ModelServer> {
    const server = await startModelServer(this.options.tools, flags);
    this.#closers.push(() => server.stop());
    return server;
  }

  /** Gives a freshly filled database to `use` and drops it afterwards. */
  async seeded<T>(items: number, use: (db: string) => Promise<T>, done = 0): Promise<T> {
    const { uri } = await this.mongo();
    this.#databases += 1;
    const db = `querymill_bench_${process.pid}_${this.#databases}`;
    try {
      await seed(uri, db, items, done);
      return await use(db);
    } finally {
      await dropDatabase(uri, db);
    }
  }

  /**
   * Runs every variant once a round, every other round in the opposite order, with the fixed work of the noise between.
   * @returns what each gave, by its name, in the order of the rounds
   */
  async interleave<T>(variants: Readonly<Record<string, () => Promise<T>>>): Promise<Record<string, T[]>> {
    const results: Record<string, T[]> = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
    for (let round = 0; round < this.options.rounds; round += 1) {
      this.noise.calibrate();
      const order = Object.entries(variants);
      for (const [name, run] of round % 2 === 0 ? order : order.reverse()) {
        const result = await run();
        results[name]!.push(result);
        this.say(`round ${round + 1}, ${name}: ${JSON.stringify(result)}`);
      }
    }
    return results;
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }
}
