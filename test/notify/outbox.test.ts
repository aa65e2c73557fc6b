import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { SentNotifications } from "../../src/dashboard/sent-notifications.ts";
import type { Channel, Delivery, Send } from "../../src/notify/channel.ts";
import type { Notification, Outbox } from "../../src/notify/notification.ts";
import { type OutboxOptions, openOutbox } from "../../src/notify/outbox.ts";
import { readOutbox } from "../../src/notify/outbox-file.ts";
import { makeSend } from "../../src/notify/send.ts";
import { secretBytes } from "../../src/notify/webhook.ts";
import { faultyFiles, IDENTITY, temporaryFolder } from "../state/made-up-state.ts";
import { startReceiver, withStatus } from "../support/receiver.ts";
import { notificationOf } from "./made-up-notification.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const DELIVERED: Delivery = { kind: "delivered" };
const LATER: Delivery = { kind: "later", reason: "it answered 503", afterMs: null };
const hookAt = (name: string, url: string): Channel => ({
  name,
  settings: { type: "webhook", url, secrets: [secretBytes(SECRET)!] },
  secrets: [],
});
const sendToOwn = makeSend({ network: { allowPrivate: new Set(["127.0.0.1"]) }, now: Date.now });

interface Opened {
  readonly outbox: Outbox;
  readonly log: { level: number; msg: string; [field: string]: unknown }[];
}

/** An outbox whose rests pass at once, closed after the test. */
async function open(
  folder: string,
  options: Partial<OutboxOptions> & Pick<OutboxOptions, "channels">,
): Promise<Opened> {
  const log: Opened["log"] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => log.push(JSON.parse(line)) });
  const wait = () => Promise.resolve();
  const outbox = await openOutbox({
    folder,
    identity: IDENTITY,
    send: sendToOwn,
    logger,
    wait,
    random: () => 0.5,
    ...options,
  });
  onTestFinished(() => outbox.close());
  return { outbox, log };
}

/** A sender that answers from a list, then delivers; keeps what it was given. */
function scripted(answers: Delivery[] = []): {
  send: Send;
  sent: { channel: string; notification: Notification }[];
  seen(count: number): Promise<void>;
} {
  const sent: { channel: string; notification: Notification }[] = [];
  const waiters = new Set<() => void>();
  return {
    sent,
    send: async (channel, notification) => {
      sent.push({ channel: channel.name, notification });
      for (const check of waiters) check();
      return answers.shift() ?? DELIVERED;
    },
    seen: (count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (sent.length >= count) resolve();
        };
        waiters.add(check);
        check();
      }),
  };
}

