import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { parseConfig } from "../../src/config/file.ts";
import { type LoadedSettings, loadSettings } from "../../src/config/load.ts";
import { severalProblems } from "../../src/config/problems.ts";
import { QuerymillError } from "../../src/errors.ts";
import { slotCeiling } from "../../src/job.ts";

let cwd = "";
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "querymill-config-"));
});

const load = (flags: Record<string, unknown> = {}, env: Record<string, string> = {}): Promise<LoadedSettings> =>
  loadSettings({ flags: { model: "offline", ...flags }, env, cwd });
const put = (name: string, text: string): Promise<void> => writeFile(join(cwd, name), text);

async function refusal(loading: Promise<unknown>): Promise<QuerymillError> {
  const error = await loading.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QuerymillError);
  return error as QuerymillError;
}

test("the defaults are those of the documentation", async () => {
  const { settings, notes } = await load();
  expect(settings).toMatchObject({
    tenant: "default",
    mode: "batch",
    batchSize: 10,
    concurrent: 5,
    concurrentMax: 1_000,
    balance: "latency",
    hedge: null,
    intervalSeconds: 60,
    batchDir: join(cwd, "batch_files"),
    checkpointInterval: 50,
    storeUri: `sqlite:${join(cwd, "batch_files", "querymill.sqlite")}`,
    db: "querymill",
    sourceCollection: "conversation_set",
    targetCollection: "sentimental_analysis",
    wait: true,
    recover: false,
    limit: null,
    budget: null,
    filter: null,
    retry: { retries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000, rounds: [60_000, 300_000, 900_000] },
    runBreaker: { share: 0.5, window: 50 },
    mark: { processed: "processed", processedAt: "processedAt", processedBy: "processedBy" },
  });
  expect(notes).toEqual([]);
});

test("a flag beats the environment, that beats .env, that beats the file", async () => {
  await put("querymill.yaml", "batchSize: 1\nconcurrent: 1\nlimit: 1\ninterval: 1\n");
  await put(".env", "QUERYMILL_BATCH_SIZE=2\nQUERYMILL_CONCURRENT=2\nQUERYMILL_LIMIT=2\n");
  const env = { QUERYMILL_BATCH_SIZE: "3", QUERYMILL_CONCURRENT: "3" };
  const { settings } = await load({ batchSize: "4" }, env);
  expect([settings.batchSize, settings.concurrent, settings.limit, settings.intervalSeconds]).toEqual([4, 3, 2, 1]);
});

test("an empty variable counts as not set", async () => {
  expect((await load({}, { QUERYMILL_LIMIT: "", MONGODB_URI: "" })).settings.limit).toBeNull();
});

test("every mistake of a file is told at once, with line, column, what was expected and what is there", async () => {
  await put("querymill.yaml", "batchSize: ten\nretry:\n  retries: -1\n  baseDelay: 5\nmode: batsh\nsource: 3\n");
  const { code, message } = await refusal(load());
  expect(code).toBe("CONFIG_INVALID");
  expect(message.split("\n")).toEqual([
    "5 settings are wrong:",
    '  querymill.yaml:1:12 batchSize: expected an integer from 1 to 10,000; got "ten".',
    "  querymill.yaml:3:12 retry.retries: expected an integer from 0 to 20; got -1.",
    "  querymill.yaml:4:14 retry.baseDelay: no such setting. Did you mean baseDelayMs?",
    '  querymill.yaml:5:7 mode: expected batch, continuous, scheduled; got "batsh".',
    expect.stringMatching(/querymill.yaml:6:9 source: expected a group with .*text, maxChars.*; got 3\./),
  ]);
});

test("a mistake that takes several lines counts as one, and keeps to its place", () => {
  expect(severalProblems(["two of it:\n  a\n  b", "c"]).message.split("\n")).toEqual([
    "2 settings are wrong:",
    "  two of it:",
    "    a",
    "    b",
    "  c",
  ]);
});

