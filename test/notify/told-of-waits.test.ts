import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { MongoClient, ObjectId } from "mongodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runFlags, startCli } from "../support/cli.ts";
import { makeJob, textWith } from "../support/job.ts";
import { startModelServer } from "../support/model-server.ts";
import { type ReplicaSet, startReplicaSet } from "../support/replica-set.ts";
import { startWitness } from "./witness.ts";

const AT_ONCE = { forMinutes: 0 };
const TWO_HOURS_MS = 2 * 3_600_000;

let set: ReplicaSet;
beforeAll(async () => {
  set = await startReplicaSet();
});
afterAll(async () => {
  await set.stop();
});

it("tells what a continuous run waits for, that it is behind, and that each is over", async () => {
  const witness = await startWitness();
  const job = await makeJob("the embedded store");
  const answer = Promise.withResolvers<null>();
  const port = await freePort();
  const settings = { ...job.settings, storeUri: set.uri, db: `told_${process.pid}`, concurrent: 2 };
  const model = { ...settings.model, baseUrl: `http://127.0.0.1:${port}/v1` };
  const rules = {
    ...{ "store-away": AT_ONCE, lag: { ...AT_ONCE, lagMinutes: 60 }, "endpoint-down": false, idle: false },
    finished: false,
  };
  const config = { notify: { ...witness.notify, rules }, deadlines: { connectMs: 1_000 } };
  await writeFile(join(settings.batchDir, "querymill.yaml"), JSON.stringify(config));
  const client = await new MongoClient(set.uri).connect();
  const createdS = Math.floor((Date.now() - TWO_HOURS_MS) / 1_000);
  const documents = ["q0001", "q0002"].map((id) => ({
    _id: ObjectId.createFromTime(createdS + Number(id.slice(1))),
    text: textWith(id),
  }));
  await client.db(settings.db).collection("conversation_set").insertMany(documents);

  const cli = startCli([...runFlags({ ...settings, model }), "--mode", "continuous", "--interval", "1"], {
    cwd: settings.batchDir,
    env: witness.env,
  });
  const arrive = (count: number): Promise<void> =>
    Promise.race([
      witness.more(count),
      cli.ended.then(({ stderr }) => Promise.reject(new Error(`it ended: ${stderr}`))),
    ]);
  await arrive(1);
  witness.sees("a start while the model server is away", ["problem store-away:start"]);

  const server = await startModelServer({ port, fail: () => answer.promise });
  await arrive(2);
  witness.sees("it is there; it holds two calls, for items two hours old", [
    "problem lag",
    "recovered store-away:start",
  ]);
  answer.resolve(null);
  await arrive(1);
  witness.sees("it answers", ["recovered lag"]);

  await Promise.all(set.members.map((member) => set.kill(member)));
  await arrive(1);
  witness.sees("every member of the replica set is killed", ["problem store-away"]);
  await Promise.all(set.members.map((member) => set.start(member)));
  await set.whole();
  await arrive(1);
  witness.sees("they are back", ["recovered store-away"]);

  cli.kill("SIGTERM");
  const { code, events } = await cli.ended;
  expect(code).toBe(0);
  witness.agreesWith(events);
  witness.isDone(/parcel|doc:q/);
  expect(await client.db(settings.db).collection("sentimental_analysis").countDocuments()).toBe(2);
  await server.close();
  await client.close();
});

it("tells times of a schedule that were missed, and a run that could not begin, without its password", async () => {
  const witness = await startWitness();
  const answer = Promise.withResolvers<null>();
  const job = await makeJob("the embedded store", { fail: () => answer.promise });
  await job.seed(1);
  const { batchDir } = job.settings;
  const config = { notify: { ...witness.notify, rules: { idle: false } }, deadlines: { connectMs: 500 } };
  await writeFile(join(batchDir, "querymill.yaml"), JSON.stringify(config));
  const start = (settings: typeof job.settings, ...more: string[]) =>
    startCli([...runFlags(settings), ...more], { cwd: batchDir, env: witness.env });

  const scheduled = start(job.settings, "--mode", "scheduled", "--schedule", "* * * * * *");
  await scheduled.seen("schedule:run");
  setTimeout(() => answer.resolve(null), 2_500);
  await scheduled.seen("schedule:missed");
  await witness.more(2);
  witness.sees("a schedule of each second, whose first run takes some", [
    "information finished",
    "information missed-schedule:main",
  ]);
  scheduled.kill("SIGTERM");
  witness.agreesWith((await scheduled.ended).events);

  const storeUri = `mongodb://mill:s3cretPa55@127.0.0.1:${await freePort()}/`;
  const refused = await start({ ...job.settings, storeUri, job: "other" }).ended;
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("did not answer") });
  witness.sees("a start while the database is away, in batch mode", ["problem stopped:store-unreachable"]);
  witness.agreesWith(refused.events);
  witness.isDone(/parcel|doc:q|s3cretPa55/);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
