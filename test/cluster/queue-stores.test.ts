import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from "vitest";
import { BudgetLeases } from "../../src/cluster/budget-leases.ts";
import { BullDispatcher } from "../../src/cluster/bullmq-dispatcher.ts";
import type { KeyedNews, LeaseStore } from "../../src/cluster/lease-store.ts";
import { openMongodbLeases } from "../../src/cluster/mongodb-lease-store.ts";
import type { Handout } from "../../src/cluster/ports.ts";
import { openPostgresLeases } from "../../src/cluster/postgres-lease-store.ts";
import { openRedisLeases } from "../../src/cluster/redis-lease-store.ts";
import { missingPostgres, type Postgres, startPostgres } from "../support/postgres.ts";
import { startValkey, type Valkey } from "../support/valkey.ts";

const now = (): number => performance.now();
const never = new AbortController().signal;
const noPostgres = await missingPostgres();
if (noPostgres !== null) console.log(noPostgres);

let valkey: Valkey;
let postgres: Postgres | null = null;

beforeAll(async () => {
  [valkey, postgres] = await Promise.all([startValkey({ password: "s3cret" }), noPostgres ? null : startPostgres()]);
});
afterAll(async () => {
  await Promise.all([valkey.stop(), postgres?.stop()]);
});

const QUEUE_STORES = ["Valkey", ...(noPostgres === null ? ["PostgreSQL"] : [])] as const;
const urlOf = (name: string): string => (name === "Valkey" ? valkey.url : postgres!.url);

let jobs = 0;
async function dispatcher(url: string, job = `job-${jobs++}`): Promise<BullDispatcher> {
  const opened = await BullDispatcher.open({ workersAt: url, tenant: "default", job, targetCollection: "t" });
  onTestFinished(() => opened.close());
  return opened;
}

/** Asks until there is one; what is wrong meanwhile is collected. */
async function until(from: BullDispatcher, troubles: string[] = []): Promise<Handout> {
  for (let tries = 0; tries < 60; tries += 1) {
    const handout = await from.next(1_000, never).catch(async (error: Error) => {
      troubles.push(error.message);
      await delay(200);
      return null;
    });
    if (handout !== null) return handout;
  }
  throw new Error(`no handout: ${troubles.at(-1)}`);
}

const free = (...names: string[]) => names.map((name) => ({ name, attempts: 0 }));

it("ranges of which a Valkey that evicts keys has lost only the place in the queue are brought anew", async () => {
  const job = `job-${jobs++}`;
  const [run, worker] = await Promise.all([1, 2].map(() => dispatcher(valkey.url, job)));
  const whole = await dispatcher(valkey.url);
  const many = free("r1", "r2", "r3", "r4", "r5", "r6");
  await whole.offer(many);
  await run!.offer(free("r1", "r2"));
  const keys = (await valkey.say(`KEYS querymill:*${job}:wait`)) as string[];
  expect(keys).toHaveLength(1);
  await valkey.say(`DEL ${keys[0]}`);
  expect(await worker!.next(300, never)).toBeNull();
  const brought = new Set<string>();
  while (brought.size < 2) {
    await run!.offer(free(...["r1", "r2"].filter((name) => !brought.has(name))));
    const handout = await worker!.next(500, never);
    if (handout === null) continue;
    brought.add(handout.range);
    await handout.settle();
  }
  // Where nothing is lost, one look is all; after a minute each is offered once more.
  const before = whole.operations;
  await whole.offer(many);
  expect(whole.operations - before).toBeLessThanOrEqual(1 + many.length);
  expect(await worker!.next(300, never)).toBeNull();
});

