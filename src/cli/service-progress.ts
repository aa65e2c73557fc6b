import type { RunSnapshot } from "../events.ts";
import { count, duration, money, rate } from "./format.ts";

/** One line for `systemctl status`: what it does, and how far it is. No customer text. */
export function progressLine({ state, counters, itemsPerSecond, waiting, nowMs }: RunSnapshot): string {
  const { classified, retryQueued, deadLetters, costUsd } = counters;
  const failed = retryQueued + deadLetters;
  const parts = [
    `${count(classified)} classified`,
    ...(failed > 0 ? [`${count(failed)} failed`] : []),
    ...(state === "running" ? [`${rate(itemsPerSecond)}/s`] : []),
    `cost ${money(costUsd)}`,
  ];
  if (waiting === null) return `${state}: ${parts.join(", ")}`;
  const { reason, untilMs } = waiting;
  return `waits (${reason}${untilMs === null ? "" : `, ${duration(untilMs - nowMs)}`}): ${parts.join(", ")}`;
}
