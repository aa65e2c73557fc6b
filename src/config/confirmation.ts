import type { JobSettings } from "../job.ts";
import { decimal, integer, toggle } from "./option.ts";

/** When a person is asked before anything is spent. */
export interface Confirmation {
  /** Yes to all. */
  readonly yes: boolean;
  /** USD. */
  readonly aboveUsd: number;
  /** Calls, where the price is unknown. */
  readonly aboveCalls: number;
}

export const CONFIRMATION_OPTIONS = {
  yes: toggle({ flag: "--yes", inFile: false, help: "spend without asking first", default: false }),
  confirmAboveUsd: decimal({
    help: "on a terminal, a job's first run asks before it may spend more",
    above: 0,
    max: 1e9,
    unit: "USD",
    default: 5,
  }),
  confirmAboveCalls: integer({
    help: "the same by calls, where the price is unknown and the server is not on this machine",
    min: 1,
    max: 1_000_000_000,
    unit: "calls",
    default: 10_000,
  }),
} as const;

export function confirmationOf(get: (key: keyof typeof CONFIRMATION_OPTIONS) => unknown): Confirmation {
  return {
    yes: get("yes") as boolean,
    aboveUsd: get("confirmAboveUsd") as number,
    aboveCalls: get("confirmAboveCalls") as number,
  };
}

/** Whether a run can spend so much at all: decided without looking at anything. */
export function maySpend(settings: JobSettings, { aboveUsd }: Confirmation): boolean {
  const { mode, recover, retryOnly, endpoints, budget } = settings;
  if (mode !== "batch" || recover || retryOnly !== null) return false;
  if (endpoints.every(({ model }) => model.provider === "offline")) return false;
  return budget === null || budget.usd > aboveUsd;
}
