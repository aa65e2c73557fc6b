import type { CallEnded } from "./call-ended.ts";
import type { Clocks } from "./clocks.ts";
import type { Events } from "./events.ts";
import type { ModelReply } from "./llm/provider.ts";
import type { Usage } from "./record.ts";
import type { Endpoint } from "./traffic/endpoint.ts";

/** A call as its item knows it. */
export interface ToldCall {
  readonly task: { readonly item: { readonly key: string }; readonly attempts: number; readonly repair: unknown };
  readonly endpoint: Endpoint;
  /** By the steady clock; null when it is not known. */
  readonly sentMs: number | null;
}

/** Tells `call:ended`. Nothing is built while nobody listens, and calls that leave no process are not told. */
export class CallTeller {
  readonly #events: Events;
  readonly #executionId: string;
  readonly #clocks: Clocks;

  constructor(events: Events, executionId: string, clocks: Clocks) {
    this.#events = events;
    this.#executionId = executionId;
    this.#clocks = clocks;
  }

  answered(call: ToldCall, reply: ModelReply, usage: Usage, costUsd: number | null): void {
    if (this.#isHeard(call))
      this.#tell(call, {
        result: "answered",
        responseModel: reply.model,
        finish: reply.finish,
        durationMs: reply.latencyMs,
        usage,
        costUsd,
      });
  }

  /** @param uncertainUsd of what may have been billed; undefined when nothing was */
  failed(call: ToldCall, result: CallEnded["result"], uncertainUsd: number | null | undefined): void {
    if (!this.#isHeard(call)) return;
    const durationMs = call.sentMs === null ? null : this.#clocks.steadyNow() - call.sentMs;
    this.#tell(call, { result, durationMs, ...(uncertainUsd === undefined ? {} : { uncertainUsd }) });
  }

  #isHeard({ endpoint }: ToldCall): boolean {
    return endpoint.provider.remote && this.#events.wants("call:ended");
  }

  #tell({ task, endpoint }: ToldCall, facts: Partial<CallEnded> & Pick<CallEnded, "result" | "durationMs">): void {
    const { provider } = endpoint;
    this.#events.emit("call:ended", {
      executionId: this.#executionId,
      key: task.item.key,
      endpoint: endpoint.name,
      provider: provider.provider,
      model: provider.model,
      responseModel: null,
      finish: null,
      attempt: task.attempts,
      repair: task.repair !== null,
      endedAtMs: this.#clocks.now(),
      usage: null,
      costUsd: 0,
      uncertainUsd: 0,
      ...facts,
    });
  }
}
