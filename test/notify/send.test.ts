import { setTimeout as sleep } from "node:timers/promises";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { Webhook } from "standardwebhooks";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ChannelSettings, Delivery } from "../../src/notify/channel.ts";
import type { Network } from "../../src/notify/guarded-network.ts";
import type { Notification } from "../../src/notify/notification.ts";
import { makeSend } from "../../src/notify/send.ts";
import { secretBytes } from "../../src/notify/webhook.ts";
import { makeCertificate, startReceiver, withStatus } from "../support/receiver.ts";
import { notificationOf } from "./made-up-notification.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const ALLOWED = { allowPrivate: new Set(["127.0.0.1", "localhost", "hooks.test"]) };
const NOBODY = { allowPrivate: new Set<string>() };

function deliver(
  url: string,
  network: Network = ALLOWED,
  {
    signal = new AbortController().signal,
    secrets = [] as string[],
    notification = notificationOf() as Notification,
  } = {},
): Promise<Delivery> {
  const settings: ChannelSettings = { type: "webhook", url, secrets: [secretBytes(SECRET)!] };
  return makeSend({ network, now: Date.now })({ name: "hook", settings, secrets }, notification, signal);
}

describe("a receiver that works", () => {
  it("gets what the reference library verifies, over HTTPS", async () => {
    const tls = makeCertificate();
    const before = getCACertificates("default");
    setDefaultCACertificates([...before, tls.cert]);
    onTestFinished(() => setDefaultCACertificates(before));
    const receiver = await startReceiver(withStatus(204), tls);
    expect(await deliver(`${receiver.url}/in?x=1`)).toEqual({ kind: "delivered" });
    const [{ path, headers, body }] = receiver.received as [(typeof receiver.received)[0]];
    expect(path).toBe("/in?x=1");
    expect(new Webhook(SECRET).verify(body, headers as Record<string, string>)).toMatchObject({
      data: { rule: "lag" },
    });
  });

  it("is not taken for it when its certificate is not trusted", async () => {
    const receiver = await startReceiver(withStatus(204), makeCertificate());
    expect(await deliver(receiver.url)).toMatchObject({ kind: "later", reason: expect.stringMatching(/certificate/i) });
    expect(receiver.received).toEqual([]);
  });

  it("has delivered with its status, whatever becomes of a body without end", async () => {
    const receiver = await startReceiver((response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write("x".repeat(20_000)), 5);
      response.on("close", () => clearInterval(drip));
    });
    expect(await deliver(receiver.url)).toEqual({ kind: "delivered" });
  });
});

