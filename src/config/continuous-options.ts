import { choice } from "./option.ts";

/** Settings of continuous mode alone. */
export const CONTINUOUS_OPTIONS = {
  "source.watch": choice({
    help: "whether a change stream wakes continuous mode before its next poll: auto where the source has one, or off",
    choices: ["auto", "off"],
    default: "auto",
  }),
} as const;
