import { constants } from "node:os";

const STOPPING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type StopSignal = (typeof STOPPING)[number];

/** One Ctrl-C often arrives twice (terminal group and npm): a repeat this soon is the same one. */
const BOUNCE_MS = 500;

export interface SignalActions {
  /** First signal: end in good order. */
  drain(signal: StopSignal): void;
  /** Second one: end at once. */
  abort(): void;
  /** A third one: nothing helped. */
  exit(code: number): void;
  /** SIGHUP asks for the settings to be read again; null: it ends the run, as a terminal does that is closed. */
  readonly reload: (() => void) | null;
  /** Milliseconds that only grow. */
  now(): number;
}

/** Listens to SIGINT, SIGTERM and SIGHUP until `dispose`. */
export function watchSignals(actions: SignalActions): { readonly received: () => StopSignal | null; dispose(): void } {
  let first: StopSignal | null = null;
  let taken = 0;
  let lastMs = 0;
  const listeners = STOPPING.map((signal) => {
    const listener = (): void => {
      if (signal === "SIGHUP" && actions.reload !== null) {
        actions.reload();
        return;
      }
      const nowMs = actions.now();
      if (taken > 0 && nowMs - lastMs <= BOUNCE_MS) return;
      lastMs = nowMs;
      taken++;
      first ??= signal;
      if (taken === 1) actions.drain(signal);
      else if (taken === 2) actions.abort();
      else actions.exit(exitCodeOf(first));
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  return {
    received: () => first,
    dispose: () => {
      for (const { signal, listener } of listeners) process.off(signal, listener);
    },
  };
}

/** What a shell expects of a process that a signal ended: 130, 143, 129. */
export function exitCodeOf(signal: StopSignal | "SIGPIPE"): number {
  return 128 + constants.signals[signal];
}
