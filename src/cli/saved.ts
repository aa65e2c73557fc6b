import type { Counters } from "../counters.ts";
import { count, money } from "./format.ts";

/** `1,204 duplicates answered from the cache, about $0.62 saved`; empty when there were none. */
export function savedWords({ cacheHits, savedUsd }: Pick<Counters, "cacheHits" | "savedUsd">): string {
  if (cacheHits === 0) return "";
  const what = cacheHits === 1 ? "1 duplicate answered" : `${count(cacheHits)} duplicates answered`;
  const saved = savedUsd === null ? "" : `, about ${money(savedUsd)} saved`;
  return `${what} from the cache${saved}`;
}
