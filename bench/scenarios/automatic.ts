import { setTimeout as delay } from "node:timers/promises";
import { runChild } from "../child.ts";
import type { SeveralRun } from "../runs/several.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { type Figure, figure } from "../statistics.ts";

const LIMITS = { rpm: 3_000, tpm: 400_000 };
/** A bucket of tokens and a minute and a half more. */
const ITEMS = 460;
const HALVED = { rpm: 1_500, items: 6_000, afterMs: 15_000 };

/** Where `--concurrent auto` goes: at a rate limit, and at one that is halved in the middle of the run. */
export const automatic: Scenario = {
  name: "automatic",
  what: "--concurrent auto at 3,000 requests and 400,000 tokens a minute, and at a limit that is halved in mid-run",
  quick: false,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const server = await bench.modelServer({ latency: "lognormal:400:4000", ...LIMITS });
    const { uri } = await bench.mongo();
    const one = async (items: number): Promise<SeveralRun> => {
      const list = [{ name: "main", model: "openai-compatible/bench", baseUrl: `${server.origin}/v1` }];
      return await bench.seeded(items, (db) =>
        runChild<SeveralRun>("several", { mongo: uri, db, endpoints: JSON.stringify(list) }),
      );
    };
    const used: number[] = [];
    const refused: number[] = [];
    const halved: number[] = [];
    for (let round = 0; round < bench.options.rounds; round += 1) {
      bench.noise.calibrate();
      await server.configure({ latency: "lognormal:400:4000", ...LIMITS });
      tell(bench, "both limits", await one(bench.options.items ?? ITEMS));
      const ledger = await server.ledger();
      used.push((ledger.tokens - LIMITS.tpm) / ((LIMITS.tpm * ledger.wallMs) / 60_000));
      refused.push(ledger.refused / ledger.received);

      await server.configure({ latency: "lognormal:400:4000", rpm: LIMITS.rpm, tpm: 0 });
      const running = one(HALVED.items);
      while ((await server.ledger()).ok === 0) await delay(50);
      await delay(HALVED.afterMs);
      const before = await server.ledger();
      await server.configure({ rpm: HALVED.rpm });
      tell(bench, "halved", await running);
      const after = await server.ledger();
      halved.push(after.refused / after.received);
      bench.say(`halved after ${before.ok} answers: ${after.ok} more, ${after.refused} refused`);
    }
    return [
      figure("tokens used of what the limit grants, after the first bucket", "of 1", used, { atLeast: 0.95 }),
      figure("refused with 429, of requests", "of 1", refused, { atMost: 0.02 }),
      figure("refused with 429 after the limit was halved, of requests", "of 1", halved),
    ];
  },
};

/** The curve, a point a second at most. */
function tell(bench: Bench, name: string, { changes, perSecond }: SeveralRun): void {
  let lastMs = Number.NEGATIVE_INFINITY;
  const points = changes.filter(({ atMs, to, from }) => {
    if (atMs - lastMs < 1_000 && to > from) return false;
    lastMs = atMs;
    return true;
  });
  bench.say(
    `${name}: calls at once ${points.map(({ atMs, to, reason }) => `${(atMs / 1_000).toFixed(1)}s:${to} ${reason}`).join(", ")}`,
  );
  bench.say(`${name}: items/s ${perSecond.join(" ")}`);
}
