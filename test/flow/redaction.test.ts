import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { BatchProcessor } from "../../src/jobs/batch-processor.ts";
import { NO_REDACTION, REDACTION_KINDS } from "../../src/redaction/kinds.ts";
import { makeJob, STORES } from "../support/job.ts";
import { PATIENT } from "../support/patience.ts";
import { makeWorkspace, serveModel } from "../support/workspace.ts";

const CANARIES = [
  "canary.person@example.org",
  "4012 8888 8888 1881",
  "DE89 3704 0044 0532 0130 00",
  "+49 30 9018 2099",
];
const ALL = { ...NO_REDACTION, kinds: REDACTION_KINDS };
const textOf = (id: string): string =>
  `[doc:${id}] I am ${CANARIES[0]} (${id}), card ${CANARIES[1]}, ${CANARIES[2]}, call ${CANARIES[3]}.`;
const asJson = (value: Record<string, unknown>, summary: string): string => JSON.stringify({ ...value, summary });

describe.each(STORES)("masked texts, over %s", (store) => {
  it("are what the model, the journal, batch files, queues and the cache hold; only the target has values, when told to", async () => {
    const job = await makeJob(store, {
      fail: (id) => (id.endsWith("7") ? "refusal" : id.endsWith("8") ? "503" : null),
      content: (_id, _attempt, value) => asJson(value, "Asked by [EMAIL_1] about [CARD_1], not [CARD_2]."),
    });
    const ids = await job.seed(20, textOf);
    const own = job.settings.storeUri.replace("sqlite:", "");
    const holding = (): string[] =>
      readdirSync(job.settings.batchDir, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !join(entry.parentPath, entry.name).startsWith(own))
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((path) => CANARIES.some((secret) => readFileSync(path).includes(secret)));
    const retry = { ...job.settings.retry, retries: 1, rounds: [600_000] };
    const settings = { redaction: { ...ALL, restore: true }, wait: false, retry };
    const started = await job.start(settings);
    await vi.waitFor(() => expect(job.server.ledger().received).toBeGreaterThan(3), PATIENT);
    expect(holding()).toEqual([]);
    const { end, seen } = await started.ended;
    expect(end).toMatchObject({ read: 20, classified: 16, deadLetters: 2, retryQueued: 2 });
    expect(end.redacted).toEqual({ email: 16, card: 16, iban: 16, phone: 16 });
    expect(holding()).toEqual([]);
    const sent = JSON.stringify(job.server.requests());
    expect(sent).toContain("[EMAIL_1]");
    expect(CANARIES.filter((secret) => sent.includes(secret) || JSON.stringify(seen).includes(secret))).toEqual([]);
    const record = (await job.records()).get(ids[0])!;
    expect(record).toMatchObject({
      summary: `Asked by ${CANARIES[0]} about ${CANARIES[1]}, not [CARD_2].`,
      redacted: { email: 1, card: 1, iban: 1, phone: 1 },
    });

    // What the target has is taken over without its values when the local state is lost.
    const { rmSync } = await import("node:fs");
    for (const name of readdirSync(job.settings.batchDir))
      if (!name.startsWith("store.sqlite")) rmSync(join(job.settings.batchDir, name), { recursive: true });
    await job.unmark(ids);
    const again = await job.run(settings);
    expect(again.end.recovered).toBe(16);
    expect(holding()).toEqual([]);
    expect((await job.records()).get(ids[0])!.summary).toBe(record.summary);
  });

  it("keep their placeholders in the record without restore", async () => {
    const job = await makeJob(store, { content: (_id, _attempt, value) => asJson(value, "From [EMAIL_1].") });
    const [id] = await job.seed(1, textOf);
    await job.run({ redaction: ALL });
    expect((await job.records()).get(id)).toMatchObject({ summary: "From [EMAIL_1]." });
  });
});

it("a redactor of the program that fails lets nothing out: the item is a dead letter, the others go on", async () => {
  const space = makeWorkspace();
  const server = await serveModel({});
  await space.seed(
    [1, 2, 3].map((at) => ({ _id: `q${at}`, text: `[doc:q${at}] I am Ann Lee the ${at}.` })),
    "conversation_set",
    "batch_files/querymill.sqlite",
  );
  const processor = new BatchProcessor({
    batchDir: space.path("batch_files"),
    baseUrl: server.baseUrl,
    model: "drawn-1",
    job: "inbox",
    redact: "all",
    redactor: (text) => {
      if (text.includes("q2")) throw new Error(text);
      return text.replaceAll("Ann Lee", "[NAME]");
    },
  });
  const end = await processor.run();
  expect(end).toMatchObject({
    classified: 2,
    deadLetters: 1,
    deadLetterReasons: { "redaction-failed": 1 },
    exitCode: 3,
  });
  expect(server.requests()).toHaveLength(2);
  expect(JSON.stringify(server.requests())).toContain("I am [NAME] the 3");
  expect(JSON.stringify(server.requests())).not.toContain("Ann Lee");
});
