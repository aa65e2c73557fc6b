import { uniform } from "../../test/support/model-draw.ts";
import { type Fault, type ModelServer, startModelServer } from "../../test/support/model-server.ts";

/** How the provider behaves just now. */
export type Weather = "fine" | "storm" | "errors" | "hang" | "slow" | "malformed";

/** Answers that were produced for one text of one item, with when they were asked for. */
export interface Answered {
  readonly category: unknown;
  readonly atMs: number[];
}

/** A provider that can be told to misbehave, and knows of each text what it answered. Texts are known by `[doc:ID#VERSION]`. */
export class Provider {
  weather: Weather = "fine";
  /** By `ID#VERSION`: usable answers only. */
  readonly answers = new Map<string, Answered>();
  /** Calls that came, and calls by fault. */
  calls = 0;
  #server: ModelServer | null = null;
  #port = 0;
  readonly #seed: string;
  /** When each call came, by text and attempt: an answer that is late belongs to the time at which it was asked for. */
  readonly #cameMs = new Map<string, number>();
  /** Texts whose answer under way is not usable. */
  readonly #spoiled = new Set<string>();

  constructor(seed: string) {
    this.#seed = seed;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.#port}/v1`;
  }

  async open(): Promise<void> {
    this.#server = await startModelServer({
      port: this.#port,
      latency: "lognormal:60:400",
      throttleHeaders: { "retry-after-ms": "1500" },
      fail: (id, attempt) => {
        this.#cameMs.set(`${id} ${attempt}`, Date.now());
        return this.#faultOf(id);
      },
      content: (id, attempt, value) => {
        const known = this.answers.get(id) ?? { category: value.category, atMs: [] };
        const cameMs = this.#cameMs.get(`${id} ${attempt}`)!;
        this.#cameMs.delete(`${id} ${attempt}`);
        if (!this.#spoiled.delete(id)) known.atMs.push(cameMs);
        this.answers.set(id, known);
        return JSON.stringify({ ...value, category: known.category, summary: `What ${id} is about.` });
      },
    });
    this.#port = this.#server.port;
  }

  /** As if the host were gone: connections are refused. */
  async close(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
  }

  /** True for items that the provider always refuses to answer. */
  isRefused(id: string): boolean {
    return uniform(`${this.#seed}/${id}`, 41) < 0.005;
  }

  async #faultOf(id: string): Promise<Fault | null> {
    this.calls += 1;
    if (this.isRefused(id.split("#")[0]!)) return "refusal";
    const draw = uniform(`${this.#seed}/${id}/${this.calls}`, 42);
    switch (this.weather) {
      case "storm":
        return draw < 0.8 ? "429" : null;
      case "errors":
        return draw < 0.5 ? "503" : null;
      case "hang":
        return draw < 0.5 ? "hang" : null;
      case "malformed":
        if (draw >= 0.15) return null;
        this.#spoiled.add(id);
        return "malformed";
      case "slow":
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        return null;
      default:
        return null;
    }
  }
}
