import { z } from "zod";
import { LISTEN } from "./metrics-options.ts";
import { type OptionDefinition, shaped, text, toggle } from "./option.ts";

/** Unassigned at IANA, below the ports that systems give away by themselves, and used by no other tool for queries that we know. */
export const DASHBOARD_PORT = 7412;
const HOST_NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `true` for the usual port, a port, or HOST:PORT. */
const listen: OptionDefinition<string | number | boolean | null> = {
  ...text({
    flag: "--dashboard [[host:]port]",
    help: `serve the dashboard while the run lasts; without a host for this machine only, without a port at ${DASHBOARD_PORT}, 0 takes a free one`,
    expected: "a port from 0 to 65535, HOST:PORT such as 0.0.0.0:7412, or true",
    default: null,
  }),
  schema: z.union([
    z.boolean(),
    z.preprocess(
      (value) => (typeof value === "number" ? String(value) : value),
      z.string().refine((value) => Number(LISTEN.exec(value)?.[2] ?? Number.NaN) <= 65_535),
    ),
  ]),
  fromText: (given) => (/^(true|yes|on)$/i.test(given) ? true : /^(false|no|off)$/i.test(given) ? false : given),
};

/** Settings of the page that shows a job and takes its verbs. */
export const DASHBOARD_OPTIONS = {
  "dashboard.listen": listen,
  "dashboard.hosts": shaped<readonly string[]>({
    help: "public host names under which the dashboard is opened, such as that of a proxy; addresses and names without a dot need none",
    expected: "a list of host names",
    schema: z.array(z.string().regex(HOST_NAME)).max(50),
    default: [],
  }),
  "dashboard.readOnly": toggle({
    help: "everybody may look and nobody may change anything",
    default: false,
  }),
  "dashboard.tokenVariable": text({
    help: "environment variable with the token of those who may do everything; default: a new one at each start, shown once",
    expected: "the name of a variable",
    pattern: VARIABLE,
    default: null,
  }),
  "dashboard.readerTokenVariable": text({
    help: "environment variable with a second token, for those who may only look",
    expected: "the name of a variable",
    pattern: VARIABLE,
    default: null,
  }),
} as const;