test("at most ten mistakes are listed", async () => {
  await put("querymill.yaml", Array.from({ length: 14 }, (_, index) => `wrong_${index}: 1`).join("\n"));
  const { message } = await refusal(load());
  expect(message.split("\n")).toHaveLength(12);
  expect(message).toMatch(/^14 settings are wrong:\n[\s\S]*\n {2}and 4 more$/);
});

test("a file that is no YAML is told with its line", async () => {
  await put("querymill.yaml", "batchSize: 10\nmode: [batch\n");
  expect((await refusal(load())).message).toMatch(/^querymill\.yaml:2:7 /);
  await put("querymill.yaml", 'batchSize: 10\nmode: "batch\njob: inbox\n');
  expect((await refusal(load())).message).toBe('querymill.yaml:2:7 a text begins here with " that has no end');
  await put("querymill.yaml", "batchSize: 10\n concurrent: 5\nmode: 'batch\n");
  expect((await refusal(load())).message).toMatch(/^querymill\.yaml:1:12 [^\n]+$/);
});

test("what belongs to one run is refused in a file", async () => {
  await put("querymill.yaml", "fresh: true\n");
  expect((await refusal(load())).message).toContain("Give --fresh on the command line");
});

test.each([
  [{ concurrent: "many" }, '--concurrent: expected an integer from 1 to 10,000, or auto; got "many".'],
  [{ batchSize: "0" }, '--batch-size: expected an integer from 1 to 10,000; got "0".'],
  [{ limit: "1.5" }, '--limit: expected an integer from 1 to 1,000,000,000; got "1.5".'],
  [{ budget: "0" }, '--budget: expected a number above 0, at most 1000000000; got "0".'],
  [{ mode: "continous" }, '--mode: expected batch, continuous, scheduled; got "continous". Did you mean continuous?'],
  [{ job: "../x" }, "--job: expected letters, digits"],
  [{ filter: "{channel" }, '--filter: expected a JSON object such as {"channel": "email"}'],
  [{ filter: '{"$where": "1"}' }, "$where"],
  [{ store: "postgres://h/db" }, "--store: expected mongodb://HOST/DB"],
  [{ timezone: "Mars/Base", schedule: "* * * * *", mode: "scheduled" }, "--timezone: expected a time zone"],
  [{ schedule: "every day", mode: "scheduled" }, "--schedule: expected a cron expression"],
  [{ concurrentMax: "50" }, "--concurrent-max is the ceiling of --concurrent auto"],
  [{ rpm: "0" }, "--rpm: expected an integer from 1 to"],
  [{ recover: true, fresh: true }, "--recover and --fresh exclude each other"],
  [{ reclassify: "stale", fresh: true }, "--reclassify and --fresh exclude each other"],
  [{ reclassify: "all", mode: "continuous" }, "--reclassify all and --mode continuous exclude each other"],
  [{ reclassify: "some" }, "--reclassify: expected all, changed, stale"],
  [{ schedule: "0 2 * * *" }, "Add --mode scheduled."],
  [{ mode: "scheduled" }, "add --schedule"],
  [{ targetCollection: "conversation_set" }, "classifications would be read as queries"],
  [{ taxonomy: "missing.yaml" }, "there is no file missing.yaml"],
  [{ config: "missing.yaml" }, "there is no such file"],
])("%j is refused as a mistake in usage", async (flags, words) => {
  const { code, message } = await refusal(load(flags));
  expect(message).toContain(words);
  expect(code).toBe("USAGE");
});

test("a mode given for one run overrules the schedule of the file", async () => {
  await put("querymill.yaml", "mode: scheduled\nschedule: 0 2 * * *\n");
  expect((await load()).settings.schedules).toMatchObject([{ name: "main", cron: "0 2 * * *" }]);
  const { settings } = await load({ mode: "batch" });
  expect([settings.mode, settings.schedules]).toEqual(["batch", undefined]);
});

