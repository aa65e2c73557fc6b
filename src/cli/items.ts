import { type Command, Option } from "commander";
import type { ItemRow } from "../dashboard/api.ts";
import { QuerymillError } from "../errors.ts";
import { openExistingStore } from "../jobs/existing-store.ts";
import { countItems, type ListedItems, listItems, listSides } from "../results/list-items.ts";
import { parseQuery } from "../results/query.ts";
import { wallOf, zoneOf } from "../scheduling/zone.ts";
import type { RecordOrder } from "../selection.ts";
import { count, type Look, left, money, printable, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { makeCommand } from "./options.ts";
import { asTyped, shellWord } from "./program.ts";
import { openScreen } from "./screen.ts";
import { visible } from "./visible.ts";

const LIMIT = 20;
const MOST_ITEMS = 1_000_000;
const PAGE = 200;
const PAGE_MS = 5_000;
const COUNTED = 10_000;
const ORDERS: readonly RecordOrder[] = ["newest", "oldest", "review", "id"];

/** `querymill items [QUERY]`: the items that a query means. */
export function itemsCommand(): Command {
  const command = makeCommand(
    "items",
    "Lists items that meet a query, newest first: labels, confidence, who decided, cost. All parts of a query have to hold; - in front means the others. Prints summaries of customers' texts.",
    `querymill items 'category:refund_return confidence<0.6 since:7d'
querymill items --order review 'review:yes -by:person' --limit 50
querymill items outcome:dead --json`,
  );
  command.argument("[query...]", "see docs/queries.md; none: all that is classified");
  command.configureHelp({ commandUsage: () => "querymill items [options] [query]" });
  command.addOption(new Option("--limit <n>", `how many at most (default: ${LIMIT})`));
  command.addOption(
    new Option("--order <order>", "newest, oldest, review (least certain first) or id (default: newest)"),
  );
  return addJobOptions(command, ["taxonomy", "timezone"]).action(
    async (parts: string[], flags: Record<string, unknown>) => {
      process.exitCode = await list(parts.join(" "), flags);
    },
  );
}

async function list(text: string, { limit, order, ...flags }: Record<string, unknown>): Promise<number> {
  const most = limitIn(limit);
  const wanted = orderIn(order);
  const { settings, output, jobFlags } = await loadJob(flags, false);
  const zone = zoneOf(settings);
  const query = parseQuery(text, { taxonomy: settings.taxonomy, nowMs: Date.now(), timezone: zone });
  const store = await openExistingStore(settings);
  const screen = openScreen();
  let gone = false;
  process.stdout.on("error", () => {
    gone = true;
  });
  try {
    const sides = listSides(settings, store);
    let notes = await store.target(settings.targetCollection).search.prepare();
    const say = (lines: readonly string[]): void => {
      if (!output.json) screen.print(lines);
    };
    let listed = 0;
    for (let after: string | null = null; !gone; ) {
      const size = Math.min(PAGE, most - listed);
      const page: ListedItems = await listItems(sides, { query, order: wanted, after, limit: size, maxMs: PAGE_MS });
      if (page.note !== null) say(notes.map((note) => `${symbols(screen.look.ascii).warn} ${note}`));
      notes = [];
      for (const item of page.items)
        if (output.json) screen.json({ event: "item", ...item });
        else screen.print([itemLine(item, zone, screen.look)]);
      listed += page.items.length;
      after = page.next;
      if (after === null || listed >= most) {
        if (after !== null) say([...(await moreLines(sides, query, listed, jobFlags, screen.look))]);
        break;
      }
    }
    if (listed === 0)
      say([`Nothing meets ${query.text === "" ? "an empty query: nothing is classified yet" : visible(query.text)}.`]);
    return 0;
  } finally {
    await store.close();
  }
}

async function moreLines(
  sides: Parameters<typeof countItems>[0],
  query: Parameters<typeof countItems>[1],
  listed: number,
  jobFlags: string,
  look: Look,
): Promise<string[]> {
  const found = await countItems(sides, query, COUNTED);
  const all = found === null ? "More" : `${found.atLeast ? "More than " : ""}${count(found.items)} in all`;
  const where = query.outcome === "classified" ? `querymill export --where ${shellWord(query.text)} ${jobFlags}` : "";
  const file = where === "" ? "" : `  All in a file:  ${asTyped(`${where.trimEnd()} --output items.csv`)}`;
  return [look.style("dim", `${all}, ${count(listed)} shown: --limit ${listed * 10} shows more.${file}`)];
}

function itemLine(item: ItemRow, zone: string, look: Look): string {
  const { dash, dot } = symbols(look.ascii);
  const { labels, confidence, costUsd, decidedBy, atMs, outcome, reviewReasons } = item;
  const { category, sentiment, urgency } = labels;
  const words =
    outcome === "classified"
      ? [
          [category, sentiment, urgency].map((label) => visible(String(label ?? dash))).join(" "),
          percent(confidence.category),
        ]
      : [outcome === "retryQueued" ? "waits" : outcome === "deadLetter" ? "failed" : outcome, reviewReasons[0] ?? ""];
  const when = atMs === null ? dash : new Date(wallOf(atMs, zone)).toISOString().slice(0, 19).replace("T", " ");
  const rest = [
    item.needsReview ? "review" : "",
    decidedBy === null ? "" : `by ${decidedBy}`,
    costUsd === null ? "" : money(costUsd),
  ].filter((part) => part !== "");
  const summary = item.summary === null ? "" : ` ${look.style("dim", printable(visible(item.summary)))}`;
  return `${look.style("dim", when)}  ${left(visible(item.id), 26)} ${left(words.filter((part) => part !== "").join(" "), 46)} ${rest.join(` ${dot} `)}${summary}`;
}

function percent(share: number | undefined): string {
  return share === undefined ? "" : `${Math.round(share * 100)} %`;
}

function limitIn(limit: unknown): number {
  const most = limit === undefined ? LIMIT : Number(limit);
  if (Number.isInteger(most) && most >= 1 && most <= MOST_ITEMS) return most;
  throw new QuerymillError("USAGE", `--limit: expected an integer from 1 to 1,000,000; got "${String(limit)}".`);
}

function orderIn(order: unknown): RecordOrder {
  const found = ORDERS.find((one) => one === (order ?? "newest"));
  if (found !== undefined) return found;
  throw new QuerymillError("USAGE", `--order: expected ${ORDERS.join(", ")}; got "${String(order)}".`);
}
