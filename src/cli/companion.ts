import type { Logger } from "pino";
import type { ServiceSettings } from "../config/service.ts";
import type { Reloaded } from "../control/commands.ts";
import type { JobSettings } from "../job.ts";
import type { Execution } from "../jobs/execution.ts";
import type { ReloadWatcher } from "./reload.ts";

/** What a companion sees of the process that it belongs to. */
export interface Host {
  /** Not started yet. */
  readonly execution: Execution;
  readonly settings: JobSettings;
  readonly service: ServiceSettings;
  readonly logger: Logger;
  /** Reads the settings again and takes what can be changed under way; null when there is nothing to read. */
  readonly reload: (() => Promise<Reloaded>) | null;
  /** Flags that lead another command to the same job; may be empty. */
  readonly jobFlags: string;
  /** The command that goes on, without secrets. */
  readonly again: string;
  /** Takes out of a text what may not leave the process: keys, passwords, also those that a reload brought. */
  readonly redacted: (text: string) => string;
  /** Told of each time that the settings are read again. */
  readonly watchReload: (watcher: ReloadWatcher) => void;
  /** A warning: a sentence for the user where what happens is shown in words, else a line of the log. */
  readonly warn: (logged: { readonly fields: object; readonly message: string }, text: string) => void;
  /** One sentence for the user. */
  readonly note: (text: string) => void;
  /** One line for the eyes of the user alone, such as a link with a token: never in a log, nor among what a program reads. */
  readonly handOver: (text: string) => void;
  /** What tells of the process as a whole is opened elsewhere, once for all its runs. @default false */
  readonly isOneOfSeveral?: boolean;
  /** Takes the dashboard over at the end of the execution. @default it is closed then */
  readonly stays?: (dashboard: StayingDashboard) => void;
}

/** The dashboard of a process whose execution has ended. */
export interface StayingDashboard {
  readonly url: string;
  close(): Promise<void>;
}

/** Lives beside an execution: opened before it starts, closed when it has ended. It may never hold it up. */
export interface Companion {
  /** The execution was refused or broke off, without an end of its own. */
  failed?(error: unknown): void;
  /** The execution is over, and its end is about to be shown: the last moment for an event. Takes no longer than a disk. */
  ended?(): Promise<void>;
  close(): Promise<void>;
}

/** Opens one companion; null when it is not wanted. @throws QuerymillError for what cannot work: nothing was spent yet */
export type Opener = (host: Host) => Promise<Companion | null>;