/** A rest that never passes by itself, as it is while a channel is away. */
const forever: NonNullable<OutboxOptions["wait"]> = (_ms, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

const put = async (
  outbox: Outbox,
  ids: readonly string[],
  changes: Partial<Notification> = {},
  channels = ["hook"],
) => {
  for (const id of ids) await outbox.put(notificationOf({ id, ...changes }), channels);
};
const idsOf = (sent: readonly { notification: Notification }[]) => sent.map(({ notification }) => notification.id);

describe("delivering", () => {
  it("happens in the order of putting, to each channel once, and leaves nothing behind", async () => {
    const folder = await temporaryFolder();
    const receiver = await startReceiver();
    const { outbox } = await open(folder, {
      channels: [hookAt("hook", receiver.url), hookAt("other", `${receiver.url}/other`)],
    });
    await put(outbox, ["a", "b", "c"], {}, ["hook", "other", "hook"]);
    await receiver.seen(6);
    await outbox.close();
    for (const path of ["/", "/other"])
      expect(receiver.received.filter((one) => one.path === path).map(({ headers }) => headers["webhook-id"])).toEqual([
        "a",
        "b",
        "c",
      ]);
    const { delivered, ...rest } = await readOutbox(folder, IDENTITY);
    expect(rest).toEqual({ waiting: [], givenUp: [] });
    expect(delivered.map(({ key }) => key).sort()).toEqual([
      "hook/a",
      "hook/b",
      "hook/c",
      "other/a",
      "other/b",
      "other/c",
    ]);
    // Whoever looks later, from another process, is told what was sent, where to and when.
    const { deliveredMs } = delivered.find(({ key }) => key === "hook/c")!;
    expect(Math.abs(deliveredMs - Date.now())).toBeLessThan(60_000);
    const sent = await new SentNotifications(folder, IDENTITY).list();
    expect(sent.map(({ id }) => id)).toEqual(["c", "b", "a"]);
    expect(sent[0]).toMatchObject({
      rule: "lag",
      title: "The oldest item waits for 12 minutes",
      channels: expect.arrayContaining([
        expect.objectContaining({ name: "hook", state: "delivered", atMs: deliveredMs }),
        expect.objectContaining({ name: "other", state: "delivered", atMs: expect.any(Number) }),
      ]),
    });
  });

  it("comes to pass after the disk was full while the channel was away", async () => {
    const folder = await temporaryFolder();
    const { files, disk } = faultyFiles();
    const later = Array.from({ length: 8 }, () => LATER);
    const { send, sent } = scripted(later);
    // Each try that fails is written down, which a full disk refuses.
    const rests = [false, true, true, true, false];
    const wait = async (): Promise<void> => {
      disk.room = rests.shift() === true ? 0 : Number.POSITIVE_INFINITY;
    };
    const { outbox, log } = await open(folder, { channels: [hookAt("hook", "http://127.0.0.1:9")], files, send, wait });
    await put(outbox, ["kept"]);
    await expect.poll(() => sent.length).toBeGreaterThan(later.length);
    await outbox.close();
    expect(idsOf(sent).at(-1)).toBe("kept");
    expect(log.filter(({ msg }) => msg === "notifications are kept in memory only")).not.toEqual([]);
    expect(await readOutbox(folder, IDENTITY)).toMatchObject({ waiting: [], givenUp: [], delivered: [{ id: "kept" }] });
  });

  it("begins again when something comes after everything was delivered", async () => {
    const folder = await temporaryFolder();
    const receiver = await startReceiver();
    const { outbox } = await open(folder, { channels: [hookAt("hook", receiver.url)] });
    for (const [at, id] of ["a", "b", "c"].entries()) {
      await put(outbox, [id]);
      await receiver.seen(at + 1);
      await expect.poll(async () => (await readOutbox(folder, IDENTITY)).waiting).toEqual([]);
    }
  });

  it("of one channel is not delayed by another that hangs, and putting waits for neither", async () => {
    const hanging = await startReceiver(() => {});
    const working = await startReceiver();
    const channels = [hookAt("dead", hanging.url), hookAt("hook", working.url)];
    const { outbox } = await open(await temporaryFolder(), { channels, closeMs: 50 });
    await put(outbox, ["a", "b", "c"], {}, ["dead", "hook"]);
    await working.seen(3);
    expect(hanging.received.length).toBeLessThanOrEqual(1);
  });

  it("rests longer and longer, as long as it was asked for, and goes on in order with the same id", async () => {
    const rests: number[] = [];
    const { send, sent, seen } = scripted([LATER, LATER, LATER, { ...LATER, afterMs: 600_000 }]);
    const { outbox, log } = await open(await temporaryFolder(), {
      channels: [hookAt("hook", "https://hooks.test")],
      send,
      wait: async (ms) => void rests.push(ms),
    });
    await put(outbox, ["a", "b"]);
    await seen(6);
    await outbox.close();
    expect(idsOf(sent)).toEqual(["a", "a", "a", "a", "a", "b"]);
    expect(rests).toEqual([3_750, 7_500, 15_000, 600_000]);
    expect(log.filter(({ level }) => level >= 40).map(({ msg }) => msg)).toEqual([
      "the channel does not take notifications; they wait",
    ]);
    expect(log.some(({ msg }) => msg === "the channel takes notifications again")).toBe(true);
  });

  it("honours the Retry-After of a real receiver that answers 429", async () => {
    const rests: number[] = [];
    const receiver = await startReceiver((response, nth) =>
      withStatus(nth === 1 ? 429 : 200, { "retry-after": "7" })(response, nth),
    );
    const { outbox } = await open(await temporaryFolder(), {
      channels: [hookAt("hook", receiver.url)],
      wait: async (ms) => void rests.push(ms),
    });
    await put(outbox, ["a"]);
    await receiver.seen(2);
    expect(rests).toEqual([7_000]);
    expect(receiver.received.map(({ headers }) => headers["webhook-id"])).toEqual(["a", "a"]);
  });
});

describe("giving up", () => {
  it("comes at once for what would be refused again, is said, and does not keep the next one", async () => {
    const folder = await temporaryFolder();
    const { send, seen } = scripted([{ kind: "refused", reason: "it answered 404", advice: "Check the address." }]);
    const { outbox, log } = await open(folder, { channels: [hookAt("hook", "https://hooks.test")], send });
    await put(outbox, ["a", "b"]);
    await seen(2);
    await outbox.close();
    expect(log.find(({ msg }) => msg === "notification given up")).toMatchObject({
      level: 50,
      channel: "hook",
      reason: "it answered 404. Check the address.",
    });
    expect((await readOutbox(folder, IDENTITY)).givenUp).toMatchObject([
      { key: "hook/a", channel: "hook", trouble: "it answered 404. Check the address." },
    ]);
  });

  it("comes after 30 attempts", async () => {
    const folder = await temporaryFolder();
    const { send, sent, seen } = scripted(Array.from({ length: 30 }, () => LATER));
    const { outbox } = await open(folder, { channels: [hookAt("hook", "https://hooks.test")], send });
    await put(outbox, ["a", "b"]);
    await seen(31);
    await outbox.close();
    expect(idsOf(sent).filter((id) => id === "a")).toHaveLength(30);
    expect((await readOutbox(folder, IDENTITY)).givenUp).toMatchObject([
      { attempts: 30, trouble: "it answered 503, for 30 attempts" },
    ]);
  });

  it("comes after 24 hours for everything that is older, and not for what is younger", async () => {
    const folder = await temporaryFolder();
    let nowMs = Date.UTC(2026, 10, 26);
    const { send, sent, seen } = scripted([LATER, LATER]);
    const { outbox } = await open(folder, {
      channels: [hookAt("hook", "https://hooks.test")],
      send,
      now: () => nowMs,
      wait: async () => {
        // Both were there when the channel began to fail; a third came just before it failed again.
        if (sent.length > 1) return;
        await put(outbox, ["b"]);
        nowMs += 24 * 3_600_000 + 1_000;
        await put(outbox, ["c"]);
      },
    });
    await put(outbox, ["a"]);
    await seen(3);
    await outbox.close();
    expect(idsOf(sent)).toEqual(["a", "a", "c"]);
    expect((await readOutbox(folder, IDENTITY)).givenUp.map(({ key }) => key)).toEqual(["hook/a", "hook/b"]);
  });

  it("comes for what is left of a channel that is not configured any more", async () => {
    const folder = await temporaryFolder();
    const before = await open(folder, {
      channels: [hookAt("old", "https://hooks.test")],
      send: async () => LATER,
      wait: forever,
    });
    await put(before.outbox, ["a"], {}, ["old"]);
    await before.outbox.close();
    const { log } = await open(folder, { channels: [hookAt("hook", "https://hooks.test")] });
    expect(log.find(({ msg }) => msg === "notification given up")).toMatchObject({
      reason: "there is no channel old any more",
    });
  });

  it("keeps the last 100 to be looked at", async () => {
    const folder = await temporaryFolder();
    const { outbox } = await open(folder, {
      channels: [hookAt("hook", "https://hooks.test")],
      send: async () => ({ kind: "refused", reason: "no", advice: "" }),
    });
    await put(
      outbox,
      Array.from({ length: 104 }, (_, at) => `n-${at}`),
    );
    await outbox.close();
    const { givenUp } = await readOutbox(folder, IDENTITY);
    expect([givenUp.length, givenUp[0]!.key, givenUp.at(-1)!.key]).toEqual([100, "hook/n-4", "hook/n-103"]);
  });
});

describe("the end and the next start", () => {
  it("gives what is due its time, leaves the rest, and the next start delivers it", async () => {
    const folder = await temporaryFolder();
    const receiver = await startReceiver(() => {});
    const first = await open(folder, { channels: [hookAt("hook", receiver.url)], closeMs: 100 });
    await put(first.outbox, ["a", "b"]);
    await receiver.seen(1);
    await first.outbox.close();
    expect(first.log.at(-1)).toMatchObject({
      msg: "notifications wait for the next run, which delivers them",
      left: 2,
    });
    receiver.answer = withStatus(200);
    await open(folder, { channels: [hookAt("hook", receiver.url)] });
    await receiver.seen(3);
    expect(receiver.received.map(({ headers }) => headers["webhook-id"])).toEqual(["a", "a", "b"]);
  });

  it("delivers what was put last before it ends", async () => {
    const receiver = await startReceiver();
    const { outbox } = await open(await temporaryFolder(), { channels: [hookAt("hook", receiver.url)] });
    void put(outbox, ["a"]);
    await put(outbox, ["b"]);
    await outbox.close();
    expect(receiver.received).toHaveLength(2);
  });

  it("does not wait for a channel that rests", async () => {
    const { send, sent } = scripted([LATER]);
    const resting = Promise.withResolvers<void>();
    const { outbox } = await open(await temporaryFolder(), {
      channels: [hookAt("hook", "https://hooks.test")],
      send,
      wait: (ms, signal) => {
        resting.resolve();
        return forever(ms, signal);
      },
      closeMs: 3_600_000,
    });
    await put(outbox, ["a", "b"]);
    await resting.promise;
    await outbox.close();
    expect(idsOf(sent)).toEqual(["a"]);
  });

  it("takes over from an earlier run that is just ending", async () => {
    const folder = await temporaryFolder();
    const { send, sent, seen } = scripted();
    const first = await open(folder, {
      channels: [hookAt("hook", "https://hooks.test")],
      send: async () => LATER,
      wait: forever,
    });
    await put(first.outbox, ["a"]);
    const second = await open(folder, { channels: [hookAt("hook", "https://hooks.test")], send });
    const putting = put(second.outbox, ["b"]);
    await first.outbox.close();
    await putting;
    await seen(2);
    expect(idsOf(sent)).toEqual(["a", "b"]);
  });

  it("loses nothing that was durable when the process is killed, and keeps the ids", async () => {
    const folder = await temporaryFolder();
    const receiver = await startReceiver();
    const durable = new Set<string>();
    for (let round = 0; round < 4; round += 1) {
      const from = round * 200 + 1;
      const child = spawn(
        process.execPath,
        [
          fileURLToPath(new URL("outbox-process.ts", import.meta.url)),
          folder,
          receiver.url,
          SECRET,
          String(from),
          String(from + 199),
        ],
        { stdio: ["pipe", "pipe", "inherit"] },
      );
      await new Promise<void>((resolve) => {
        child.stdout.on("data", (text) => {
          for (const [, id] of String(text).matchAll(/put (n-\d+)\n/g)) durable.add(id!);
          if (durable.size >= round * 20 + 20 + round * 7) child.kill("SIGKILL");
        });
        child.once("exit", () => resolve());
      });
    }
    const { outbox } = await open(folder, { channels: [hookAt("hook", receiver.url)], closeMs: 60_000 });
    await outbox.close();
    const arrived = new Set(receiver.received.map(({ headers }) => headers["webhook-id"]));
    expect(durable.size).toBeGreaterThan(80);
    expect([...durable].filter((id) => !arrived.has(id))).toEqual([]);
    expect((await readOutbox(folder, IDENTITY)).waiting).toEqual([]);
  });
});

describe("bounds", () => {
  it("drop the oldest information first, then the oldest, and say so", async () => {
    const folder = await temporaryFolder();
    const { outbox, log } = await open(folder, {
      channels: [hookAt("hook", "https://hooks.test")],
      send: async () => LATER,
      wait: forever,
      most: 3,
    });
    await put(outbox, ["p1"]);
    await put(outbox, ["i1", "i2"], { state: "information" });
    const keys = async () => (await readOutbox(folder, IDENTITY)).waiting.map(({ key }) => key);
    await put(outbox, ["p2", "p3"]);
    expect(await keys()).toEqual(["hook/p1", "hook/p2", "hook/p3"]);
    await put(outbox, ["p4"]);
    expect(await keys()).toEqual(["hook/p2", "hook/p3", "hook/p4"]);
    expect(log.filter(({ msg }) => msg.startsWith("too many notifications"))).toHaveLength(1);
  });

  it("keep one notification small, whatever a rule puts into it", async () => {
    const folder = await temporaryFolder();
    const { outbox } = await open(folder, {
      channels: [hookAt("hook", "https://hooks.test")],
      send: async () => LATER,
      wait: forever,
    });
    const huge = "x".repeat(100_000);
    await put(outbox, ["a"], { title: huge, details: Array(1_000).fill(huge), actions: [huge], figures: { a: huge } });
    await outbox.close();
    expect((await stat(join(folder, "notify", "notify.queue"))).size).toBeLessThan(25_000);
    expect((await stat(join(folder, "notify", "notify.queue"))).mode & 0o777).toBe(0o600);
  });

  it("never throw: an unknown channel, a sender that throws and a time after the end are logged", async () => {
    const { outbox, log } = await open(await temporaryFolder(), {
      channels: [hookAt("hook", "https://hooks.test")],
      send: () => Promise.reject(new Error("bug")),
      wait: forever,
    });
    await outbox.put(notificationOf(), ["nobody", "hook"]);
    await outbox.close();
    await outbox.put(notificationOf(), ["hook"]);
    const told = log.filter(({ level }) => level === 50).map(({ msg }) => msg);
    expect(told).toEqual(["there is no such channel", "a notification came after the end"]);
  });
});

describe("a file that cannot be used", () => {
  it("of a newer version is left as it is, and notifications go from memory", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "notify"));
    const path = join(folder, "notify", "notify.queue");
    const { encodeFrame } = await import("../../src/state/frame.ts");
    await writeFile(path, encodeFrame(0, JSON.stringify({ op: "header", format: 99, ...IDENTITY })));
    const before = await readFile(path, "utf8");
    const receiver = await startReceiver();
    const { outbox, log } = await open(folder, { channels: [hookAt("hook", receiver.url)] });
    await put(outbox, ["a"]);
    await outbox.close();
    expect(receiver.received).toHaveLength(1);
    expect(log[0]).toMatchObject({
      level: 50,
      msg: "notifications are kept in memory only",
      reason: expect.stringContaining("newer Querymill"),
    });
    expect(await readFile(path, "utf8")).toBe(before);
  });

  it.skipIf(process.getuid?.() === 0)("because the folder is not writable ends nothing", async () => {
    const folder = await temporaryFolder();
    await chmod(folder, 0o500);
    onTestFinished(() => chmod(folder, 0o700));
    const receiver = await startReceiver();
    const { outbox } = await open(folder, { channels: [hookAt("hook", receiver.url)] });
    await put(outbox, ["a"]);
    await outbox.close();
    expect(receiver.received).toHaveLength(1);
  });
});
