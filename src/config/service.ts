import { type MetricsSettings, metricsSettings } from "./metrics.ts";
import type { ResolvedOptions, Variables } from "./sources.ts";

/** What lives beside the runs of a process, and is not part of any job: nothing of it changes an answer. */
export interface ServiceSettings {
  /** Who is told how the process fares. */
  readonly metrics?: MetricsSettings;
  /** Answer on a local socket. @default false */
  readonly control?: boolean;
}

/** @returns the settings of a process */
export function serviceSettings(options: ResolvedOptions, variables: Variables): ServiceSettings {
  const metrics = metricsSettings(options, variables);
  return { control: options.get("control"), ...(metrics === null ? {} : { metrics }) };
}
