import { QuerymillError } from "../errors.ts";
import { DASHBOARD_PORT } from "./dashboard-options.ts";
import type { ListenSettings } from "./metrics.ts";
import { LISTEN } from "./metrics-options.ts";
import type { ResolvedOptions, Variables } from "./sources.ts";

/** A token that the settings name. */
export interface NamedToken {
  readonly variable: string;
  /** undefined: the variable is not set. */
  readonly value: string | undefined;
}

export interface DashboardSettings {
  /** null: not beside a run. */
  readonly listen: ListenSettings | null;
  /** Names under which it may be opened, beside its addresses. */
  readonly hosts: readonly string[];
  readonly readOnly: boolean;
  /** null: a new one at each start. */
  readonly token: NamedToken | null;
  /** null: there are no readers but by `readOnly`. */
  readonly readerToken: NamedToken | null;
}

const LOOPBACK = "127.0.0.1";

/** @param metrics where the metrics are served @throws QuerymillError USAGE when both would have one port */
export function dashboardSettings(
  { get, name }: ResolvedOptions,
  variables: Variables,
  metrics: ListenSettings | null,
): DashboardSettings {
  const given = get("dashboard.listen");
  const hosts = get("dashboard.hosts");
  const listen = given === null || given === false ? null : listenAt(given === true ? null : String(given), hosts);
  if (listen !== null && listen.port !== 0 && metrics?.port === listen.port)
    throw new QuerymillError(
      "USAGE",
      `${name("dashboard.listen")} and ${name("metrics.listen")} name the same port, ${listen.port}. A collector asks the metrics without a login, the dashboard needs one: give each a port of its own.`,
    );
  const token = (variable: string | null): NamedToken | null =>
    variable === null ? null : { variable, value: variables(variable) };
  return {
    listen,
    hosts,
    readOnly: get("dashboard.readOnly"),
    token: token(get("dashboard.tokenVariable")),
    readerToken: token(get("dashboard.readerTokenVariable")),
  };
}

/** @param given `PORT` or `HOST:PORT`; null for the usual port of this machine, or a free one where that is taken */
export function listenAt(given: string | null, hosts: readonly string[]): ListenSettings {
  const [, host, port] = LISTEN.exec(given ?? String(DASHBOARD_PORT))!;
  return {
    host: host?.replace(/^\[(.*)\]$/, "$1") ?? LOOPBACK,
    port: Number(port),
    hosts,
    shown: given ?? "",
    ...(given === null ? { elseFree: true } : {}),
  };
}
