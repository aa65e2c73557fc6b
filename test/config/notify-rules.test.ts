import { expect, test } from "vitest";
import { settingsSchema } from "../../src/config/json-schema.ts";
import { loadSettings } from "../../src/config/load.ts";
import { RULE_NAMES } from "../../src/notify/rule-settings.ts";

const channels = { team: { type: "slack", urlVariable: "HOOK" }, oncall: { type: "pagerduty", keyVariable: "KEY" } };
const env = { HOOK: "https://hooks.slack.com/services/a/b/c", KEY: "0123456789abcdef0123456789abcdef" };

async function load(notify: Record<string, unknown>, mode = "continuous") {
  const config = { mode, notify: { channels, ...notify } };
  return (await loadSettings({ flags: { model: "offline" }, env, cwd: "/", files: false, config })).service
    .notifyRules!;
}

test("one channel alone has every rule that makes sense in its mode, to all channels", async () => {
  const on = async (mode: string): Promise<string[]> => {
    const { rules } = await load({}, mode);
    return RULE_NAMES.filter((name) => rules[name] !== null);
  };
  expect(await on("continuous")).toEqual(RULE_NAMES);
  const batch = [
    ...["finished", "stopped", "error-share", "dead-letters", "budget", "endpoint-down", "idle", "store-away"],
    ...["worker-gone", "range-dead"],
  ];
  expect(await on("batch")).toEqual(batch);
  expect((await load({})).rules.lag).toMatchObject({ lagMinutes: 60, channels: null });
});

test("what is said of a rule changes that only; said, it is on in any mode; null says nothing", async () => {
  const { rules, pacing } = await load(
    {
      rules: { lag: { lagMinutes: 5, channels: ["oncall"] }, finished: false, "label-mix": true, idle: null },
      quietHours: { from: "22:00", to: "07:00", timezone: "Asia/Tokyo", days: ["fri"] },
      maxPerHour: 3,
    },
    "batch",
  );
  expect(rules.lag).toMatchObject({ lagMinutes: 5, forMinutes: 5, severity: "warning", channels: ["oncall"] });
  expect(rules.finished).toBeNull();
  expect(rules["label-mix"]).toMatchObject({ hours: 24 });
  expect(pacing).toEqual({
    quietHours: [{ from: "22:00", to: "07:00", timezone: "Asia/Tokyo", days: ["fri"] }],
    groupSeconds: 30,
    maxPerHour: 3,
  });
});

test("without channels and rules there are none", async () => {
  const { service } = await loadSettings({ flags: { model: "offline" }, env: {}, cwd: "/", files: false, config: {} });
  expect(service.notifyRules).toBeUndefined();
});

test.each([
  [{ rules: { lagg: true } }, "notify.rules.lagg: no such rule. Did you mean lag?"],
  [{ rules: { zebra: true } }, "notify.rules.zebra: no such rule. There are: finished, stopped, error-share"],
  [{ rules: { lag: { lagMinuts: 5 } } }, "notify.rules.lag.lagMinuts: no such setting. Did you mean lagMinutes?"],
  [{ rules: { lag: { lagMinutes: 0 } } }, "notify.rules.lag.lagMinutes: expected an integer from 1 to 525,600; got 0."],
  [{ rules: { lag: "soon" } }, 'notify.rules.lag: expected true, false or a group of settings; got "soon".'],
  [
    { rules: { lag: { channels: ["tem"] } } },
    'notify.rules.lag.channels[0]: there is no channel "tem". Did you mean team? There are: team, oncall.',
  ],
  [{ rules: { budget: { shares: [50] } } }, "notify.rules.budget.shares: expected a list of 1 to 10 numbers above 0"],
  [{ rules: { stopped: { forMinutes: 5 } } }, "notify.rules.stopped.forMinutes: no such setting."],
  [{ quietHours: { from: "22:00" } }, "notify.quietHours: to is missing."],
  [
    { quietHours: { from: "25:00", to: "07:00" } },
    'notify.quietHours.from: expected a time such as "22:00", in quotes',
  ],
  [
    { quietHours: [{ from: "22:00", to: "07:00", timezone: "Europe/Berln" }] },
    'notify.quietHours[0].timezone: expected a time zone such as Europe/Berlin; got "Europe/Berln".',
  ],
])("%j is refused with the place and what was meant", async (notify, message) => {
  await expect(load(notify)).rejects.toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  await expect(load(notify)).rejects.toThrow(message);
});

test("an editor completes rules and their settings", () => {
  const text = JSON.stringify(settingsSchema());
  for (const word of [...RULE_NAMES, "lagMinutes", "movedShare", "cooldownMinutes", "days"])
    expect(text).toContain(word);
  expect(text).toContain('"enum":["info","warning","critical"]');
});