test("MONGODB_URI is the store, its path the database, unless --store says otherwise", async () => {
  const env = { MONGODB_URI: "mongodb://me:pw@db.internal/support" };
  expect((await load({}, env)).settings).toMatchObject({ storeUri: env.MONGODB_URI, db: "support" });
  expect((await load({ db: "other" }, env)).settings.db).toBe("other");
  expect((await load({ store: "my.sqlite" }, env)).settings.storeUri).toBe(`sqlite:${join(cwd, "my.sqlite")}`);
});

test("the name of a job is readable, stable, without credentials, and differs by store and collections", async () => {
  const job = async (flags: Record<string, unknown>): Promise<string> => (await load(flags)).settings.job;
  const store = "mongodb://me:hunter22@b.internal,a.internal/support?replicaSet=rs0";
  const name = await job({ store });
  expect(name).toMatch(/^conversation-set-[0-9a-f]{6}$/);
  expect(await job({ store: "mongodb://you:secret@A.internal,b.internal/support" })).toBe(name);
  expect(await job({ store, targetCollection: "other" })).not.toBe(name);
  expect(await job({ store: "mongodb://a.internal/support" })).not.toBe(name);
});

test("paths are relative to where they were written", async () => {
  const folder = await mkdtemp(join(tmpdir(), "querymill-elsewhere-"));
  await writeFile(join(folder, "q.yaml"), "batchDir: state\nlogFile: run.log\n");
  const { settings, output } = await load({ config: join(folder, "q.yaml") });
  expect([settings.batchDir, output.logFile]).toEqual([join(folder, "state"), join(folder, "run.log")]);
  expect((await load({ batchDir: "state" })).settings.batchDir).toBe(join(cwd, "state"));
});

test("a password is never part of an error", async () => {
  await put("querymill.yaml", 'store: "mongodb+srv://me:hunter22@/db"\nlimit: "mongodb://me:hunter22@h/db"\n');
  const { message } = await refusal(load());
  expect(message).toContain("limit: expected");
  expect(message).not.toContain("hunter22");
});

test("a variable that is nearly a setting is mentioned", async () => {
  const { notes } = await load({}, { QUERYMILL_BATCHSIZE: "5", QUERYMILL_TEST_MONGO: "x" });
  expect(notes).toEqual(["QUERYMILL_BATCHSIZE is no setting and is ignored. Did you mean QUERYMILL_BATCH_SIZE?"]);
});

test("prices, mapping, budget and breaker come from the file", async () => {
  await put(
    "querymill.yaml",
    "prices: {small: {input: 0.6, cachedInput: 0.15, output: 2.4}}\nsource: {text: [title, body], maxChars: 900}\nbudget: {usd: 5, per: day}\nbreaker: {share: 0.2, window: 100}\nwait: false\n",
  );
  const { settings } = await load();
  expect(settings).toMatchObject({
    prices: { small: { input: 0.6, cachedInput: 0.15, output: 2.4 } },
    mapping: { text: ["title", "body"], maxChars: 900 },
    budget: { usd: 5, per: "day" },
    runBreaker: { share: 0.2, window: 100 },
    wait: false,
  });
  expect((await load({ budget: "9" })).settings.budget).toEqual({ usd: 9, per: "day" });
});

test("a price that is no price is told by its model", async () => {
  await put("querymill.yaml", "prices:\n  small: {input: cheap, output: 2}\n");
  expect((await refusal(load())).message).toMatch(
    /^querymill\.yaml:2:18 prices\.small\.input: expected a price .*got "cheap"\.$/,
  );
});

test("--concurrent auto has a ceiling, which counts for nothing beside a number", async () => {
  await put("querymill.yaml", "concurrent: auto\nconcurrentMax: 300\n");
  const { settings } = await load();
  expect(settings).toMatchObject({ concurrent: "auto", concurrentMax: 300 });
  expect(slotCeiling(settings)).toBe(300);
  expect(slotCeiling((await load({ concurrent: "7" })).settings)).toBe(7);
  expect((await refusal(load({ concurrent: "7", concurrentMax: "9" }))).message).toMatch(/--concurrent is 7, which is/);
});

