import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { API, type EventPage, type Me } from "../../src/dashboard/api.ts";
import { FailedLogins } from "../../src/dashboard/failed-logins.ts";
import { MOST_BODY_BYTES } from "../../src/dashboard/gate.ts";
import { MOST_VIEWERS } from "../../src/dashboard/live.ts";
import { Sessions } from "../../src/dashboard/session.ts";
import { openStream, openTestDashboard, type TestDashboard } from "../support/dashboard.ts";
import { makeJob } from "../support/job.ts";

const ROUTES = [
  ...[
    "/me",
    "/overview",
    "/history",
    "/queues",
    "/events",
    "/live",
    "/nothing",
    "/notifications",
    "/items",
    "/items/a",
  ],
  ...["/items/a/similar", "/review", "/insights", "/runs", "/runs/compare"],
  ...["/export", "/events/export", "/notifications/export"],
];
const HOUR_MS = 3_600_000;

async function open(changes: Parameters<typeof openTestDashboard>[2] = {}): Promise<TestDashboard> {
  const { settings } = await makeJob("the embedded store");
  return await openTestDashboard(settings, null, changes);
}

describe("the token", () => {
  it("has 256 bits, stands behind the # of the link, and is another one at each start", async () => {
    const [one, two] = [await open(), await open()];
    const token = (link: string) => new URL(link).hash.slice("#token=".length);
    expect(Buffer.from(token(one.link), "base64url")).toHaveLength(32);
    expect(token(one.link)).not.toBe(token(two.link));
    await expect(two.login(token(one.link))).rejects.toThrow("401");
    expect(one.log.join("")).not.toContain(token(one.link));
  });

  it("becomes a cookie that no script and no other site gets, and that is not the token", async () => {
    const { post, link, url } = await open();
    const token = new URL(link).hash.slice("#token=".length);
    const { status, headers, text } = await post("/session", { token });
    expect([status, text]).toEqual([204, ""]);
    const [cookie] = headers["set-cookie"]!;
    expect(cookie).toMatch(
      new RegExp(`^querymill-${new URL(url).port}=.*; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict$`),
    );
    expect(cookie).not.toContain(token);
    expect((await post("/session", { token })).headers["set-cookie"]![0]).not.toBe(cookie);
  });

  it("is kept to https behind a proxy that has it", async () => {
    const { ask, link } = await open();
    const token = new URL(link).hash.slice("#token=".length);
    const { headers } = await ask(`${API}/session`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-querymill": "1", "x-forwarded-proto": "https" },
      body: JSON.stringify({ token }),
    });
    expect(headers["set-cookie"]![0]).toMatch(/; Secure$/);
  });

  it.each([{ token: "x" }, { token: "" }, { token: 7 }, {}, null, "text"])("is not %j", async (body) => {
    const { post } = await open();
    expect(await post("/session", body)).toMatchObject({ status: 401, code: "LOGIN_NEEDED" });
  });

  it("that is wrong is slower each time, logged and shown, and locks nobody out", async () => {
    const dashboard = await open();
    const startMs = performance.now();
    const wrong = Array.from({ length: 12 }, () => dashboard.post("/session", { token: "wrong" }));
    let answered = 0;
    for (const one of wrong) void one.then(() => answered++);
    const cookie = await dashboard.login();
    expect(answered).toBeLessThan(12);
    const statuses = (await Promise.all(wrong)).map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(8).fill(401), ...Array(4).fill(429)]);
    expect(performance.now() - startMs).toBeGreaterThan(3_900);
    // Twelve lines would be a way to fill a log, and to drive what was done out of the activity.
    expect(dashboard.log.filter((line) => line.includes('"address":"127.0.0.1"'))).toHaveLength(1);
    const { events } = (await dashboard.get("/events?name=login:failed", cookie)).json<EventPage>();
    expect(events).toMatchObject([{ level: "warn", text: "A wrong token was given from 127.0.0.1." }]);
  });

  it("that is wrong is told of once a minute, with how many there were", () => {
    let nowMs = 0;
    const failed = new FailedLogins(() => nowMs);
    expect([failed.count(), failed.count(), failed.count()]).toEqual([1, null, null]);
    nowMs = 60_000;
    expect([failed.count(), failed.count()]).toEqual([3, null]);
  });

  it("of a variable has to be there and long, and no reader's", async () => {
    const named = (value: string | undefined) => ({ variable: "DASHBOARD_TOKEN", value });
    await expect(open({ token: named(undefined) })).rejects.toThrow("the variable DASHBOARD_TOKEN is not set");
    await expect(open({ token: named("short") })).rejects.toThrow("32 to 1000 letters and digits");
    const same = named("a".repeat(40));
    await expect(open({ token: same, readerToken: same })).rejects.toThrow("every reader could do everything");
  });
});