describe.each(QUEUE_STORES)("ranges handed out by %s", (name) => {
  it("go to one worker each, come back when they are given back, and leave nothing when they are done", async () => {
    const job = `job-${jobs++}`;
    const [run, one, two] = await Promise.all([1, 2, 3].map(() => dispatcher(urlOf(name), job)));
    await run!.offer(free("r1", "r2", "r3"));
    await run!.offer(free("r1", "r2", "r3"));
    const first = await until(one!);
    const second = await until(two!);
    const third = await until(one!);
    expect([first, second, third].map(({ range }) => range).sort()).toEqual(["r1", "r2", "r3"]);
    expect(await two!.next(300, never)).toBeNull();
    await first.giveBack();
    const again = await until(two!);
    expect(again.range).toBe(first.range);
    for (const each of [second, third, again]) await each.settle();
    expect(await one!.next(300, never)).toBeNull();
    // A range that is free once more is brought once more.
    await run!.offer([]);
    await run!.offer(free("r1"));
    const anew = await until(one!);
    expect(anew.range).toBe("r1");
    await anew.settle();
    expect(run!.operations).toBeLessThan(12);
  });

  it("are brought anew as soon as they are free again, though a worker that died has them in its hands", async () => {
    const job = `job-${jobs++}`;
    const [run, dead, other] = await Promise.all([1, 2, 3].map(() => dispatcher(urlOf(name), job)));
    await run!.offer(free("r1"));
    await until(dead!);
    await dead!.close();
    await run!.offer([{ name: "r1", attempts: 1 }]);
    const anew = await other!.next(8_000, never);
    expect(anew?.range).toBe("r1");
    await anew!.settle();
  });

  it("are the next asker's when they come while nobody waits, and another's when nobody asks again", async () => {
    const job = `job-${jobs++}`;
    const [run, one, two] = await Promise.all([1, 2, 3].map(() => dispatcher(urlOf(name), job)));
    expect(await one!.next(500, never)).toBeNull();
    await run!.offer(free("r1"));
    await delay(1_000);
    const late = await one!.next(1_000, never);
    expect(late?.range).toBe("r1");
    await late!.settle();
    expect(await one!.next(500, never)).toBeNull();
    await run!.offer(free("r2"));
    await delay(1_000);
    await one!.close();
    expect((await two!.next(8_000, never))?.range).toBe("r2");
  });

  it("are gone when the job's queue is removed, and no other job's", async () => {
    const [job, other] = [`job-${jobs++}`, `job-${jobs++}`];
    const [run, worker, beside] = [
      await dispatcher(urlOf(name), job),
      await dispatcher(urlOf(name), job),
      await dispatcher(urlOf(name), other),
    ];
    await run.offer(free("r1", "r2"));
    await beside.offer(free("r1"));
    await until(worker);
    await worker.close();
    await run.remove();
    await run.remove();
    expect((await until(beside)).range).toBe("r1");
    // It is made anew where the job begins again.
    const next = await dispatcher(urlOf(name), job);
    await next.offer(free("r3"));
    expect((await until(next)).range).toBe("r3");
    expect(await next.next(1_000, never)).toBeNull();
  });

  it("are those of one job only", async () => {
    const [mine, other] = await Promise.all([dispatcher(urlOf(name)), dispatcher(urlOf(name))]);
    await mine.offer(free("r1"));
    expect(await other.next(500, never)).toBeNull();
    await (await until(mine)).settle();
  });
});

