import { pino } from "pino";
import { openOutbox } from "../../src/notify/outbox.ts";
import { makeSend } from "../../src/notify/send.ts";
import { secretBytes } from "../../src/notify/webhook.ts";
import { notificationOf } from "./made-up-notification.ts";

/** Puts notifications `from` … `to` for a webhook, says when each is durable, and goes on delivering until it is killed. */
const [folder, url, secret, from, to] = process.argv.slice(2) as [string, string, string, string, string];
const outbox = await openOutbox({
  folder,
  identity: { tenant: "default", job: "support", range: "0" },
  channels: [{ name: "hook", settings: { type: "webhook", url, secrets: [secretBytes(secret)!] }, secrets: [] }],
  send: makeSend({ network: { allowPrivate: new Set(["127.0.0.1"]) }, now: Date.now }),
  logger: pino({ level: "silent" }),
});
for (let id = Number(from); id <= Number(to); id += 1) {
  await outbox.put(notificationOf({ id: `n-${id}` }), ["hook"]);
  process.stdout.write(`put n-${id}\n`);
}
process.stdin.resume();
