import type { NotifyRulesSettings } from "../notify/rule-settings.ts";
import { type ChannelsSettings, resolveChannels } from "./channels.ts";
import { type DashboardSettings, dashboardSettings } from "./dashboard.ts";
import { type MetricsSettings, metricsSettings } from "./metrics.ts";
import { severalProblems } from "./problems.ts";
import type { ResolvedOptions, Variables } from "./sources.ts";

/** What lives beside the runs of a process, and is not part of any job: nothing of it changes an answer. */
export interface ServiceSettings {
  /** Who is told how the process fares. */
  readonly metrics?: MetricsSettings;
  /** Answer on a local socket. @default false */
  readonly control?: boolean;
  /** The page that shows the job. @default none */
  readonly dashboard?: DashboardSettings;
  /** Where notifications can go. */
  readonly channels?: ChannelsSettings;
  /** What is told there. */
  readonly notifyRules?: NotifyRulesSettings;
}

/** @param folder relative paths of the file are looked up here; @returns the settings of a process */
export async function serviceSettings(
  options: ResolvedOptions,
  variables: Variables,
  folder: string,
): Promise<ServiceSettings> {
  const metrics = metricsSettings(options, variables);
  const dashboard = dashboardSettings(options, variables, metrics?.listen ?? null);
  const channels = await resolveChannels(options, { variable: variables, folder });
  const notifyRules = await rulesOf(options, channels);
  return {
    control: options.get("control"),
    dashboard,
    ...(metrics === null ? {} : { metrics }),
    ...(channels.found.length === 0 ? {} : { channels }),
    ...(notifyRules === null ? {} : { notifyRules }),
  };
}

/** null when nothing is said of notifications. @throws QuerymillError CONFIG_INVALID */
async function rulesOf(options: ResolvedOptions, { found }: ChannelsSettings): Promise<NotifyRulesSettings | null> {
  const isSaid = (["notify.rules", "notify.quietHours"] as const).some((key) => options.origin(key) !== "default");
  if (found.length === 0 && !isSaid) return null;
  const { notifyRulesOf } = await import("./notify-rules.ts");
  const problems: string[] = [];
  const names = found.map(({ name }) => name);
  const rules = notifyRulesOf(options, names, options.get("mode"), problems);
  if (problems.length > 0) throw severalProblems(problems);
  return rules;
}
