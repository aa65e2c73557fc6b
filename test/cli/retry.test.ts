import { expect, test } from "vitest";
import type { ModelServer } from "../support/model-server.ts";
import { lastEvent, makeWorkspace, queries, runFlags, serveModel, type Workspace } from "../support/workspace.ts";

const JOB = ["--store", "store.db", "--job", "inbox"];

/** A job of eight with two malformed answers and one server error. */
async function failedJob(): Promise<{ space: Workspace; server: ModelServer }> {
  const space = makeWorkspace();
  await space.seed(queries(8));
  space.write("querymill.yaml", "prices:\n  drawn-1: { input: 1000, output: 1000 }\nretry:\n  retries: 0\n");
  const faults: Record<string, "malformed" | "500"> = { q2: "malformed", q4: "malformed", q6: "500" };
  const server = await serveModel({ fail: (id) => faults[id] ?? null });
  expect((await space.querymill(["run", ...runFlags(server), "--no-wait"])).code).toBe(3);
  server.reset({ fail: () => null });
  return { space, server };
}

test("--dry-run tells count, causes, messages and cost, needs no model, and asks and changes nothing", async () => {
  const { space, server } = await failedJob();
  const before = space.digest();
  const { code, stdout } = await space.querymill(["retry", ...JOB, "--dry-run", "--budget", "50"]);
  expect(code).toBe(0);
  expect(stdout).toContain("2 dead letters and 1 waiting items of inbox would be worked on again.");
  expect(stdout).toMatch(/2 {2}malformed +queue model/);
  expect(stdout).toMatch(/1 {2}transient +queue model/);
  expect(stdout).toMatch(/cost {3}about \$\d/);
  expect(stdout).toMatch(/budget left \$\d+\.\d\d of \$50\.00/);
  expect(stdout).toMatch(/Nothing was done\. To do it: {2}.* retry --store store\.db --job inbox/);
  expect(space.digest()).toBe(before);
  expect(server.ledger().received).toBe(0);
  const { stdout: json } = await space.querymill(["retry", ...JOB, "--error", "malformed", "--dry-run", "--json"]);
  expect(lastEvent(json)).toMatchObject({ event: "retry:preview", items: 2, deadLetters: 2, waiting: 0, toAsk: 2 });
});

test("an unknown class or queue is refused with the nearest one and with what is there", async () => {
  const { space } = await failedJob();
  const wrong = await space.querymill(["retry", ...JOB, "--error", "malformd", "--dry-run"]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("--error malformd: nothing of inbox is there. Did you mean malformed? There is:");
  expect(wrong.stderr).toContain("malformed (queue model): 2");
  const queue = await space.querymill(["retry", ...JOB, "--queue", "modell", "--dry-run"]);
  expect(queue.stderr).toContain("--queue modell: nothing of inbox is there. Did you mean model?");
});

test("where there is nobody to ask it needs --yes, then does only what was selected", async () => {
  const { space, server } = await failedJob();
  const command = ["retry", ...runFlags(server), "--error", "malformed"];
  const unasked = await space.querymill(command);
  expect(unasked.code).toBe(2);
  expect(unasked.stderr).toContain("A retry needs --yes where there is no terminal to ask at.");
  expect(server.ledger().received).toBe(0);
  const { code, stdout } = await space.querymill([...command, "--yes", "--json"]);
  expect(code).toBe(0);
  expect(lastEvent(stdout)).toMatchObject({ event: "execution:end", read: 2, classified: 2, modelCalls: 2 });
  expect(lastEvent(stdout).jobTotals).toMatchObject({ classified: 7, retryQueued: 1, deadLetters: 0 });
  expect([...server.ledger().perDoc.keys()].sort()).toEqual(["q2", "q4"]);
});

test("with nothing to retry it says so and is content", async () => {
  const space = makeWorkspace();
  const { code, stdout } = await space.querymill(["retry", "--model", "offline", "--job", "inbox"]);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: "Nothing of inbox waits or failed: there is nothing to retry.\n",
  });
  expect(() => space.digest("batch_files")).toThrow("ENOENT");
});

test("--skipped brings items back that have a text since source.text was set, and the next run classifies them", async () => {
  const space = makeWorkspace();
  const inner = queries(6).map(({ _id, text }) => ({ _id: `t${String(_id)}`, ticket: { note: text } }));
  await space.seed([...queries(2), ...inner, { _id: "empty" }]);
  const server = await serveModel();
  expect((await space.querymill(["run", ...runFlags(server), "--no-wait"])).code).toBe(0);
  const retry = ["retry", ...JOB, "--skipped"];
  const useless = await space.querymill([...retry, "--yes"]);
  expect(useless.code).toBe(0);
  expect(useless.stdout).toContain("7 items of inbox were skipped; 0 of them have a text now.");
  expect(useless.stdout).toContain("source.text in querymill.yaml");
  space.write("querymill.yaml", "source: { text: [text, ticket.note] }\n");
  const before = space.digest();
  const preview = await space.querymill([...retry, "--dry-run"]);
  expect(preview.stdout).toContain("7 items of inbox were skipped; 6 of them have a text now.");
  expect(preview.stdout).toContain("skipped again: no text 1.");
  expect(space.digest()).toBe(before);
  expect((await space.querymill(retry)).stderr).toContain("needs --yes");
  const done = await space.querymill([...retry, "--yes", "--json"]);
  expect(lastEvent(done.stdout)).toMatchObject({ event: "retry:end", skipped: 7, readable: 6, settingsChanged: true });
  const status = await space.querymill(["status", ...JOB, "--json"]);
  expect(JSON.parse(status.stdout).jobs).toMatchObject([{ jobTotals: { classified: 2, skipped: 1 } }]);
  const again = await space.querymill(["run", ...runFlags(server), "--accept-changes", "--json"]);
  expect(lastEvent(again.stdout)).toMatchObject({ read: 6, classified: 6, jobTotals: { classified: 8, skipped: 1 } });
});
