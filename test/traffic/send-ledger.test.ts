import fc from "fast-check";
import { expect, it } from "vitest";
import { type Charge, MOMENT_MS, SendLedger } from "../../src/traffic/send-ledger.ts";

it("knows what was charged later than a call, surely and perhaps, whatever is corrected in between", () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 0, max: 2.5 * MOMENT_MS }),
    amount: fc.integer({ min: 0, max: 100 }),
    correct: fc.option(fc.record({ which: fc.nat(), amount: fc.integer({ min: 0, max: 100 }) })),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const ledger = new SendLedger();
      const charges: Charge[] = [];
      let now = 0;
      for (const { afterMs, amount, correct } of steps) {
        now += afterMs;
        charges.push(ledger.add(now, amount));
        if (correct !== null) {
          const charge = charges[correct.which % charges.length]!;
          const before = charge.amount;
          expect(ledger.change(charge, correct.amount)).toBe(correct.amount - before);
        }
      }
      const momentOf = ({ sentMs }: Charge) => Math.floor(sentMs / MOMENT_MS);
      for (const charge of charges) {
        const sum = (counts: (moments: number) => boolean) =>
          charges
            .filter((other) => other !== charge && counts(momentOf(other) - momentOf(charge)))
            .reduce((total, { amount }) => total + amount, 0);
        const later = ledger.laterThan(charge);
        expect(later.surely).toBe(sum((moments) => moments > 1));
        expect(later.perhaps).toBe(sum((moments) => moments >= -1));
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});
