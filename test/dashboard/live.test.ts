import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { DASHBOARD_PORT } from "../../src/config/dashboard-options.ts";
import type { Done, EventPage, History, Me, Overview, Problem, Queues } from "../../src/dashboard/api.ts";
import { keyOf } from "../../src/item.ts";
import { runFlags, startCli } from "../support/cli.ts";
import { askerOf, openStream, openTestDashboard, type Stream, type TestDashboard } from "../support/dashboard.ts";
import { type Job, makeHoldingJob, makeJob } from "../support/job.ts";
import { makeWorkspace } from "../support/workspace.ts";

const SLOTS = 5;

describe("beside a run on MongoDB", () => {
  it("tells how it goes, pauses and resumes it, and tries what failed again", async () => {
    const hold = Promise.withResolvers<null>();
    let isFailing = true;
    const job = await makeJob("MongoDB", {
      fail: (id) => (id === "q0030" ? hold.promise : isFailing && id < "q0005" ? "refusal" : null),
    });
    const ids = await job.seed(30);
    const started = await job.start();
    const dashboard = await openTestDashboard(job.settings, started.execution);
    const cookie = await dashboard.login();
    const overview = async (): Promise<Overview> => (await dashboard.get("/overview", cookie)).json<Overview>();
    await expect.poll(async () => (await overview()).run?.counters.classified).toBe(25);
    await expect
      .poll(async () => (await overview()).needs.find(({ id }) => id === "dead-letters:content")?.count)
      .toBe(4);
    const told = await overview();
    expect(told).toMatchObject({
      from: "this-process",
      trouble: null,
      sum: { holds: true },
      decidedBy: { model: 25 },
      run: { counters: { read: 30, deadLetters: 4, inFlight: 1 } },
      waiting: [{ what: "q0030 in flight", key: keyOf("q0030"), items: 1, reason: "the model has not answered" }],
    });
    expect(told.spend.map(({ what }) => what)).toContain("output");
    expect(told.spend.reduce((sum, { usd }) => sum + (usd ?? 0), 0)).toBeCloseTo(told.run!.counters.costUsd!, 6);
    const need = told.needs.find(({ id }) => id === "dead-letters:content")!;
    const retry = need.actions.find((action) => action.kind === "control")!;
    expect(retry).toMatchObject({ verb: "requeue", label: expect.stringMatching(/^Retry 4 · about \$\d/) });
    const { dead } = (await dashboard.get("/queues", cookie)).json<Queues>();
    expect(dead).toMatchObject([
      { queue: "model", failure: "content", count: 4, sample: [{ id: expect.any(String) }, {}, {}, {}] },
    ]);

    const paused = (await dashboard.post("/control/pause", { reason: "lunch" }, cookie)).json<Done>();
    expect(paused).toMatchObject({ verb: "pause", state: { from: "running", to: "paused" } });
    expect((await overview()).health).toMatchObject({
      level: "warn",
      title: "Paused",
      detail: expect.stringContaining("lunch"),
    });
    expect((await overview()).needs.map(({ id }) => id)).toContain("paused");
    await dashboard.post("/control/resume", {}, cookie);
    isFailing = false;
    expect(
      (await dashboard.post("/control/requeue", retry.kind === "control" ? retry.body : {}, cookie)).json<Done>(),
    ).toMatchObject({
      requeued: { deadLetters: 4, waiting: 0 },
    });
    hold.resolve(null);
    expect((await started.ended).end).toMatchObject({ classified: 30, deadLetters: 0 });
    expect(await job.counted(ids)).toEqual({ target: 30 });
    expect(started.seen["control:command"].map(({ verb, by }) => [verb, by])).toEqual([
      ["pause", "dashboard, 127.0.0.1"],
      ["resume", "dashboard, 127.0.0.1"],
      ["requeue", "dashboard, 127.0.0.1"],
    ]);
    const { events, names } = (await dashboard.get("/events", cookie)).json<EventPage>();
    expect(names).toContain("execution:pause");
    expect(events.find(({ name }) => name === "execution:pause")!.text).toBe("Paused by dashboard, 127.0.0.1: lunch.");
    expect(JSON.stringify(events)).not.toContain("parcel");
  });

  it("refuses what cannot be, in the words of control, and changes nothing", async () => {
    const { job, inFlight, answer } = await makeHoldingJob("MongoDB", 0, SLOTS);
    await job.seed(SLOTS);
    const started = await job.start();
    const dashboard = await openTestDashboard(job.settings, started.execution);
    const cookie = await dashboard.login();
    await inFlight;
    const refused = await dashboard.post("/control/set", { concurrency: 0 }, cookie);
    expect(refused.status).toBe(400);
    expect(refused.json<Problem>().error).toMatchObject({
      code: "USAGE",
      message: expect.stringContaining("concurrency"),
    });
    expect(
      (await dashboard.post("/control/endpoint-drain", { name: "mian" }, cookie)).json<Problem>().error.message,
    ).toContain("Did you mean main?");
    expect((await dashboard.post("/control/pause", { reson: "x" }, cookie)).status).toBe(400);
    expect((await dashboard.get("/events?limit=x", cookie)).status).toBe(400);
    expect((await dashboard.post("/control/set", { concurrency: 9 }, cookie)).json<Done>().changes).toEqual({
      concurrency: { from: 5, to: 9 },
    });
    answer();
    await started.ended;
  });
});