describe("a queue store that fails", () => {
  it("SIGKILL and an empty return of Valkey: it is said, what is free is offered again, and work goes on", async () => {
    const own = await startValkey({ password: "s3cret" });
    onTestFinished(() => own.stop());
    const job = `job-${jobs++}`;
    const [run, worker] = [await dispatcher(own.url, job), await dispatcher(own.url, job)];
    await run.offer(free("r1", "r2"));
    const begun = await until(worker);
    await own.kill();
    const troubles: string[] = [];
    await worker.next(1_000, never).catch((error: Error) => troubles.push(error.message));
    await run.offer(free("r2"));
    expect(troubles.join()).toMatch(/^Redis at redis:\/\/127.0.0.1:\d+ hands out no ranges at the moment \(.+\)/);
    expect(troubles.join()).not.toContain("s3cret");
    await own.start();
    // It has forgotten what the worker holds: to say that it is done harms nothing.
    await begun.settle();
    const offering = setInterval(() => void run.offer(free("r2")), 500);
    const found = await until(worker, troubles).finally(() => clearInterval(offering));
    expect(found.range).toBe("r2");
    await found.settle();
  });

  it("FLUSHALL: what is free is offered again", async () => {
    const job = `job-${jobs++}`;
    const [run, worker] = [await dispatcher(valkey.url, job), await dispatcher(valkey.url, job)];
    await run.offer(free("r1", "r2"));
    const held = await until(worker);
    await valkey.say("FLUSHALL");
    const offering = setInterval(
      () => void run.offer(free(...["r1", "r2"].filter((range) => range !== held.range))),
      500,
    );
    const found = await until(worker).finally(() => clearInterval(offering));
    expect(found.range).not.toBe(held.range);
    await found.settle();
    await held.settle();
  });

  it("a full Valkey and a replica refuse writes: it is said, and ends with the cause", async () => {
    const job = `job-${jobs++}`;
    const [run, worker] = [await dispatcher(valkey.url, job), await dispatcher(valkey.url, job)];
    await valkey.say("CONFIG SET maxmemory 1");
    await run.offer(free("r1"));
    await expect(worker.next(1_000, never)).rejects.toThrow(/OOM|maxmemory/);
    await valkey.say("CONFIG SET maxmemory 0");
    await valkey.say("REPLICAOF 127.0.0.1 1");
    await run.offer(free("r1"));
    await valkey.say("REPLICAOF NO ONE");
    const offering = setInterval(() => void run.offer(free("r1")), 500);
    const found = await until(worker).finally(() => clearInterval(offering));
    expect(found.range).toBe("r1");
    await found.settle();
  });

  it("a wrong place or login is refused at the start, in words and without what is secret", async () => {
    const refused = async (url: string): Promise<string> =>
      await BullDispatcher.open({ workersAt: url, tenant: "t", job: "j", targetCollection: "t" }).then(
        () => "opened",
        (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
      );
    const [login, away, postgresAway] = await Promise.all([
      refused(valkey.url.replace("s3cret", "wr0ng")),
      refused("redis://:s3cret@127.0.0.1:1"),
      refused("postgres://me:s3cret@127.0.0.1:1/db"),
    ]);
    expect(login).toMatch(/^STORE_REFUSED: Redis at redis:\/\/127.0.0.1:\d+ refused access/);
    expect(login).not.toContain("wr0ng");
    expect(away).toMatch(/^STORE_UNREACHABLE: Redis at redis:\/\/127.0.0.1:1 /);
    expect(postgresAway).toMatch(/^STORE_UNREACHABLE: PostgreSQL at /);
    expect(postgresAway).not.toMatch(/s3cret|\bme\b/);
    expect(await refused("mysql://127.0.0.1")).toMatch(/^CONFIG_INVALID: --workers-at takes redis:/);
  });
});

const LEASES: readonly [string, () => Promise<LeaseStore>][] = [
  ["Valkey", () => openRedisLeases(valkey.url, now)],
  ...(noPostgres === null
    ? [["PostgreSQL", () => openPostgresLeases(postgres!.url, now)] as [string, () => Promise<LeaseStore>]]
    : []),
  ["MongoDB", () => openMongodbLeases(inject("mongoReplicaUri"), "leases_test", now)],
];

describe.each(LEASES)("leases counted in %s", (name, open) => {
  const opened = async (): Promise<LeaseStore> => {
    const store = await open();
    onTestFinished(() => store.close());
    return store;
  };

  it("add up over processes, by the store's clock", async () => {
    const [one, two] = [await opened(), await opened()];
    const key = `k${Math.random()}`;
    const counts = await Promise.all(
      Array.from({ length: 40 }, (_, at) => (at % 2 ? one : two).add(key, at % 5 === 0 ? -1 : 3, 60_000)),
    );
    expect(await one.add(key, 0, 60_000)).toBe(40 * 3 - 8 * 4);
    expect(Math.max(...counts)).toBeLessThanOrEqual(40 * 3);
    expect(Math.abs(one.nowMs() - two.nowMs())).toBeLessThan(2_000);
    expect(one.operations + two.operations).toBeGreaterThan(40);
  });

  it("bring what one process learned to the others, and only to them as they are", async () => {
    const [one, two] = [await opened(), await opened()];
    const heard = new Promise<KeyedNews>((resolve) => {
      two.onNews = resolve;
    });
    const news = { key: `e${name}`, restMs: 30_000, isRefused: true, requestsPerMinute: 600, tokensPerMinute: null };
    await one.tell(news);
    expect(await heard).toMatchObject({ ...news, restMs: expect.closeTo(30_000, -4) });
  });

  it("lease a budget that is never overspent, whoever spends", async () => {
    const store = await opened();
    const job = `job${Math.random()}`;
    let spent = 0;
    await Promise.all(
      [1, 2, 3].map(async () => {
        let own = 0;
        let wake = (): void => {};
        const leases = new BudgetLeases({ store, job, usd: 1, per: "job", now });
        const budget = leases.join({ spentUsd: () => own, onChange: () => wake() });
        for (let round = 0; round < 2_000; round += 1) {
          const { usd, mayGrow } = budget.left();
          if (usd >= 0.002) {
            own += 0.002;
            spent += 0.002;
            continue;
          }
          if (!mayGrow) return;
          const more = new Promise<void>((resolve) => {
            wake = resolve;
          });
          budget.wants(0.002);
          await more;
        }
      }),
    );
    expect(spent).toBeLessThanOrEqual(1 + 1e-9);
    expect(spent).toBeGreaterThan(0.97);
    expect(store.operations).toBeLessThan(150);
    const later = new BudgetLeases({ store, job, usd: 2, per: "job", now });
    expect(await later.raise(() => 0)).toBe(false);
    expect(await later.raise(() => 2)).toBe(true);
  });
});
