import { setTimeout as delay } from "node:timers/promises";
import { runChild } from "../child.ts";
import type { SeveralRun } from "../runs/several.ts";
import type { Bench, Scenario } from "../scenario.ts";
import type { ModelServer, ModelServerFlags } from "../servers.ts";
import { type Figure, figure, median } from "../statistics.ts";

interface Part {
  readonly name: string;
  readonly server: ModelServerFlags;
  /** Calls at once. */
  readonly concurrent: number;
  readonly limits?: { readonly requestsPerMinute: number };
  /** Work for about 25 s. */
  readonly items: number;
}

/** Unequal in speed, in spread and in what bounds them. */
const PARTS: readonly Part[] = [
  { name: "quick", server: { latency: "fixed:100" }, concurrent: 10, items: 2_500 },
  { name: "slow", server: { latency: "lognormal:300:2000" }, concurrent: 20, items: 1_200 },
  {
    name: "limited",
    server: { latency: "fixed:50", rpm: 1_200 },
    concurrent: 50,
    limits: { requestsPerMinute: 1_200 },
    items: 1_700,
  },
];
const EQUAL: Part = { name: "equal", server: { latency: "fixed:200" }, concurrent: 20, items: 7_500 };
const KILL_AFTER_S = 6;
const BACK_AFTER_S = 12;

/** How much of several endpoints together is used, and what the loss of one costs. */
export const endpoints: Scenario = {
  name: "endpoints",
  what: "three endpoints of unequal speed and limits against each alone; one of three dies and comes back",
  quick: false,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const servers = await Promise.all(PARTS.map(({ server }) => bench.modelServer(server)));
    const alone = PARTS.map((part, at) => [part.name, () => run(bench, [[part, servers[at]!]])] as const);
    const together = () =>
      run(
        bench,
        PARTS.map((part, at) => [part, servers[at]!]),
      );
    const results = await bench.interleave<SeveralRun>({ ...Object.fromEntries(alone), together });
    const rateOf = (one: SeveralRun, items: number): number => items / secondsOf(one);
    const whole = PARTS.reduce((sum, { items }) => sum + items, 0);
    const shares = results.together!.map((one, round) => {
      const sum = PARTS.reduce((rate, { name, items }) => rate + rateOf(results[name]![round]!, items), 0);
      return rateOf(one, whole) / sum;
    });
    return [
      figure("three together / sum of each alone, items/s", "of 1", shares, { atLeast: 0.97 }),
      ...(await loss(bench)),
    ];
  },
};

/** Three equal endpoints; one is killed in the middle and started again. */
async function loss(bench: Bench): Promise<Figure[]> {
  const lost: number[] = [];
  const kept: number[] = [];
  const back: number[] = [];
  for (let round = 0; round < bench.options.rounds; round += 1) {
    const servers = await Promise.all([0, 1, 2].map(() => bench.modelServer(EQUAL.server)));
    const parts = servers.map((server, at): [Part, ModelServer] => [{ ...EQUAL, name: `e${at + 1}` }, server]);
    const running = run(bench, parts, EQUAL.items);
    const dying = servers[2]!;
    while ((await dying.ledger()).ok === 0) await delay(20);
    await delay(KILL_AFTER_S * 1_000);
    dying.kill();
    await delay((BACK_AFTER_S - KILL_AFTER_S) * 1_000);
    await bench.modelServer({ ...EQUAL.server, port: Number(new URL(dying.origin).port) });
    const { classified, perSecond } = await running;
    bench.say(
      `one of three dies after ${KILL_AFTER_S} s, is back after ${BACK_AFTER_S} s: ${perSecond.join(" ")} items/s`,
    );
    const mean = (from: number, to: number): number =>
      perSecond.slice(from, to).reduce((sum, items) => sum + items, 0) / (to - from);
    const before = mean(2, KILL_AFTER_S - 1);
    lost.push(EQUAL.items - classified);
    kept.push(mean(KILL_AFTER_S + 2, BACK_AFTER_S - 1) / ((before * 2) / 3));
    back.push(Math.max(...perSecond.slice(BACK_AFTER_S + 2, -3)) / before);
  }
  bench.notes.push("one of three: a run's 60 slots go to the two that are left, up to their own 20 each");
  return [
    figure("one of three dies: items lost", "items", lost, { atMost: 0 }),
    figure("items/s from 2 s after its death / what the other two have", "of 1", kept, { atLeast: 0.97 }),
    figure("items/s after it is back / before, best second", "of 1", back),
  ];
}

async function run(
  bench: Bench,
  parts: readonly (readonly [Part, ModelServer])[],
  total?: number,
): Promise<SeveralRun> {
  const { uri } = await bench.mongo();
  const items = total ?? parts.reduce((sum, [part]) => sum + part.items, 0);
  for (const [, server] of parts) await server.reset();
  const list = parts.map(([{ name, concurrent, limits }, { origin }]) => {
    return {
      name,
      model: "openai-compatible/bench",
      baseUrl: `${origin}/v1`,
      concurrent,
      ...(limits ? { limits } : {}),
    };
  });
  const slots = parts.reduce((sum, [{ concurrent }]) => sum + concurrent, 0);
  return await bench.seeded(items, async (db) => {
    const flags = { mongo: uri, db, endpoints: JSON.stringify(list), concurrent: slots };
    return await runChild<SeveralRun>("several", flags);
  });
}

/** From the first item to the last second with any, without the part of that second that was empty. */
function secondsOf({ perSecond }: SeveralRun): number {
  const usual = median(perSecond.slice(1, -1));
  return perSecond.length - 1 + Math.min(1, (perSecond.at(-1) ?? 0) / Math.max(1, usual));
}
