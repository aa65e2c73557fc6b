import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Notification } from "../../src/notify/notification.ts";
import { type LaneState, type Outgoing, Pacer } from "../../src/notify/pacer.ts";
import { isQuiet, type QuietHours, WEEKDAYS, wallTime } from "../../src/notify/quiet-hours.ts";
import type { PacingSettings } from "../../src/notify/rule-settings.ts";
import { CHAT, HOUR_MS, MINUTE_MS, MONDAY_MS, PAGER } from "./watched-rules.ts";

const PACING: PacingSettings = { quietHours: [], groupSeconds: 30, maxPerHour: 20 };
const NIGHT: QuietHours = { from: "22:00", to: "07:00", timezone: "Europe/Berlin", days: WEEKDAYS };

let made = 0;
function notification(atMs: number, changes: Partial<Notification> = {}): Notification {
  made += 1;
  return {
    id: `n${made}`,
    rule: "lag",
    subject: `lag:${made}`,
    state: "problem",
    severity: "warning",
    job: "inbox",
    executionId: null,
    atMs,
    title: `Title ${made}`,
    details: [],
    actions: [],
    figures: {},
    ...changes,
  };
}

/** How many notifications a message tells of. */
const carried = ({ notification }: Outgoing): number => Number(notification.figures.notifications ?? 1);

describe("grouping", () => {
  it("makes one message of what comes within the time, and hands it once to all channels that get the same", () => {
    const pacer = new Pacer(PACING, [CHAT, { name: "mail", grouped: true }, PAGER]);
    for (let at = 0; at < 3; at++) pacer.add(notification(MONDAY_MS + at), null);
    const single = pacer.release(MONDAY_MS + 29_000);
    expect(single.map(({ channels }) => channels)).toEqual([["pager"], ["pager"], ["pager"]]);
    const [group, ...rest] = pacer.release(MONDAY_MS + 30_000);
    expect(group).toMatchObject({ channels: ["chat", "mail"], notification: { title: "3 problems" } });
    expect(group!.notification.details).toHaveLength(3);
    expect(rest).toEqual([]);
    expect(pacer.holds).toBe(false);
  });

  it("leaves one alone as it is", () => {
    const pacer = new Pacer(PACING, [CHAT]);
    const one = notification(MONDAY_MS);
    pacer.add(one, null);
    expect(pacer.release(MONDAY_MS + 30_000)).toEqual([{ notification: one, channels: ["chat"] }]);
  });

  it("makes one message with a count of a storm of 1,000", () => {
    const pacer = new Pacer(PACING, [CHAT]);
    for (let at = 0; at < 1_000; at++) pacer.add(notification(MONDAY_MS), null);
    const out = pacer.release(MONDAY_MS + 30_000);
    expect(out).toHaveLength(1);
    expect(out[0]!.notification.title).toBe("1,000 notifications: 200 problems, 800 more");
    expect(out[0]!.notification.details.at(-1)).toBe("and 980 more");
    expect(carried(out[0]!)).toBe(1_000);
  });

  it("lets the first critical one go at once, and those behind it together", () => {
    const pacer = new Pacer(PACING, [CHAT]);
    pacer.add(notification(MONDAY_MS, { severity: "critical" }), null);
    expect(pacer.release(MONDAY_MS)).toHaveLength(1);
    for (let at = 0; at < 100; at++) pacer.add(notification(MONDAY_MS + 1, { severity: "critical" }), null);
    expect(pacer.release(MONDAY_MS + 29_999)).toEqual([]);
    expect(pacer.release(MONDAY_MS + 30_000).map(carried)).toEqual([100]);
  });

  it("does not wait when the process ends", () => {
    const pacer = new Pacer(PACING, [CHAT]);
    pacer.add(notification(MONDAY_MS), null);
    expect(pacer.release(MONDAY_MS, "soon")).toHaveLength(1);
  });
});

describe("the hourly limit", () => {
  it("holds what is beyond it, tells it together, and keeps room for what is critical", () => {
    const pacer = new Pacer({ ...PACING, groupSeconds: 0 }, [CHAT]);
    const out: Outgoing[] = [];
    for (let minute = 0; minute < 59; minute++) {
      pacer.add(notification(MONDAY_MS + minute * MINUTE_MS), null);
      out.push(...pacer.release(MONDAY_MS + minute * MINUTE_MS));
    }
    expect(out).toHaveLength(20);
    pacer.add(notification(MONDAY_MS + HOUR_MS - 1, { severity: "critical" }), null);
    expect(pacer.release(MONDAY_MS + HOUR_MS - 1)).toHaveLength(1);
    expect(pacer.release(MONDAY_MS + HOUR_MS).map(carried)).toEqual([]);
    expect(pacer.release(MONDAY_MS + HOUR_MS + MINUTE_MS).map(carried)).toEqual([39]);
  });
});

