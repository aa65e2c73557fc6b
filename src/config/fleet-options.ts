import { integer, text } from "./option.ts";

/** Settings of a job that several processes work off. */
export const FLEET_OPTIONS = {
  workersAt: text({
    flag: "--workers-at <url>",
    help: "where workers meet that do the work together: mongodb (the store of the job itself), or the URL of a queue store",
    expected: "mongodb, redis://HOST:PORT, rediss://… or postgres://…",
    pattern: /^(mongodb|rediss?:\/\/\S+|postgres(ql)?:\/\/\S+)$/,
    default: null,
  }),
  rangeSize: integer({
    flag: "--range-size <n>",
    help: "with --workers-at: items of one part that a worker takes",
    min: 10,
    max: 100_000,
    unit: "items",
    default: 2_000,
  }),
} as const;