describe("the stream", () => {
  it("brings an overview at once and every second, the same for all, and samples that history has too", async () => {
    const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 0, SLOTS);
    await job.seed(SLOTS);
    const started = await job.start();
    const dashboard = await openTestDashboard(job.settings, started.execution);
    const cookie = await dashboard.login();
    await inFlight;
    const [one, two] = [await openStream(dashboard.url, cookie), await openStream(dashboard.url, cookie)];
    await expect.poll(() => messages(one, "sample").length).toBeGreaterThan(1);
    expect(one.text()).toMatch(/^retry: \d+\n\nevent: overview\n/);
    expect(messages(one, "overview").at(-1)).toMatchObject({ run: { counters: { inFlight: SLOTS } }, viewers: 2 });
    expect(messages(two, "sample").at(-1)).toEqual(messages(one, "sample").at(-1));
    const { samples } = (await dashboard.get("/history", cookie)).json<History>();
    expect(samples).toEqual(expect.arrayContaining(messages(one, "sample")));
    answer();
    await started.ended;
  });

  it("goes on where it was broken off: what was missed comes first, once, and nothing twice", async () => {
    const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 0, SLOTS);
    await job.seed(SLOTS);
    const started = await job.start();
    const dashboard = await openTestDashboard(job.settings, started.execution);
    const cookie = await dashboard.login();
    await inFlight;
    const before = await openStream(dashboard.url, cookie);
    await dashboard.post("/control/pause", { reason: "first" }, cookie);
    await expect.poll(() => before.text()).toContain("first");
    before.request.destroy();
    const lastId = before
      .text()
      .match(/^id: .*$/gm)!
      .at(-1)!
      .slice("id: ".length);
    await dashboard.post("/control/resume", {}, cookie);
    await dashboard.post("/control/pause", { reason: "second" }, cookie);
    await delay(1_100);
    const after = await openStream(dashboard.url, cookie, { "last-event-id": lastId });
    await expect.poll(() => after.text()).toContain("second");
    expect(after.text()).not.toContain('by dashboard, 127.0.0.1: first."');
    await expect.poll(() => messages(after, "sample").length).toBeGreaterThan(2);
    const ids = after.text().match(/^id: .*$/gm)!;
    expect(new Set(ids).size).toBe(ids.length);
    const other = await openStream(dashboard.url, cookie, { "last-event-id": "of-another-start-7" });
    await expect.poll(() => messages(other, "overview").length).toBeGreaterThan(0);
    expect(messages(other, "event")).toEqual([]);
    started.execution.resume();
    answer();
    await started.ended;
  });

  it("lets go of who reads no more, and holds nothing for it", async () => {
    const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 0, SLOTS);
    await job.seed(SLOTS);
    const started = await job.start();
    const dashboard = await openTestDashboard(job.settings, started.execution);
    const cookie = await dashboard.login();
    await inFlight;
    const stuck = await openStream(dashboard.url, cookie);
    stuck.response.pause();
    const reading = await openStream(dashboard.url, cookie);
    // Words as long as events can have, until more waits for the stuck one than any buffer between takes.
    const isGone = Promise.withResolvers<void>();
    stuck.response.socket.once("close", () => isGone.resolve());
    for (let at = 0; at < 40 && (await viewersOf(dashboard, cookie)) === 2; at++) {
      for (let times = 0; times < 900; times++)
        started.execution.events.emit("execution:pause", {
          executionId: "x",
          reason: "r".repeat(1_000),
          by: null,
          holder: "operator",
        });
      await delay(1_050);
    }
    expect(await viewersOf(dashboard, cookie)).toBe(1);
    const seen = messages(reading, "overview").length;
    await expect.poll(() => messages(reading, "overview").length).toBeGreaterThan(seen);
    answer();
    await started.ended;
  });
});

