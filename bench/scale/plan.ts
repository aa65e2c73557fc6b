import { makeRandom } from "../../test/support/traffic-simulation.ts";

/** What a job of any size is calculated from. */
export interface Scale {
  readonly items: number;
  readonly workers: number;
  /** Calls at once of each worker. */
  readonly concurrent: number;
  /** ms of one call, drawn. */
  readonly latency: (key: string) => number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of all keys together, per minute; 0: none. */
  readonly rpm: number;
  readonly tpm: number;
  readonly rangeSize: number;
  /** Share of calls that fail and are made again, 0..1. */
  readonly faults: number;
  /** CPU of a worker for one item, in ms. */
  readonly cpuMs: number;
  /** Items (a record and a mark) that the store takes in a second. */
  readonly storePerSecond: number;
  /** Operations of the queue store for one range and, of each worker, in a second. */
  readonly queueOpsARange: number;
  readonly queueOpsASecond: number;
  /** Operations that the queue store does in a second. */
  readonly queuePerSecond: number;
  /** Ranges that the coordinator cuts and counts in a second. */
  readonly rangesPerSecond: number;
}

/** What a job comes to. */
export interface Plan {
  /** Items a second while it runs. */
  readonly perSecond: number;
  readonly seconds: number;
  /** What decides the pace: the one that most items waited for. */
  readonly limitedBy: Resource;
  /** Items a second that each would allow alone; Infinity: it does not limit. */
  readonly alone: Readonly<Record<Resource, number>>;
  readonly calls: number;
  readonly queueOpsAnItem: number;
}

export type Resource =
  | "slots"
  | "requests per minute"
  | "tokens per minute"
  | "worker CPU"
  | "MongoDB"
  | "queue store"
  | "coordinator";

/** What a fleet gives out of a limit: the rest covers the jitter of arrivals. */
const GIVEN = 0.98;
/** From the start of the processes to the first call, in s. */
const START_S = 1.5;
/** Items that are played through at most; a longer job goes on as these did. */
const MOST_PLAYED = 400_000;

/** Plays calls of a job through, slot by slot, and draws out to all items what they came to. */
export function planOf(scale: Scale): Plan {
  const { items, workers, concurrent } = scale;
  const slots = workers * concurrent;
  const played = Math.min(items, Math.min(MOST_PLAYED, Math.max(20_000, 30 * slots)));
  const random = makeRandom(1);
  const alone = resourcesOf(scale);
  const gapMs = new Map<Resource, number>(
    (Object.keys(alone) as Resource[])
      .filter((name) => name !== "slots" && name !== "worker CPU")
      .map((name) => [name, 1_000 / alone[name]]),
  );
  const nextMs = new Map<Resource, number>([...gapMs.keys()].map((name) => [name, 0]));
  const cpuNextMs = new Float64Array(workers);
  const free = new Heap(slots);
  const decided = new Map<Resource, number>();
  let [lastStartMs, lastEndMs, quarterMs] = [0, 0, 0];
  for (let item = 0; item < played; item += 1) {
    const { slot, atMs } = free.least;
    const worker = slot % workers;
    let [startMs, by] = [atMs, "slots" as Resource];
    const wait = (untilMs: number, name: Resource): void => {
      if (untilMs > startMs) [startMs, by] = [untilMs, name];
    };
    wait(cpuNextMs[worker]!, "worker CPU");
    for (const [name, untilMs] of nextMs) wait(untilMs, name);
    decided.set(by, (decided.get(by) ?? 0) + 1);
    cpuNextMs[worker] = Math.max(startMs, cpuNextMs[worker]!) + scale.cpuMs;
    for (const [name, gap] of gapMs) nextMs.set(name, Math.max(startMs, nextMs.get(name)! + gap));
    let ms = scale.latency(`s${item}`);
    while (random() < scale.faults) ms += scale.latency(`f${item}${random()}`);
    free.replaceLeast(startMs + ms);
    lastStartMs = startMs;
    lastEndMs = Math.max(lastEndMs, startMs + ms);
    if (item === Math.floor(played / 4)) quarterMs = startMs;
  }
  const perSecond = (played * 0.75) / ((lastStartMs - quarterMs) / 1_000);
  const seconds = START_S + (lastEndMs + ((items - played) / perSecond) * 1_000) / 1_000;
  const [limitedBy] = [...decided].sort(([, a], [, b]) => b - a)[0]!;
  return {
    perSecond,
    seconds,
    limitedBy,
    alone,
    calls: items / (1 - scale.faults),
    queueOpsAnItem: scale.queueOpsARange / scale.rangeSize + (workers * scale.queueOpsASecond) / perSecond,
  };
}

function resourcesOf(scale: Scale): Record<Resource, number> {
  const { workers, concurrent, rpm, tpm, faults, inputTokens, outputTokens, rangeSize } = scale;
  const callsAnItem = 1 / (1 - faults);
  let sum = 0;
  for (let draw = 0; draw < 10_000; draw += 1) sum += scale.latency(`m${draw}`);
  const meanMs = sum / 10_000;
  const perMinute = (limit: number): number =>
    limit === 0 ? Number.POSITIVE_INFINITY : ((limit / 60) * GIVEN) / callsAnItem;
  return {
    slots: (workers * concurrent * 1_000) / (meanMs * callsAnItem),
    "requests per minute": perMinute(rpm),
    "tokens per minute": perMinute(tpm) / (inputTokens + outputTokens),
    "worker CPU": (workers * 1_000) / scale.cpuMs,
    MongoDB: scale.storePerSecond,
    "queue store": (scale.queuePerSecond - workers * scale.queueOpsASecond) / (scale.queueOpsARange / rangeSize),
    coordinator: scale.rangesPerSecond * rangeSize,
  };
}

/** When each slot is free. */
class Heap {
  readonly #atMs: Float64Array;
  readonly #slots: Int32Array;

  constructor(size: number) {
    this.#atMs = new Float64Array(size);
    this.#slots = Int32Array.from({ length: size }, (_, at) => at);
  }

  get least(): { slot: number; atMs: number } {
    return { slot: this.#slots[0]!, atMs: this.#atMs[0]! };
  }

  replaceLeast(atMs: number): void {
    const [times, slots] = [this.#atMs, this.#slots];
    const slot = slots[0]!;
    let at = 0;
    for (;;) {
      let least = 2 * at + 1;
      if (least >= times.length) break;
      if (least + 1 < times.length && times[least + 1]! < times[least]!) least += 1;
      if (times[least]! >= atMs) break;
      times[at] = times[least]!;
      slots[at] = slots[least]!;
      at = least;
    }
    times[at] = atMs;
    slots[at] = slot;
  }
}