describe("a session", () => {
  it("is needed on every route", async () => {
    const { ask, url } = await open();
    const name = `querymill-${new URL(url).port}`;
    const forged = `operator.${(Date.now() + HOUR_MS).toString(36)}.abc.${createHmac("sha256", "guess").digest("base64url")}`;
    for (const cookie of ["", `${name}=`, `${name}=${forged}`, `${name}=${"x".repeat(9_000)}`])
      for (const route of ROUTES) {
        const { status } = await ask(`${API}${route}`, { headers: { cookie } });
        expect([route, cookie.length, status]).toEqual([route, cookie.length, cookie.length > 8_000 ? 431 : 401]);
      }
  });

  it("that was changed is none: neither its role nor its end can be written", async () => {
    const dashboard = await open({ readerToken: { variable: "READER", value: "r".repeat(40) } });
    const [name, value] = (await dashboard.login("r".repeat(40))).split("=") as [string, string];
    const [role, until, id, mark] = value.split(".");
    const later = (Date.now() + 1e12).toString(36);
    for (const changed of [
      `operator.${until}.${id}.${mark}`,
      `${role}.${later}.${id}.${mark}`,
      `${value}.x`,
      `${role}.${until}.${id}`,
    ])
      expect((await dashboard.get("/me", `${name}=${changed}`)).status).toBe(401);
    expect((await dashboard.get("/me", `${name}=${value}`)).status).toBe(200);
  });

  it("is over after twelve hours, is renewed in between, and outlives a restart with a lasting token", () => {
    let nowMs = 1_000_000;
    const token = { variable: "T", value: "t".repeat(40) };
    const settings = { readOnly: false, token, readerToken: null };
    const sessions = new Sessions(settings, () => nowMs);
    expect(sessions.shownToken).toBeNull();
    const { value, session } = sessions.login(token.value)!;
    nowMs += 5 * HOUR_MS;
    expect(sessions.renewed(session)).toBeNull();
    nowMs += 2 * HOUR_MS;
    const renewed = sessions.renewed(session)!;
    nowMs += 6 * HOUR_MS;
    expect(sessions.read(value)).toBeNull();
    expect(new Sessions(settings, () => nowMs).read(renewed.value)).toMatchObject({ role: "operator" });
    expect(new Sessions({ ...settings, readOnly: true }, () => nowMs).read(renewed.value)).toMatchObject({
      role: "reader",
    });
    expect(new Sessions({ ...settings, token: null }, () => nowMs).read(renewed.value)).toBeNull();
  });
});

