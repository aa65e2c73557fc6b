import { createServer, type Socket } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import type { SMTPServerOptions } from "smtp-server";
import { expect, it, onTestFinished } from "vitest";
import type { Delivery } from "../../src/notify/channel.ts";
import type { Notification } from "../../src/notify/notification.ts";
import { makeSend } from "../../src/notify/send.ts";
import { startMailServer } from "../support/mail-server.ts";
import { makeCertificate } from "../support/receiver.ts";
import { HOSTILE, notificationOf } from "./made-up-notification.ts";

function trusted(): { key: string; cert: string } {
  const tls = makeCertificate();
  const before = getCACertificates("default");
  setDefaultCACertificates([...before, tls.cert]);
  onTestFinished(() => setDefaultCACertificates(before));
  return tls;
}

function deliver(
  url: string,
  {
    allowed = ["localhost", "127.0.0.1"],
    notification = notificationOf() as Notification,
    signal = new AbortController().signal,
    resolve = undefined as undefined | (() => Promise<{ address: string; family: number }[]>),
  } = {},
): Promise<Delivery> {
  const network = { allowPrivate: new Set(allowed), ...(resolve === undefined ? {} : { resolve }) };
  const settings = {
    type: "email" as const,
    url,
    from: "mill@example.org",
    to: ["ops@example.org", "lead@example.org"],
  };
  return makeSend({ network, now: Date.now })(
    { name: "mail", settings, secrets: ["pa:ss wörd"] },
    notification,
    signal,
  );
}

const LOGIN: SMTPServerOptions = {
  onAuth({ username, password }, _session, done) {
    if (username === "mill" && password === "pa:ss wörd") done(null, { user: username });
    else done(Object.assign(new Error("5.7.8 no such user"), { responseCode: 535 }));
  },
};
const USER = "mill:pa%3Ass%20w%C3%B6rd";

it("arrives as text and HTML at everybody it is for, logged in, over TLS from the beginning", async () => {
  const { port, letters } = await startMailServer({ ...LOGIN, secure: true, ...trusted() });
  expect(await deliver(`smtps://${USER}@localhost:${port}`)).toEqual({ kind: "delivered" });
  const [letter] = letters;
  expect(letter).toMatchObject({
    from: "mill@example.org",
    to: ["ops@example.org", "lead@example.org"],
    user: "mill",
    secure: true,
  });
  expect(letter!.raw).toContain("Subject: [inbox] Warning: The oldest item waits for 12 minutes");
  for (const part of ["text/plain", "text/html", "querymill status --job inbox", "Auto-Submitted: auto-generated"])
    expect(letter!.raw).toContain(part);
});

it("goes over STARTTLS; readable only to a server of one's own, and never with a password", async () => {
  const { port, letters } = await startMailServer({ ...LOGIN, ...trusted() });
  expect(await deliver(`smtp://${USER}@localhost:${port}`)).toEqual({ kind: "delivered" });
  expect(letters[0]).toMatchObject({ secure: true, user: "mill" });
  const readable = await startMailServer({ hideSTARTTLS: true });
  expect(await deliver(`smtp://localhost:${readable.port}`)).toEqual({ kind: "delivered" });
  expect(readable.letters[0]).toMatchObject({ secure: false });
  expect(await deliver(`smtp://${USER}@localhost:${readable.port}`)).toMatchObject({ kind: "later" });
  expect(readable.letters).toHaveLength(1);
});

it("is refused with what to do when user or password is wrong, and the password is nowhere", async () => {
  const { port } = await startMailServer({ ...LOGIN, ...trusted() });
  const delivery = await deliver(`smtp://mill:another@localhost:${port}`);
  expect(delivery).toMatchObject({ kind: "refused", advice: "Check user and password in the SMTP address." });
  expect(JSON.stringify(delivery)).not.toContain("another");
});

it.each([
  [550, "refused"],
  [451, "later"],
])("that a server answers with %i is %s", async (responseCode, kind) => {
  const { port } = await startMailServer({
    hideSTARTTLS: true,
    onRcptTo: (_address, _session, done) => done(Object.assign(new Error("no mailbox here"), { responseCode })),
  });
  expect(await deliver(`smtp://localhost:${port}`)).toMatchObject({
    kind,
    reason: expect.stringContaining("no mailbox here"),
  });
});

it("holds no header that a title made, and no markup in its HTML", async () => {
  const { port, letters } = await startMailServer({ hideSTARTTLS: true });
  const title = "a\r\nBcc: thief@evil.test\r\n\r\nbody";
  const notification = notificationOf({ title, job: "x\nX-Evil: 1", details: [HOSTILE], subject: "s\r\nX: 1" });
  expect(await deliver(`smtp://localhost:${port}`, { notification })).toEqual({ kind: "delivered" });
  const [letter] = letters;
  expect(letter!.to).toEqual(["ops@example.org", "lead@example.org"]);
  const names = letter!.raw
    .split("\r\n\r\n")[0]!
    .split("\r\n")
    .filter((line) => !/^\s/.test(line))
    .map((line) => line.split(":")[0]);
  expect(names).not.toContain("Bcc");
  expect(names).not.toContain("X-Evil");
  expect(names).not.toContain("X");
  expect(letter!.raw.slice(letter!.raw.indexOf("text/html"))).not.toContain("<script");
});

it("stands in one thread with its recovery, and has the same id in each attempt", async () => {
  const { port, letters } = await startMailServer({ hideSTARTTLS: true });
  const header = (raw: string, name: string) => new RegExp(`^${name}: (.*)$`, "mi").exec(raw)?.[1];
  for (const changes of [{}, {}, { id: "2", state: "recovered" as const }])
    await deliver(`smtp://localhost:${port}`, { notification: notificationOf(changes) });
  const [first, again, recovered] = letters.map(({ raw }) => ({
    id: header(raw, "message-id"),
    thread: header(raw, "references"),
  }));
  expect(first!.id).toBeTruthy();
  expect([again!.id, recovered!.id !== first!.id, recovered!.thread]).toEqual([first!.id, true, first!.thread]);
});

it("is not sent to an address inside, whatever its name", async () => {
  const { port, letters } = await startMailServer({ hideSTARTTLS: true });
  const resolve = async () => [{ address: "127.0.0.1", family: 4 }];
  for (const options of [{ allowed: [] }, { allowed: [], resolve }])
    expect(await deliver(`smtp://localhost:${port}`, options)).toMatchObject({
      kind: "refused",
      advice: expect.stringContaining("notify.allowPrivate"),
    });
  expect(letters).toEqual([]);
});

it("leaves a server that says nothing, at once when the signal says so", async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket.on("error", () => {})));
  const port = await new Promise<number>((resolve) =>
    silent.listen(0, "127.0.0.1", () => resolve((silent.address() as { port: number }).port)),
  );
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const abort = new AbortController();
  const connected = new Promise((resolve) => silent.once("connection", resolve));
  const delivery = deliver(`smtp://localhost:${port}`, { signal: abort.signal });
  await connected;
  abort.abort();
  expect(await delivery).toEqual({ kind: "later", reason: "it was given no more time", afterMs: null });
});