describe("querymill dashboard", () => {
  it("shows and controls a run of another process, which tells who did it, and goes on showing it when it has ended", async () => {
    const { job, inFlight, answer } = await makeHoldingJob("MongoDB", 10, SLOTS);
    await job.seed(40);
    const run = startCli(runFlags(job.settings), { cwd: job.settings.batchDir });
    onTestFinished(() => run.kill("SIGKILL"));
    await inFlight;
    await run.seen("control:ready");
    const { url, link } = await startDashboard(job);
    const { login, get, post } = askerOf(url, link);
    const cookie = await login();
    const stream = await openStream(url, cookie);
    await expect.poll(() => (messages(stream, "overview").at(-1) as Overview | undefined)?.from).toBe("other-process");
    expect((await get("/me", cookie)).json<Me>()).toMatchObject({
      role: "operator",
      job: "flow",
      target: "sentimental_analysis",
    });
    await post("/control/pause", { reason: "the other one" }, cookie);
    expect(await run.seen("control:command")).toMatchObject({ verb: "pause", by: "dashboard, 127.0.0.1" });
    answer();
    await expect.poll(async () => (await get("/overview", cookie)).json<Overview>().health.title).toBe("Paused");
    await post("/control/resume", {}, cookie);
    expect(await run.ended).toMatchObject({ code: 0, end: { classified: 40 } });
    await expect
      .poll(() => messages(stream, "overview").at(-1))
      .toMatchObject({ from: "nobody", run: null, lastEnd: { classified: 40 }, health: { title: "Not running" } });
    expect(await post("/control/pause", {}, cookie)).toMatchObject({ status: 409, code: "NOT_RUNNING" });
    const names = (await get("/events", cookie)).json<EventPage>().names;
    expect(names).toEqual(expect.arrayContaining(["control:command", "execution:start", "execution:pause"]));
  });

  it("shows a job that never ran, and one whose process was killed", async () => {
    const { job, inFlight } = await makeHoldingJob("the embedded store", 10, SLOTS);
    await job.seed(40);
    const fresh = await openTestDashboard(job.settings, null);
    const overviewOf = async (dashboard: TestDashboard) =>
      (await dashboard.get("/overview", await dashboard.login())).json<Overview>();
    expect(await overviewOf(fresh)).toMatchObject({
      from: "nobody",
      run: null,
      lastEnd: null,
      health: { level: "idle" },
      needs: [],
    });
    const run = startCli(runFlags(job.settings), { cwd: job.settings.batchDir });
    await inFlight;
    await run.seen("item:settled", 10);
    run.kill("SIGKILL");
    await run.ended;
    expect(await overviewOf(await openTestDashboard(job.settings, null))).toMatchObject({
      health: { level: "bad", title: "Did not end cleanly" },
      needs: [{ id: "unclean", level: "bad" }],
    });
  });

  it("says what is wrong with a port, a host and a token, and where it is as an event", async () => {
    const space = makeWorkspace();
    for (const [args, words] of [
      [["--port", "70000"], "--port: expected a port from 0 to 65535"],
      [["--host", "a b"], "--host: expected an address"],
      [["--host", "192.0.2.1", "--port", "0"], "--dashboard 192.0.2.1:0: this machine does not have that address"],
    ] as const) {
      const { code, stderr } = await space.querymill(["dashboard", ...args]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
    }
    space.write("querymill.yaml", "dashboard:\n  tokenVariable: MILL_TOKEN\n");
    const { code, stderr } = await space.querymill(["dashboard", "--port", "0"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("the variable MILL_TOKEN is not set")]);
  });
});

describe("run --dashboard", () => {
  it("hands the link over on stderr alone, tells where it is as an event, and ends with the run", async () => {
    const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 0, SLOTS);
    await job.seed(SLOTS);
    const run = startCli([...runFlags(job.settings), "--dashboard", "0"], { cwd: job.settings.batchDir });
    onTestFinished(() => run.kill("SIGKILL"));
    await inFlight;
    const { url } = (await run.seen("dashboard:listening")) as unknown as { url: string };
    const page = await fetch(url, { redirect: "manual" }).catch(() => null);
    expect(page === null).toBe(false);
    expect((await fetch(`${url}/api/v1/overview`)).status).toBe(401);
    // A page that is open all the time holds nothing up.
    answer();
    const ended = await run.ended;
    expect(ended).toMatchObject({ code: 0, end: { classified: SLOTS } });
    expect(ended.stderr).toMatch(new RegExp(`^Dashboard: ${url}/#token=[\\w-]{43}\n$`));
    expect(JSON.stringify(ended.events)).not.toContain("token=");
  });

  it("takes a free port where the usual one is taken, and refuses one that is given and taken, or that of the metrics", async () => {
    const space = makeWorkspace();
    await space.seed([{ _id: "q1", text: "where is my parcel" }], "conversation_set", "store.sqlite");
    const run = ["run", "--model", "offline", "--store", "store.sqlite", "--json"];
    const taken = await openTestDashboard((await makeJob("the embedded store")).settings, null);
    const { port } = new URL(taken.url);
    const refused = await space.querymill([...run, "--dashboard", port]);
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`--dashboard ${port}: the port is taken`),
    });
    const both = await space.querymill([...run, "--dashboard", "9464", "--metrics", "9464"]);
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining("name the same port, 9464") });
    expect((await space.querymill([...run, "--dashboard", "70000"])).stderr).toContain(
      "expected a port from 0 to 65535",
    );
    const { settings } = await makeJob("the embedded store");
    await openTestDashboard(settings, null, { at: { port: DASHBOARD_PORT, elseFree: true } });
    const { code, stderr } = await space.querymill([...run, "--dashboard"]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^Dashboard: http:\/\/127\.0\.0\.1:\d+\/#token=/)]);
    expect(stderr).not.toContain(`:${DASHBOARD_PORT}/`);
  });
});

async function startDashboard(job: Job): Promise<{ readonly url: string; readonly link: string }> {
  const { storeUri, db, batchDir } = job.settings;
  const space = makeWorkspace();
  const store = storeUri.startsWith("sqlite:") ? storeUri.slice("sqlite:".length) : storeUri;
  const args = ["dashboard", "--port", "0", "--job", "flow", "--store", store, "--db", db, "--batch-dir", batchDir];
  const { child } = space.start(args);
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  child.stderr!.on("data", (part) => {
    said += part;
  });
  await expect.poll(() => said).toMatch(/#token=\S+\n/);
  const link = /http\S+/.exec(said)![0];
  return { link, url: link.slice(0, link.indexOf("/#")) };
}

/** What a stream has brought of one name. */
function messages(stream: Stream, name: string): unknown[] {
  return [...stream.text().matchAll(/^event: (\w+)\ndata: (.*)\n\n/gm)]
    .filter(([, found]) => found === name)
    .map(([, , data]) => JSON.parse(data!));
}

async function viewersOf(dashboard: TestDashboard, cookie: string): Promise<number> {
  return (await dashboard.get("/overview", cookie)).json<Overview>().viewers;
}
