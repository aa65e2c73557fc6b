import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Cli, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeJob } from "../support/job.ts";
import { error } from "../support/model-faults.ts";

const HOUR_MS = 3_600_000;
const RETRIES = 2;
const ITEMS = 30;
/** Fail at their first two calls: in backoff at the jump, and asked whether their deadline is over after it. */
const BACKED_OFF = ["q0001", "q0002", "q0003", "q0004"];
/** Is told to come back later: the endpoint rests. */
const THROTTLED = "q0005";
/** Use up their retries, after all others are settled: they wait in the retry queue. */
const QUEUED = ["q0006", "q0007"];
const LATER = { ...error(429, "Rate limit reached", "requests", null), headers: { "retry-after": "1" } };

describe("a wall clock that is set while a run is under way", () => {
  it.each([
    ["an hour forward in the backoff and back in the wait for the retry queue", HOUR_MS],
    ["an hour back in the backoff and forward in the wait for the retry queue", -HOUR_MS],
  ])("%s changes nothing: all is classified, nothing waits, dies or is paid again for it", async (_, jumpMs) => {
    const jumped = Promise.withResolvers<void>();
    const others = Promise.withResolvers<void>();
    const job = await makeJob("the embedded store", {
      fail: async (id, attempt) => {
        if (QUEUED.includes(id) && attempt <= RETRIES + 1) {
          if (attempt > RETRIES) await others.promise;
          return "500";
        }
        if (attempt === 1 && BACKED_OFF.includes(id)) return "500";
        if (attempt === 1 && id === THROTTLED) return LATER;
        await jumped.promise;
        return attempt === 2 && BACKED_OFF.includes(id) ? "500" : null;
      },
    });
    const ids = await job.seed(ITEMS);
    const { cli, set } = start(job, `retry: { retries: ${RETRIES}, baseDelayMs: 2000, rounds: [20000] }`);

    await cli.seen("call:failed", BACKED_OFF.length + 1);
    set(jumpMs);
    jumped.resolve();
    await cli.seen("item:settled", ITEMS - QUEUED.length);
    others.resolve();
    await waits(cli, "retry queues");
    set(0);

    const { code, end, events, stderr } = await cli.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(end).toMatchObject({ status: "completed", read: ITEMS, classified: ITEMS, retryQueued: 0, deadLetters: 0 });
    const queued = events.filter(({ event, outcome }) => event === "item:settled" && outcome === "retryQueued");
    expect(queued.map(({ key }) => key).sort()).toEqual(QUEUED.map((id) => JSON.stringify(id)));
    expect(await job.counted(ids)).toEqual({ target: ITEMS });
    expect(job.server.ledger()).toMatchObject({ ok: ITEMS, docsPaidTwice: 0 });
    // What it tells of itself is measured, not told by the clock that was set.
    expect(end!.durationMs).toBeGreaterThan(0);
    expect(end!.durationMs).toBeLessThan(HOUR_MS / 6);
    expect(end!.slotUtilization).toBeGreaterThan(0);
    expect(end!.slotUtilization).toBeLessThanOrEqual(1);
  });

  it("an hour back between two polls of continuous mode: the next poll comes as if nothing was", async () => {
    const job = await makeJob("the embedded store");
    await job.seed(3);
    const { cli, set } = start(job, "interval: 1\nmode: continuous");
    await waits(cli, "next poll");
    set(-HOUR_MS);
    await job.seed(3, undefined, 4);
    await cli.seen("item:settled", 6);
    cli.kill("SIGTERM");
    expect((await cli.ended).end).toMatchObject({ read: 6, classified: 6 });
    expect(job.server.ledger()).toMatchObject({ received: 6, docsPaidTwice: 0 });
  });
});

/** A run whose wall clock can be set while it works. */
function start(job: Job, config: string): { cli: Cli; set: (offMs: number) => void } {
  const { batchDir } = job.settings;
  const path = join(batchDir, "clock");
  const set = (offMs: number): void => {
    // In one step: it is read at any moment.
    writeFileSync(`${path}.new`, String(offMs));
    renameSync(`${path}.new`, path);
  };
  set(0);
  writeFileSync(join(batchDir, "querymill.yaml"), `${config}\n`);
  const preload = new URL("../support/clock-jump.ts", import.meta.url).href;
  const cli = startCli(runFlags(job.settings), {
    cwd: batchDir,
    env: { NODE_OPTIONS: `--import ${preload}`, CLOCK_FILE: path },
  });
  onTestFinished(() => cli.kill("SIGKILL"));
  return { cli, set };
}

/** Resolves when the run says that it waits for this. */
async function waits(cli: Cli, reason: string): Promise<void> {
  for (let count = 1; ; count += 1) if ((await cli.seen("execution:wait", count)).reason === reason) return;
}
