/** One thing that a person should hear of. Plain text everywhere: what shows it escapes it. Never holds customer text. */
export interface Notification {
  /** Unique; the same for each delivery attempt. */
  readonly id: string;
  /** Name of the rule, such as `lag`. */
  readonly rule: string;
  /** Groups a problem and its recovery: `lag`, `endpoint-down:eu`. */
  readonly subject: string;
  readonly state: "problem" | "recovered" | "information";
  readonly severity: "info" | "warning" | "critical";
  readonly job: string;
  readonly executionId: string | null;
  readonly atMs: number;
  /** One line, plain text, without customer text. */
  readonly title: string;
  /** Sentences and figures, plain text. */
  readonly details: readonly string[];
  /** What a person can do: commands. */
  readonly actions: readonly string[];
  /** Figures for machines. */
  readonly figures: Readonly<Record<string, number | string | null>>;
}

/** A notification was handed on, durably where there is an outbox: what is told of it among the events of a run. */
export interface NotificationMade extends Pick<Notification, "id" | "rule" | "subject" | "state"> {
  /** null before the first run. */
  readonly executionId: string | null;
  /** Names; each gets it by its `id`. */
  readonly channels: readonly string[];
}

/** Takes notifications and delivers them in its own time. */
export interface Outbox {
  /** Durable when it returns; never throws, never waits for the network. */
  put(notification: Notification, channels: readonly string[]): Promise<void>;
  /** Gives what is due a short time, and leaves the rest for the next start. */
  close(): Promise<void>;
}