describe("a receiver in trouble", () => {
  it.each([
    [429, { "retry-after": "7" }, 7_000],
    [503, {}, null],
    [500, { "retry-after": "99999999" }, 3_600_000],
    [429, { "retry-after": "soon" }, null],
  ])("that answers %i %o is asked again", async (status, headers, afterMs) => {
    const receiver = await startReceiver(withStatus(status, headers as Record<string, string>, "busy"));
    expect(await deliver(receiver.url)).toEqual({ kind: "later", reason: `it answered ${status}: busy`, afterMs });
  });

  it("that names a date is asked again then", async () => {
    const receiver = await startReceiver(
      withStatus(503, { "retry-after": new Date(Date.now() + 600_000).toUTCString() }),
    );
    const delivery = await deliver(receiver.url);
    expect(delivery).toMatchObject({ kind: "later", afterMs: expect.any(Number) });
    expect((delivery as { afterMs: number }).afterMs).toBeGreaterThan(500_000);
  });

  it.each([400, 401, 403, 404, 410])("that answers %i is not asked again, and says what to do", async (status) => {
    const receiver = await startReceiver(withStatus(status, {}, "no"));
    expect(await deliver(receiver.url)).toMatchObject({
      kind: "refused",
      reason: `it answered ${status}: no`,
      advice: expect.stringMatching(/^Check/),
    });
  });

  it("that hangs is left after 5 s", async () => {
    const receiver = await startReceiver(() => {});
    expect(await deliver(receiver.url)).toEqual({
      kind: "later",
      reason: "it did not answer within 5 s",
      afterMs: null,
    });
  });

  it("that drips its headers is left after 5 s", async () => {
    const receiver = await startReceiver((response) => {
      response.socket?.write("HTTP/1.1 200 OK\r\n");
      const drip = setInterval(() => response.socket?.write("x-drip: 1\r\n"), 200);
      response.on("close", () => clearInterval(drip));
    });
    expect(await deliver(receiver.url)).toMatchObject({ kind: "later", reason: "it did not answer within 5 s" });
  });

  it("that is not there is asked again", async () => {
    const receiver = await startReceiver();
    await receiver.close();
    expect(await deliver(receiver.url)).toMatchObject({
      kind: "later",
      reason: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("is left at once when the signal says so", async () => {
    const receiver = await startReceiver(() => {});
    const abort = new AbortController();
    const delivery = deliver(receiver.url, ALLOWED, { signal: abort.signal });
    await receiver.seen(1);
    abort.abort();
    expect(await delivery).toEqual({ kind: "later", reason: "it was given no more time", afterMs: null });
  });

  it("that repeats a secret in its answer does not get it into the reason", async () => {
    const receiver = await startReceiver(withStatus(400, {}, "bad token tok-123456"));
    const delivery = await deliver(receiver.url, ALLOWED, { secrets: ["tok-123456"] });
    expect(JSON.stringify(delivery)).toContain("bad token ***");
  });
});

describe("addresses inside", () => {
  it.each(["http://169.254.169.254/latest/meta-data", "https://127.0.0.1/"])(
    "are not reached by a redirect to %s",
    async (to) => {
      const inside = await startReceiver();
      const target = to.replace("https://127.0.0.1", inside.url);
      const receiver = await startReceiver(withStatus(307, { location: target }));
      expect(await deliver(receiver.url)).toMatchObject({
        kind: "refused",
        reason: expect.stringContaining("redirects are not followed"),
      });
      expect(inside.received).toEqual([]);
    },
  );

  it.each([
    ["https://169.254.169.254/", "link-local"],
    ["https://127.0.0.1/", "this machine itself"],
    ["https://0x7f.1/", "this machine itself"],
    ["https://2130706433/", "this machine itself"],
    ["https://[::1]/", "this machine itself"],
    ["https://[::ffff:10.0.0.1]/", "private"],
    ["https://localhost/", "this machine itself"],
    ["https://localhost./", "this machine itself"],
    ["https://10.0.0.5/", "private"],
  ])("are refused as %s", async (url, why) => {
    expect(await deliver(url, NOBODY)).toMatchObject({ kind: "refused", reason: expect.stringContaining(why) });
  });

  it("are refused before anything connects, also by a name that resolves to one of them only", async () => {
    const receiver = await startReceiver();
    const port = new URL(receiver.url).port;
    const mixed = async () => [
      { address: "1.1.1.1", family: 4 },
      { address: "127.0.0.1", family: 4 },
    ];
    const delivery = await deliver(`https://hooks.example:${port}/`, { ...NOBODY, resolve: mixed });
    expect(delivery).toMatchObject({ kind: "refused", reason: expect.stringContaining("hooks.example (127.0.0.1)") });
    expect((delivery as { advice: string }).advice).toContain("add hooks.example to notify.allowPrivate");
    expect(receiver.received).toEqual([]);
  });

  it("stay refused for an allowed name when they are where clouds keep credentials", async () => {
    const resolve = async () => [{ address: "169.254.169.254", family: 4 }];
    expect(await deliver("http://hooks.test/", { ...ALLOWED, resolve })).toMatchObject({
      kind: "refused",
      advice: "Name another host.",
    });
  });

  it("are not reached by a name that resolves otherwise the second time: it is asked once", async () => {
    const receiver = await startReceiver();
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return [{ address: asked === 1 ? "127.0.0.1" : "169.254.169.254", family: 4 }];
    };
    expect(await deliver(receiver.url.replace("127.0.0.1", "hooks.test"), { ...ALLOWED, resolve })).toEqual({
      kind: "delivered",
    });
    expect([asked, receiver.received.length]).toEqual([1, 1]);
    expect(receiver.received[0]!.headers.host).toMatch(/^hooks\.test:/);
  });

  it("are not sent to by http, unless the host is allowed", async () => {
    const resolve = async () => [{ address: "1.1.1.1", family: 4 }];
    expect(await deliver("http://169.254.169.254/latest", NOBODY)).toMatchObject({
      advice: expect.stringMatching(/^Name another host/),
    });
    expect(await deliver("http://hooks.example/", { ...NOBODY, resolve })).toMatchObject({
      kind: "refused",
      advice: expect.stringContaining("Use https"),
    });
  });

  it("do not matter to a resolver that hangs: it is left after 5 s", async () => {
    const resolve = async () => {
      await sleep(20_000, undefined, { ref: false });
      return [];
    };
    expect(await deliver("https://hooks.example/", { ...NOBODY, resolve })).toMatchObject({
      kind: "later",
      reason: "it did not answer within 5 s",
    });
  });
});
