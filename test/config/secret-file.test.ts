import { renameSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { mergeVariables, unknownVariables } from "../../src/config/sources.ts";
import { runFlags as flagsOf, startCli } from "../support/cli.ts";
import { makeJob } from "../support/job.ts";
import { makeWorkspace, queries, runFlags, serveModel } from "../support/workspace.ts";

const KEY = "sk-canary-of-a-file";

test("a key is read from the file that NAME_FILE names, without the line end behind it", async () => {
  const server = await serveModel({ apiKey: KEY });
  const workspace = makeWorkspace();
  await workspace.seed(queries(1));
  workspace.write("key", `${KEY}\n`);
  const env = { QUERYMILL_API_KEY_FILE: "key" };
  const run = await workspace.querymill(["run", ...runFlags(server)], env);
  expect(run).toMatchObject({ code: 0, stderr: "" });
  expect(run.stdout).not.toContain("no setting");
  expect(server.ledger().ok).toBe(1);
});

test.each([
  ["a file that is not there", { OPENAI_API_KEY_FILE: KEY }, "cannot be read: there is none"],
  ["a folder", { OPENAI_API_KEY_FILE: "." }, "it is a folder"],
  ["an empty file", { OPENAI_API_KEY_FILE: "empty" }, "is empty"],
  ["a value beside the file", { OPENAI_API_KEY_FILE: "empty", OPENAI_API_KEY: KEY }, "are both set"],
])("%s is refused before anything is spent, and no value is shown", async (_, env, said) => {
  const workspace = makeWorkspace();
  await workspace.seed(queries(1));
  workspace.write("empty", "\n");
  const run = await workspace.querymill(["run", "--store", "store.db", "--model", "openai/gpt-5-mini"], env);
  expect(run.code).toBe(2);
  expect(run.stderr).toContain(said);
  expect(run.stderr).toContain("OPENAI_API_KEY_FILE");
  expect(run.stderr + run.stdout).not.toContain(KEY);
});

test("only names of secrets have files: an option of the same ending stays what it is", () => {
  const variables = mergeVariables({ QUERYMILL_LOG_FILE: "x.log", QUERYMILL_JOB_FILE: "no-such-file" }, null);
  expect(variables("QUERYMILL_LOG")).toBeUndefined();
  expect(variables("QUERYMILL_JOB")).toBeUndefined();
  expect(unknownVariables(["MONGODB_URI_FILE", "QUERYMILL_API_KEY_FILE", "QUERYMILL_STORE_FILE"])).toEqual([]);
});

test.each(["SIGHUP", "control reload"] as const)(
  "a key that is rotated in its file is taken by %s, without a restart",
  async (how) => {
    const [before, after] = ["sk-old-000000000000", "sk-new-111111111111"];
    const job = await makeJob("the embedded store", { apiKey: before });
    const workspace = makeWorkspace();
    workspace.write("key", `${before}\n`);
    const ids = await job.seed(10);
    const env = { QUERYMILL_API_KEY_FILE: workspace.path("key") };
    const start = (args: readonly string[]) => startCli(args, { cwd: workspace.folder, env });
    const run = start([...flagsOf(job.settings), "--mode", "continuous", "--interval", "1"]);
    onTestFinished(() => run.kill("SIGKILL"));
    await run.seen("item:settled", 10);
    await run.seen("control:ready");
    job.server.reset({ apiKey: after });
    // As Kubernetes does it: another file in the same place.
    workspace.write("key.new", `${after}\n`);
    renameSync(workspace.path("key.new"), workspace.path("key"));
    if (how === "SIGHUP") run.kill("SIGHUP");
    else {
      const { batchDir } = job.settings;
      expect(await start(["control", "reload", "--batch-dir", batchDir, "--json"]).ended).toMatchObject({ code: 0 });
    }
    expect(await run.seen("control:command")).toMatchObject({
      verb: "reload",
      changes: { "main key": { from: "the one before", to: "another one" } },
    });
    const more = await job.seed(5, undefined, 100);
    await run.seen("item:settled", 15);
    run.kill("SIGTERM");
    const ended = await run.ended;
    expect(ended).toMatchObject({ code: 0, stderr: "", end: { classified: 15 } });
    expect(JSON.stringify(ended.events)).not.toMatch(/sk-(old|new)/);
    // No call went out with the key before.
    expect(job.server.ledger()).toMatchObject({ received: 5, ok: 5, docsPaidTwice: 0 });
    expect(await job.counted([...ids, ...more])).toEqual({ target: 15 });
  },
);