describe("quiet hours", () => {
  const at = (hour: number, minute = 0): number => Date.UTC(2026, 2, 2, hour - 1, minute);

  it("are by the wall clock of their zone, over midnight and on the days on which they begin", () => {
    const weekdays = { ...NIGHT, days: ["mon", "fri"] as const };
    expect([21, 22, 23].map((hour) => isQuiet([weekdays], at(hour)))).toEqual([false, true, true]);
    expect(isQuiet([weekdays], at(24 + 6, 59))).toBe(true);
    expect(isQuiet([weekdays], at(24 + 7))).toBe(false);
    expect(isQuiet([weekdays], at(24 + 22))).toBe(false);
    expect(isQuiet([{ ...weekdays, days: ["sat"], from: "00:00", to: "00:00" }], at(5 * 24 + 12))).toBe(true);
    expect(isQuiet([{ ...weekdays, days: ["sat"], from: "00:00", to: "00:00" }], at(6 * 24 + 12))).toBe(false);
  });

  it("end by the clock on the wall on the day that has 23 hours", () => {
    expect(isQuiet([NIGHT], Date.UTC(2026, 2, 29, 4, 59))).toBe(true);
    expect(isQuiet([NIGHT], Date.UTC(2026, 2, 29, 5))).toBe(false);
    expect(wallTime(Date.UTC(2026, 2, 29, 1), "Europe/Berlin")).toEqual({
      date: "2026-03-29",
      weekday: "sun",
      minutes: 180,
    });
  });

  it("hold a warning and its recovery until they end, and let what is critical through", () => {
    const pacer = new Pacer({ ...PACING, quietHours: [NIGHT] }, [CHAT]);
    pacer.add(notification(at(23)), null);
    pacer.add(notification(at(24), { state: "recovered" }), null);
    pacer.add(notification(at(25), { severity: "critical", title: "The store is away" }), null);
    expect(pacer.release(at(25)).map(({ notification }) => notification.title)).toEqual(["The store is away"]);
    expect(pacer.release(at(24 + 6, 59))).toEqual([]);
    expect(pacer.release(at(24 + 7)).map(({ notification }) => notification.title)).toEqual([
      "1 problem, 1 problem over",
    ]);
  });

  it("hold over a restart, but nothing back when nobody may run at their end", () => {
    const pacer = new Pacer({ ...PACING, quietHours: [NIGHT] }, [CHAT]);
    pacer.add(notification(at(23)), null);
    expect(pacer.release(at(23), "soon")).toEqual([]);
    const next = new Pacer({ ...PACING, quietHours: [NIGHT] }, [CHAT], pacer.saved());
    expect(next.release(at(24 + 7))).toHaveLength(1);
    expect(pacer.release(at(23), "for-good")).toHaveLength(1);
  });

  it("lose nothing, hold nothing critical back, and keep every limit, whatever comes and whoever restarts", () => {
    const step = fc.record({
      minutes: fc.integer({ min: 0, max: 300 }),
      count: fc.integer({ min: 0, max: 40 }),
      severity: fc.constantFrom("info" as const, "warning" as const, "critical" as const),
      restart: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, grouped) => {
        const pacing = { quietHours: [NIGHT], groupSeconds: 30, maxPerHour: 500 };
        const channels = [{ name: "one", grouped }];
        let pacer = new Pacer(pacing, channels);
        let nowMs = MONDAY_MS;
        let [added, arrived] = [0, 0];
        const take = (): void => {
          for (const out of pacer.release(nowMs)) {
            arrived += carried(out);
            const { severity, atMs } = out.notification;
            if (severity !== "critical") expect(isQuiet([NIGHT], nowMs) && nowMs - atMs < 24 * HOUR_MS).toBe(false);
          }
        };
        for (const { minutes, count, severity, restart } of steps) {
          for (let n = 0; n < count; n++) pacer.add(notification(nowMs, { severity }), null);
          added += count;
          take();
          if (restart) pacer = new Pacer(pacing, channels, JSON.parse(JSON.stringify(pacer.saved())) as never);
          nowMs += 30_000;
          take();
          const held = Object.values<LaneState>(pacer.saved()).flatMap((lane) => lane.held);
          expect(held.filter((one) => one.severity === "critical")).toEqual([]);
          nowMs += minutes * MINUTE_MS;
        }
        for (let hours = 0; hours < 24; hours++) {
          nowMs += HOUR_MS;
          take();
        }
        expect(arrived).toBe(added);
        expect(pacer.holds).toBe(false);
      }),
      { numRuns: 60 },
    );
  });
});
