import { type ChannelsSettings, resolveChannels } from "./channels.ts";
import { type MetricsSettings, metricsSettings } from "./metrics.ts";
import type { ResolvedOptions, Variables } from "./sources.ts";

/** What lives beside the runs of a process, and is not part of any job: nothing of it changes an answer. */
export interface ServiceSettings {
  /** Who is told how the process fares. */
  readonly metrics?: MetricsSettings;
  /** Answer on a local socket. @default false */
  readonly control?: boolean;
  /** Where notifications can go. */
  readonly channels?: ChannelsSettings;
}

/** @param folder relative paths of the file are looked up here; @returns the settings of a process */
export async function serviceSettings(
  options: ResolvedOptions,
  variables: Variables,
  folder: string,
): Promise<ServiceSettings> {
  const metrics = metricsSettings(options, variables);
  const channels = await resolveChannels(options, { variable: variables, folder });
  return {
    control: options.get("control"),
    ...(metrics === null ? {} : { metrics }),
    ...(channels.found.length === 0 ? {} : { channels }),
  };
}
