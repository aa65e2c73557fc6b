/** What lives beside the runs of a process, and is not part of any job: nothing of it changes an answer. */
export type ServiceSettings = Readonly<Record<never, never>>;

/** @returns the settings of a process */
export function serviceSettings(): ServiceSettings {
  return {};
}
