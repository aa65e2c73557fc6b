import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { loadSettings } from "../../src/config/load.ts";
import type { JobSettings } from "../../src/job.ts";

let cwd = "";
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "querymill-schedules-"));
});

async function load(file: string, flags: Record<string, unknown> = {}): Promise<JobSettings> {
  await writeFile(join(cwd, "querymill.yaml"), file);
  return (await loadSettings({ flags: { model: "offline", ...flags }, env: {}, cwd })).settings;
}

const NIGHTLY = "mode: scheduled\nschedules:\n  - name: nightly\n    cron: 30 2 * * *\n";

test("several schedules, each with what its runs have instead, and the settings beside the list for all of them", async () => {
  const { schedules } = await load(
    `timezone: Europe/Berlin\njitterSeconds: 300\n${NIGHTLY}    catchUp: once\n    budget: 20\n  - { name: sunday, cron: 0 4 * * SUN, timezone: UTC, jitterSeconds: 0, reclassify: stale, limit: 500, concurrent: auto, filter: { channel: email } }\n`,
  );
  expect(schedules).toEqual([
    {
      name: "nightly",
      cron: "30 2 * * *",
      timezone: "Europe/Berlin",
      jitterSeconds: 300,
      catchUp: "once",
      changes: { budget: { usd: 20, per: "job" } },
    },
    {
      name: "sunday",
      cron: "0 4 * * SUN",
      timezone: "UTC",
      jitterSeconds: 0,
      catchUp: "none",
      changes: { reclassify: "stale", limit: 500, concurrent: "auto", filter: expect.anything() },
    },
  ]);
});

test.each([
  ["*/5 * * * *", "22:00-23:00"],
  ["*/20 * * * * *", "22:00-06:00"],
  ["0 12 29 2 *", "12:00-12:01"],
])("%s meets the window %s, whatever the time is now", async (cron, window) => {
  const { schedules } = await load("", { mode: "scheduled", schedule: cron, window, timezone: "Europe/Berlin" });
  expect(schedules).toMatchObject([{ cron }]);
});

test("--schedule takes the place of the list for this run", async () => {
  const { schedules } = await load(NIGHTLY, { schedule: "@hourly", catchUp: "once", jitter: "60" });
  expect(schedules).toMatchObject([{ name: "main", cron: "@hourly", catchUp: "once", jitterSeconds: 60, changes: {} }]);
});

test("a window in hours, as a group, and off for one run", async () => {
  expect((await load("", { window: "22:00-06:00", timezone: "UTC" })).window).toEqual({
    fromMinute: 1_320,
    toMinute: 360,
    days: null,
    timezone: "UTC",
  });
  const file = "window: { from: 20:30, to: 24:00, days: [fri, sat], timezone: Australia/Lord_Howe }\n";
  expect((await load(file)).window).toEqual({
    fromMinute: 1_230,
    toMinute: 1_440,
    days: [5, 6],
    timezone: "Australia/Lord_Howe",
  });
  expect((await load(file, { window: "off" })).window).toBeUndefined();
});

test.each([
  [`${NIGHTLY}schedule: "@daily"\n`, "exclude each other: one is short for a list of one"],
  [`${NIGHTLY}  - { name: nightly, cron: "@daily" }\n`, 'schedules[1].name: schedules[0] is called "nightly" too'],
  [`${NIGHTLY}  - { cron: "@daily" }\n`, "schedules[1] has no name. Add one, such as name: nightly."],
  [`${NIGHTLY}  - { name: b }\n`, "schedules[1].cron: there is no time. Add one"],
  [`${NIGHTLY}  - { name: b, cron: 0 0 30 2 * }\n`, "It never comes: no month that it names has such a day."],
  [`${NIGHTLY}  - { name: b, cron: 61 * * * * }\n`, 'got "61 * * * *". Minute cannot be 61. Example: "30 2 * * *" is'],
  [
    `${NIGHTLY}    timezone: Mars/Base\n`,
    'schedules[0].timezone: expected a time zone such as Europe/Berlin; got "Mars',
  ],
  [`${NIGHTLY}    reclassify: all\n`, 'schedules[0].reclassify: expected changed, stale; got "all"'],
  [`${NIGHTLY}    filter: { $where: "1" }\n`, "schedules[0].filter: "],
  [`${NIGHTLY}    fresh: true\n`, "schedules[0].fresh: no such setting."],
  [
    `${NIGHTLY}    jitterSeconds: 86400\n`,
    'a delay of up to 86400 s reaches the next time of "30 2 * * *", 86400 s later',
  ],
  [`${NIGHTLY}window: 08:00-18:00\ntimezone: UTC\n`, '"30 2 * * *" never begins in the window 08:00-18:00 (UTC)'],
  [NIGHTLY.replace("scheduled", "batch"), "schedules has no effect in mode batch"],
  ["window: 8-18\n", "window: expected hours such as 22:00-06:00"],
  ["window: 22:00-22:00\n", "window: it opens and closes at 22:00"],
  [
    "window: { from: 22:00, to: 06:00, days: [Friday] }\n",
    'days is a list of sun, mon, tue, wed, thu, fri, sat; "Friday" is none',
  ],
  ["window: { from: 8, to: 18:00 }\n", "from is a time of day such as 06:00."],
  ["window: { from: 22:00, until: 06:00 }\n", "There is no until in it."],
  ["window: { from: 22:00, to: 06:00, timezone: X }\n", 'window: expected a time zone such as Europe/Berlin; got "X"'],
  ["catchUp: once\n", "catchUp is about the times of a schedule, and there is none"],
  ["timezone: Mars/Olympus\n", 'timezone: expected a time zone such as Europe/Berlin; got "Mars/Olympus"'],
])("%j is refused: %s", async (file, words) => {
  await expect(load(file)).rejects.toThrow(words);
});

test("schedules that a mode does not use are no reason to refuse its window, and a wrong zone is told once", async () => {
  const { window, schedules } = await load(`${NIGHTLY}timezone: UTC\n`, { mode: "continuous", window: "08:00-18:00" });
  expect([window?.fromMinute, schedules]).toEqual([480, undefined]);
  await expect(load("window: 22:00-06:00\ntimezone: Berlin\n")).rejects.toThrow(
    /^querymill\.yaml:2:11 timezone: expected a time zone such as Europe\/Berlin; got "Berlin"\.$/,
  );
});
