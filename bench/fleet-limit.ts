/**
 * How much of a limit a fleet uses together, and whether it ever exceeds it, as counted by the server.
 *
 *   node bench/fleet-limit.ts [--rpm 3000] [--tpm 0] [--workers 4] [--seconds 90] [--at redis|mongodb]
 *
 * Real worker processes, a model server that notes every arrival and refuses none, a Valkey and a replica set of their
 * own. `busiest minute` is the most that any 60 s held, over the limit: at most 1 means that no way of counting (bucket,
 * fixed or sliding window) would have refused. `used` leaves out the first 10 s.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openFleet } from "./fleet-processes.ts";

const { values } = parseArgs({
  options: {
    rpm: { type: "string", default: "3000" },
    tpm: { type: "string", default: "0" },
    workers: { type: "string", default: "4" },
    seconds: { type: "string", default: "90" },
    at: { type: "string", default: "redis" },
  },
});
const [rpm, tpm, workers, seconds] = [values.rpm, values.tpm, values.workers, values.seconds].map(Number) as [
  number,
  number,
  number,
  number,
];
const WARM_MS = 10_000;
const MINUTE_MS = 60_000;

const arrivals: { atMs: number; tokens: number }[] = [];
const fleet = await openFleet(Math.ceil(((rpm || tpm / 300) / 60) * (seconds + 60)), {
  latency: "fixed:200",
  arrived: (tokens) => arrivals.push({ atMs: performance.now(), tokens }),
});
try {
  const flags = {
    ...{ concurrent: "60", "range-size": "500" },
    ...(values.at === "mongodb" ? { "workers-at": "mongodb" } : {}),
    ...(rpm > 0 ? { rpm: String(rpm) } : {}),
    ...(tpm > 0 ? { tpm: String(tpm) } : {}),
  };
  void fleet.run(flags, workers);
  while (arrivals.length === 0) await delay(50);
  await delay(seconds * 1_000);
  print(await fleet.operations());
} finally {
  await fleet.close();
}

function print(operations: number): void {
  const seen = arrivals.slice();
  const fromMs = seen[0]!.atMs + WARM_MS;
  const untilMs = seen.at(-1)!.atMs;
  const line = (what: string, limit: number, amountOf: (one: { tokens: number }) => number): void => {
    const amount = seen.filter(({ atMs }) => atMs >= fromMs).reduce((sum, one) => sum + amountOf(one), 0);
    let [first, sum, most] = [0, 0, 0];
    for (const one of seen) {
      sum += amountOf(one);
      while (seen[first]!.atMs <= one.atMs - MINUTE_MS) sum -= amountOf(seen[first++]!);
      most = Math.max(most, sum);
    }
    const used = amount / ((limit * (untilMs - fromMs)) / MINUTE_MS);
    console.log(`${what} of ${limit} a minute: used ${used.toFixed(3)}, busiest minute ${(most / limit).toFixed(3)}`);
  };
  if (rpm > 0) line("requests", rpm, () => 1);
  if (tpm > 0) line("tokens", tpm, ({ tokens }) => tokens);
  console.log(
    `queue-store operations an item: ${(operations / seen.length).toFixed(4)} (${operations} for ${seen.length})`,
  );
}