describe("another site", () => {
  it.each(["evil.example", "127.0.0.1.evil.example:80", "metrics.internal", "10.0.0.7:7412"])(
    "whose name points here (Host: %s) is refused on every route",
    async (host) => {
      const dashboard = await open();
      const cookie = await dashboard.login();
      for (const path of ["/", "/assets/main-1a2b.js", ...ROUTES.map((route) => API + route)])
        expect((await dashboard.ask(path, { headers: { host, cookie } })).status).toBe(403);
    },
  );

  it.each([
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "http://localhost:3000" },
    { origin: "file://" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
  ])("that asks with %j is refused on every route", async (headers) => {
    const dashboard = await open();
    const cookie = await dashboard.login();
    for (const path of ["/", ...ROUTES.map((route) => API + route)])
      expect(await dashboard.ask(path, { headers: { cookie, ...headers } })).toMatchObject({
        status: 403,
        code: "FORBIDDEN",
      });
  });

  it("may lead to the page, and not to an answer", async () => {
    const { ask } = await open();
    const headers = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
    expect((await ask("/", { headers })).status).toBe(200);
    expect((await ask(`${API}/me`, { headers })).status).toBe(403);
  });

  it("gets no CORS, not even an answer to its question for it", async () => {
    const { ask } = await open();
    const asked = { origin: "http://evil.example", "access-control-request-method": "POST" };
    const { status, headers } = await ask(`${API}/control/stop`, { method: "OPTIONS", headers: asked });
    expect(status).toBe(403);
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("of the settings is a proxy: its name is ours", async () => {
    const dashboard = await open({ hosts: ["mill.example"] });
    const cookie = await dashboard.login();
    const headers = { host: "mill.example", origin: "https://mill.example", cookie };
    expect((await dashboard.ask(`${API}/me`, { headers })).status).toBe(200);
    expect(
      (await dashboard.ask(`${API}/me`, { headers: { ...headers, origin: "https://mill.example.evil.example" } }))
        .status,
    ).toBe(403);
  });
});

describe("a request that changes something", () => {
  it("needs a header that no form can send, JSON, a session and POST", async () => {
    const { ask, login } = await open();
    const cookie = await login();
    const good = { cookie, "x-querymill": "1", "content-type": "application/json" };
    const without = (name: string) => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
    const post = (headers: Record<string, string>) =>
      ask(`${API}/control/pause`, { method: "POST", headers, body: "{}" });
    expect((await post(without("x-querymill"))).status).toBe(403);
    expect((await post({ ...good, "content-type": "text/plain" })).status).toBe(415);
    expect((await post(without("cookie"))).status).toBe(401);
    for (const method of ["PUT", "DELETE", "PATCH"])
      expect((await ask(`${API}/control/pause`, { method, headers: good })).status).toBe(405);
    expect(await post(good)).toMatchObject({ status: 409, code: "NOT_RUNNING" });
  });

  it("is no JSON, no verb or too large: refused with the reason", async () => {
    const dashboard = await open();
    const cookie = await dashboard.login();
    const headers = { cookie, "x-querymill": "1", "content-type": "application/json" };
    const large = JSON.stringify({ reason: "x".repeat(MOST_BODY_BYTES) });
    expect(await dashboard.ask(`${API}/control/pause`, { method: "POST", headers, body: "{" })).toMatchObject({
      status: 400,
    });
    expect(await dashboard.ask(`${API}/control/pause`, { method: "POST", headers, body: large })).toMatchObject({
      status: 413,
      code: "TOO_LARGE",
    });
    const chunked = { ...headers, "transfer-encoding": "chunked" };
    expect(
      (await dashboard.ask(`${API}/control/pause`, { method: "POST", headers: chunked, body: large })).status,
    ).toBe(413);
    expect((await dashboard.post("/session", { token: "x".repeat(MOST_BODY_BYTES) })).status).toBe(413);
    for (const verb of ["explode", "__proto__", "constructor"])
      expect((await dashboard.post(`/control/${verb}`, {}, cookie)).status).toBe(404);
  });

  it("is refused to readers: by their token, and to all with read-only", async () => {
    const reader = { variable: "READER", value: "r".repeat(40) };
    const dashboard = await open({ readerToken: reader });
    const cookie = await dashboard.login(reader.value);
    expect((await dashboard.get("/me", cookie)).json<Me>().role).toBe("reader");
    for (const path of ["/control/pause", "/control/requeue", "/corrections", "/corrections/undo"])
      expect(await dashboard.post(path, {}, cookie)).toMatchObject({ status: 403, code: "READ_ONLY" });
    const closed = await open({ readOnly: true });
    const everybody = await closed.login();
    expect((await closed.get("/me", everybody)).json<Me>().role).toBe("reader");
    expect((await closed.post("/control/stop", {}, everybody)).status).toBe(403);
  });
});

it("says in every answer what a browser may do with it", async () => {
  const dashboard = await open();
  const cookie = await dashboard.login();
  for (const path of ["/", "/nothing", `${API}/me`, `${API}/nothing`, `${API}/overview`]) {
    const { headers } = await dashboard.ask(path, { headers: { cookie } });
    expect(headers).toMatchObject({
      "content-security-policy":
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "x-frame-options": "DENY",
    });
    expect(headers.server).toBeUndefined();
  }
  const asset = await dashboard.ask("/assets/main-1a2b.js");
  expect(asset.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
  for (const path of ["/assets/../../package.json", "/assets/%2e%2e/index.html", "/index.html", "/.env"])
    expect((await dashboard.ask(path)).status).toBe(404);
  const { headers } = (await openStream(dashboard.url, cookie)).response;
  expect(headers).toMatchObject({
    "content-type": "text/event-stream; charset=utf-8",
    "x-content-type-options": "nosniff",
  });
  expect(headers["content-security-policy"]).toContain("default-src 'none'");
});

it("has room for so many viewers, and tells the next one", async () => {
  const dashboard = await open();
  const cookie = await dashboard.login();
  const streams = await Promise.all(Array.from({ length: MOST_VIEWERS }, () => openStream(dashboard.url, cookie)));
  expect(streams.every(({ response }) => response.statusCode === 200)).toBe(true);
  expect(await dashboard.get("/live", cookie)).toMatchObject({ status: 503, code: "TOO_MANY" });
  expect((await dashboard.get("/me", cookie)).status).toBe(200);
  streams[0]!.request.destroy();
  await expect.poll(async () => (await openStream(dashboard.url, cookie)).response.statusCode).toBe(200);
});

it("listens on this machine alone, and warns of anything else", async () => {
  expect((await open()).warning).toBeNull();
  const all = await open({ at: { host: "0.0.0.0", shown: "0.0.0.0:0" } });
  expect(all.warning).toContain("without TLS");
  expect((await all.ask("/")).status).toBe(200);
});