test("without a list of endpoints there is one, named main, with the limits of the top level", async () => {
  await put("querymill.yaml", "limits: {requestsPerMinute: 600, tokensPerDay: 5000000}\n");
  const { settings } = await load({ tpm: "90000" });
  const limits = { requestsPerMinute: 600, tokensPerMinute: 90_000, requestsPerDay: null, tokensPerDay: 5_000_000 };
  expect(settings.endpoints).toEqual([
    { name: "main", model: settings.model, weight: 1, concurrent: null, limits, fallback: 0 },
  ]);
});

test("hostile keys change nothing", async () => {
  await put("querymill.yaml", "__proto__: {batchSize: 7}\nconstructor: 1\n");
  const { message } = await refusal(load());
  expect(message).toContain("constructor: no such setting");
  expect(({} as { batchSize?: number }).batchSize).toBeUndefined();
});

test("reclassify: changed may stand in the file, with what it goes by; a flag for one run leaves it standing", async () => {
  await put(
    "querymill.yaml",
    "reclassify: changed\nsource: { updatedAt: meta.changed, quietFor: 300, sweepEvery: 24 }\n",
  );
  const growing = { updatedAt: "meta.changed", quietForMs: 300_000, again: true, sweepEveryMs: 86_400_000 };
  expect((await load()).settings).toMatchObject({ reclassify: null, growing });
  expect((await load({ reclassify: "stale" })).settings).toMatchObject({ reclassify: "stale", growing });
  expect((await load({ fresh: true })).settings).toMatchObject({ fresh: true, growing });
  await put("querymill.yaml", "source: { quietFor: 60 }\n");
  expect((await load()).settings.growing).toEqual({
    updatedAt: null,
    quietForMs: 60_000,
    again: false,
    sweepEveryMs: null,
  });
  await put("querymill.yaml", "batchSize: 3\n");
  expect((await load()).settings.growing).toBeNull();
  expect((await load({ reclassify: "changed" })).settings).toMatchObject({ reclassify: "changed", growing: null });
  const goingOn = await load({ reclassify: "changed", mode: "continuous" });
  expect(goingOn.settings).toMatchObject({ reclassify: "changed", growing: { again: true } });
});

test("what cannot stand in the file, or would do nothing there, is refused with the reason", async () => {
  const message = async (text: string, flags = {}) => {
    await put("querymill.yaml", text);
    return (await refusal(load(flags))).message;
  };
  expect(await message("reclassify: all\n")).toMatch(
    /^querymill\.yaml:1:13 reclassify: all cannot stand in the file.*--reclassify all/,
  );
  expect(await message("source: { sweepEvery: 2 }\n")).toContain("Add reclassify: changed");
  expect(await message("source: { updatedAt: changed }\n")).toContain("Add source.quietFor or reclassify: changed");
  expect(await message("source: { quietFor: -1 }\n")).toContain("expected an integer from 0 to 2,592,000");
  expect(await message("reclassify: changed\nsource: { updatedAt: $x }\n")).toContain("expected a path such as");
});

test("a text is parsed once for all tenants that are resolved from it, and another one anew", () => {
  const [text, other] = ["limit: 1\n", "limit: 2\n"];
  const parsed = parseConfig(text, "querymill.yaml");
  expect(parseConfig(text, "querymill.yaml")).toBe(parsed);
  expect(parseConfig(text, "other.yaml").where("limit")).toContain("other.yaml:1");
  expect(parseConfig(other, "querymill.yaml").values.get("limit")).toBe(2);
  expect(parseConfig(text, "querymill.yaml").values.get("limit")).toBe(1);
});
