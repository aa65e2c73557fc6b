import type { Logger } from "pino";
import type { ServiceSettings } from "../config/service.ts";
import type { JobSettings } from "../job.ts";
import type { Execution } from "../jobs/execution.ts";

/** What a companion sees of the process that it belongs to. */
export interface Host {
  /** Not started yet. */
  readonly execution: Execution;
  readonly settings: JobSettings;
  readonly service: ServiceSettings;
  readonly logger: Logger;
  /** One sentence for the user. */
  readonly note: (text: string) => void;
}

/** Lives beside an execution: opened before it starts, closed when it has ended. It may never hold it up. */
export interface Companion {
  close(): Promise<void>;
}

/** Opens one companion; null when it is not wanted. @throws QuerymillError for what cannot work: nothing was spent yet */
type Opener = (host: Host) => Promise<Companion | null>;

/** In the order of opening; closed the other way round. */
const OPENERS: readonly Opener[] = [];

/** @throws QuerymillError when one cannot be opened; those before it are closed then */
export async function openCompanions(host: Host): Promise<Companion> {
  const opened: Companion[] = [];
  const close = async (): Promise<void> => {
    for (const companion of opened.reverse())
      await companion.close().catch((error: unknown) => host.logger.error({ err: error }, "a companion did not close"));
  };
  try {
    for (const open of OPENERS) {
      const companion = await open(host);
      if (companion !== null) opened.push(companion);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}
