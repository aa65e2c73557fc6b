import { expect, it } from "vitest";
import type { Overview } from "../../src/dashboard/api.ts";
import { keyOf } from "../../src/item.ts";
import { openOutbox } from "../../src/notify/outbox.ts";
import { openLog } from "../../src/observe/log.ts";
import { BatchFileManager, jobFolder } from "../../src/state/batch-file-manager.ts";
import { notificationOf } from "../notify/made-up-notification.ts";
import { openStream, openTestDashboard } from "../support/dashboard.ts";
import { makeJob, STORES } from "../support/job.ts";

const EXPORTS = ["/events/export", "/notifications/export", "/export"] as const;
/** A count is made once in half a minute, and MongoDB builds its index beside. */

it("gives files of events and notifications, by the filters of the page and safe for spreadsheets", async () => {
  const { settings } = await makeJob("the embedded store");
  const { identity } = new BatchFileManager(settings.batchDir, settings);
  const { logger } = await openLog({ level: "info", file: null, write: () => {}, secrets: [] });
  const outbox = await openOutbox({
    folder: jobFolder(settings.batchDir, identity),
    identity,
    channels: ["hook", "mail"].map((name) => ({
      name,
      settings: { type: "webhook", url: "https://hook.example", secrets: [] },
      secrets: [],
    })),
    send: async () => ({ kind: "later", reason: "it answered 503", afterMs: null }),
    logger,
  });
  await outbox.put(notificationOf({ id: "n-1", title: '=HYPERLINK("http://evil.example")' }), ["hook", "mail"]);
  await outbox.close();

  const dashboard = await openTestDashboard(settings, null);
  const cookie = await dashboard.login();
  expect((await dashboard.post("/session", { token: "wrong" })).status).toBe(401);
  const file = async (path: string): Promise<string[]> => {
    const { status, headers, text } = await dashboard.get(path, cookie);
    expect([path, status]).toEqual([path, 200]);
    expect(headers).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy": expect.stringContaining("default-src 'none'"),
      "x-content-type-options": "nosniff",
    });
    return text.trimEnd().split("\n");
  };
  const told = "A wrong token was given from 127.0.0.1.";
  expect(await file("/events/export")).toEqual([
    "time,level,event,text",
    expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z,warn,login:failed,A wrong token was given from 127\.0\.0\.1\.$/),
  ]);
  const [line] = await file("/events/export?format=jsonl&level=warn&name=login:failed");
  expect(JSON.parse(line!)).toEqual({ time: expect.any(String), level: "warn", event: "login:failed", text: told });
  for (const filter of ["level=bad", "name=execution:end", "level=ok&name=login:failed"])
    expect(await file(`/events/export?${filter}`)).toEqual(["time,level,event,text"]);
  const rows = await file("/notifications/export");
  expect(rows[0]).toBe("time,id,rule,state,severity,title,channel,delivery,deliveryTime,reason");
  expect(rows.slice(1).map((row) => row.split(",").slice(1))).toEqual(
    ["hook", "mail"].map((channel) => [
      ...["n-1", "lag", "problem", "warning", `"'=HYPERLINK(""http://evil.example"")"`],
      ...[channel, "waiting", expect.any(String), "it answered 503"],
    ]),
  );
  const told2 = await file("/notifications/export?format=jsonl");
  expect(told2.map((row) => JSON.parse(row))).toMatchObject([
    { id: "n-1", title: '=HYPERLINK("http://evil.example")', channel: "hook", delivery: "waiting" },
    { channel: "mail" },
  ]);
  const { headers } = await dashboard.get("/events/export", cookie);
  expect(headers["content-disposition"]).toBe('attachment; filename="flow-events.csv"');
  for (const path of ["/events/export?format=xlsx", "/events/export?level=loud", "/notifications/export?format=xml"])
    expect(await dashboard.get(path, cookie)).toMatchObject({ status: 400, code: "USAGE" });
});

it("answers a head with what would come, and takes no place for it", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(2);
  await job.run();
  const dashboard = await openTestDashboard(job.settings, null);
  const cookie = await dashboard.login();
  const head = (path: string) => dashboard.ask(`/api/v1${path}`, { method: "HEAD", headers: { cookie } });
  // More than there are places for files, or for pages.
  for (let times = 0; times < 2; times++)
    for (const path of EXPORTS) {
      const { status, headers, text } = await head(path);
      expect([status, text]).toEqual([200, ""]);
      expect(headers["content-type"]).toBe("text/csv; charset=utf-8");
    }
  for (const path of EXPORTS) expect((await dashboard.get(path, cookie)).status).toBe(200);
  expect((await head("/export?q=categry:x")).status).toBe(400);
  expect((await head("/live")).headers["content-type"]).toBe("text/event-stream; charset=utf-8");
  await openStream(dashboard.url, cookie);
  expect((await dashboard.get("/overview", cookie)).json<Overview>().viewers).toBe(1);
});

it.each(STORES)(
  "shows what persons decided as theirs, until it is undone, over %s",
  async (name) => {
    const job = await makeJob(name);
    await job.seed(6);
    await job.run();
    const dashboard = await openTestDashboard(job.settings, null);
    const cookie = await dashboard.login();
    const decidedBy = async () => (await dashboard.get("/overview", cookie)).json<Overview>().decidedBy;
    expect(await decidedBy()).toEqual({ model: 6 });
    const record = (await job.records()).get("q0002")!;
    const fields = { category: record.category === "returns" ? "billing" : "returns" };
    for (const id of ["q0002", "q0003"])
      expect((await dashboard.post("/corrections", { key: keyOf(id), fields }, cookie)).status).toBe(200);
    await expect.poll(decidedBy).toEqual({ model: 4, person: 2 });
    await dashboard.post("/corrections/undo", { key: keyOf("q0002") }, cookie);
    await expect.poll(decidedBy).toEqual({ model: 5, person: 1 });
  },
  150_000,
);
