/** What a worker says of itself: ids, counts, ms; never a text. */
export type WorkerEvent =
  | { readonly event: "worker:start"; readonly worker: string }
  | { readonly event: "worker:wait"; readonly worker: string; readonly reason: string }
  | { readonly event: "range:taken"; readonly worker: string; readonly range: string; readonly items: number }
  | {
      readonly event: "range:end";
      readonly worker: string;
      readonly range: string;
      readonly result: "done" | "dead" | "given-back" | "lost" | "failed";
      readonly read: number;
      readonly durationMs: number;
      readonly message: string | null;
    }
  | ({ readonly event: "worker:end"; readonly worker: string; readonly message: string | null } & WorkerEnd);

export interface WorkerEnd {
  readonly ranges: number;
  readonly settled: number;
  /** 0, or 4 when it stopped itself and somebody has to do something. */
  readonly exitCode: number;
}
