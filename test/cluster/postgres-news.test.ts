import { connect, createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import type { KeyedNews } from "../../src/cluster/lease-store.ts";
import { openPostgresLeases } from "../../src/cluster/postgres-lease-store.ts";
import { until } from "../support/patience.ts";
import { missingPostgres, startPostgres } from "../support/postgres.ts";

const LISTEN = "listen querymill_news";
const now = (): number => performance.now();
const noPostgres = await missingPostgres();
if (noPostgres !== null) console.log(noPostgres);

/** A way to a PostgreSQL on which each question to listen meets what `meets` says, from the first on. */
async function wayTo(url: string, meets: readonly ("through" | "cut" | "refused")[]) {
  const { hostname, port } = new URL(url);
  const way = { url: "", listens: 0, ear: null as Socket | null };
  const server = createServer((from) => {
    const to = connect(Number(port || 5_432), hostname);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.on("error", () => {});
      one.on("close", () => other.destroy());
    }
    to.pipe(from);
    from.on("data", (data) => {
      const text = data.toString("latin1");
      if (!text.includes(LISTEN)) return to.write(data);
      way.ear = from;
      const met = meets[way.listens] ?? "through";
      way.listens += 1;
      if (met === "cut") from.destroy();
      else to.write(met === "refused" ? text.replace(LISTEN, `?${LISTEN.slice(1)}`) : text, "latin1");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const there = new URL(url);
  there.hostname = "127.0.0.1";
  there.port = String((server.address() as { port: number }).port);
  way.url = there.href;
  return way;
}

it.skipIf(noPostgres !== null)(
  "news are heard again after listening failed, and no connection is lost by it",
  async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    const way = await wayTo(postgres.url, ["through", "cut", "refused", "through"]);
    const [one, two] = [await openPostgresLeases(way.url, now), await openPostgresLeases(postgres.url, now)];
    onTestFinished(() => two.close());
    const heard: KeyedNews[] = [];
    one.onNews = (news) => heard.push(news);
    const news = { key: "e", restMs: 30_000, isRefused: true, requestsPerMinute: 600, tokensPerMinute: null };
    const tell = async (): Promise<number> => {
      await two.tell(news);
      return heard.length;
    };
    await expect.poll(tell).toBeGreaterThan(0);
    way.ear!.destroy();
    // What was on its way may still come: only the fourth brings anything new.
    await until(() => way.listens === 4);
    heard.length = 0;
    await expect.poll(tell, { interval: 500 }).toBeGreaterThan(0);
    expect(await one.add("k", 3, 60_000)).toBe(3);
    // It waits for every connection that was taken from the pool.
    await one.close();
  },
);
