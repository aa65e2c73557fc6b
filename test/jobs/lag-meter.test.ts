import { ObjectId } from "mongodb";
import { describe, expect, it } from "vitest";
import { LagMeter } from "../../src/jobs/lag-meter.ts";
import type { SourceDocument } from "../../src/store.ts";

const DAY_MS = Date.UTC(2026, 10, 26);
const madeAt = (second: number): SourceDocument => ({ _id: ObjectId.createFromTime(DAY_MS / 1_000 + second) });

/** A meter by a clock of the test, ticked every second. `look` answers, and takes its time by that clock. */
function meterOver(look: (second: number) => { readonly took?: number; readonly found: SourceDocument | null }) {
  let ms = 0;
  const looks: number[] = [];
  const meter = new LagMeter({
    first: async () => {
      looks.push(ms / 1_000);
      const { took = 0, found } = look(ms / 1_000);
      ms += took;
      return found;
    },
    passSinceMs: () => DAY_MS,
    known: () => 1,
    isAway: () => false,
    updatedAtMs: () => null,
    now: () => DAY_MS + ms,
    steadyNow: () => ms,
  });
  const run = async (seconds: number): Promise<void> => {
    for (const end = ms + seconds * 1_000; ms < end; ms += 1_000) await meter.tick();
  };
  return { meter, looks, run };
}

describe("the age of the oldest unprocessed item", () => {
  it("is that of the item that is the oldest now, while others are settled", async () => {
    const { meter, run } = meterOver((second) => ({ found: madeAt(Math.floor(second) - 2) }));
    for (let second = 0; second < 30; second++) {
      await run(1);
      expect(meter.value.ms).toBeLessThanOrEqual(4_000);
    }
  });

  it("is looked at again at once after one slow answer, and rarely where all are slow", async () => {
    const frozen = meterOver((second) => ({ took: second === 5 ? 4_000 : 1, found: madeAt(Math.floor(second)) }));
    await frozen.run(15);
    expect(frozen.looks.filter((second) => second > 5).length).toBeGreaterThanOrEqual(4);
    const slow = meterOver(() => ({ took: 1_000, found: madeAt(0) }));
    await slow.run(200);
    expect(slow.looks.length).toBeLessThanOrEqual(5);
  });
});
