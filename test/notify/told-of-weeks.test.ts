import { expect, it } from "vitest";
import { makeSend } from "../../src/notify/send.ts";
import { secretBytes } from "../../src/notify/webhook.ts";
import { COUNTERS } from "../cli/made-up-run.ts";
import { HOUR_MS, MINUTE_MS, only, WatchedRules } from "./watched-rules.ts";
import { startWitness } from "./witness.ts";

const CALM = { billing: 40, delivery: 30, refund: 30 };
const STORM = { billing: 20, delivery: 70, refund: 10 };

it("tells what takes hours and weeks, on a set clock, and delivers it", async () => {
  const witness = await startWitness();
  const send = makeSend({ network: { allowPrivate: new Set(["127.0.0.1"]) }, now: Date.now });
  const { here, post } = witness.notify.channels;
  const channels = [
    { name: "here", settings: { type: "webhook" as const, url: here.url, secrets: [secretBytes(witness.env.HOOK)!] } },
    { name: "post", settings: { type: "email" as const, url: post.url, from: post.from, to: [post.to] } },
  ];
  const seen = new WatchedRules({ rules: only("idle", "label-mix"), mode: "continuous" });
  const arrives = async (happened: string, expected: readonly string[]): Promise<void> => {
    for (const { notification } of seen.sent.splice(0))
      for (const channel of channels)
        expect(await send({ ...channel, secrets: [] }, notification, new AbortController().signal)).toEqual({
          kind: "delivered",
        });
    witness.sees(happened, expected);
  };
  const hours = (count: number, items: Readonly<Record<string, number>>): void => {
    for (let hour = 0; hour < count; hour++) {
      const category = { ...seen.snapshot.labels?.category };
      for (const [label, more] of Object.entries(items)) category[label] = (category[label] ?? 0) + more;
      seen.settle("classified").look({ labels: { category } }).pass(HOUR_MS, HOUR_MS);
    }
  };

  seen.event("execution:start").look({ counters: { ...COUNTERS, inFlight: 5, pending: 40 } });
  seen.pass(16 * MINUTE_MS);
  await arrives("5 items in work, and none settled for a quarter of an hour", ["problem idle"]);
  seen.settle("classified").look({ counters: { ...COUNTERS, inFlight: 0, pending: 0 } });
  await arrives("one is settled", ["recovered idle"]);

  hours(8 * 24, CALM);
  await arrives("eight days of the same mix", []);
  hours(24, STORM);
  await arrives("a day with far more about deliveries", ["problem label-mix:category"]);
  hours(24, CALM);
  await arrives("a day as a week before", ["recovered label-mix:category"]);
  witness.isDone(/parcel|doc:q/);
});
