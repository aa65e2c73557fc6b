import { findControl } from "../control/client.ts";
import { type Commanded, obey } from "../control/commands.ts";
import type { Done, Verb } from "../control/protocol.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import type { RunSnapshot } from "../events.ts";
import { ownerOf } from "../jobs/status.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Overview } from "./api.ts";

/** What can be seen of whoever works on a job. */
export interface Look {
  readonly from: Overview["from"];
  readonly trouble: string | null;
  readonly snapshot: RunSnapshot | null;
}

/** Whoever works on a job: this process, another one of this machine, or nobody. */
export interface Worker {
  /** Costs so little that it can be asked every second though nobody watches. */
  readonly isNear: boolean;
  look(): Promise<Look>;
  /** @throws QuerymillError what the verb refuses; NOT_RUNNING, CONTROL_UNREACHABLE */
  tell(verb: Verb, body: unknown, by: string): Promise<Done>;
}

const NOBODY: Look = { from: "nobody", trouble: null, snapshot: null };
/** How long the last answer of a process that answers no more is still shown, in ms. */
const KEEP_MS = 30_000;

/** The execution of this very process, as long as it lasts. */
export class OwnWorker implements Worker {
  readonly isNear = true;
  readonly #commanded: Commanded;
  readonly #afterwards: OtherWorker;
  #ended = false;

  constructor(commanded: Commanded, job: Pick<BatchFileManager, "files" | "folder">) {
    this.#commanded = commanded;
    this.#afterwards = new OtherWorker(job);
  }

  /** From now on nobody works here any more. */
  end(): void {
    this.#ended = true;
  }

  async look(): Promise<Look> {
    if (this.#ended) return await this.#afterwards.look();
    return { from: "this-process", trouble: null, snapshot: this.#commanded.execution.snapshot() };
  }

  async tell(verb: Verb, body: unknown, by: string): Promise<Done> {
    if (this.#ended) return await this.#afterwards.tell(verb, body, by);
    return await obey(verb, body, by, this.#commanded);
  }
}

/** Another process of this machine, by its control socket. */
export class OtherWorker implements Worker {
  readonly isNear = false;
  readonly #job: Pick<BatchFileManager, "files" | "folder">;
  #last: { readonly snapshot: RunSnapshot; readonly atMs: number } | null = null;

  constructor(job: Pick<BatchFileManager, "files" | "folder">) {
    this.#job = job;
  }

  async look(): Promise<Look> {
    try {
      const client = findControl(this.#job.folder);
      if (client === null) return await this.#withoutControl();
      const { snapshot } = await client.status();
      this.#last = { snapshot, atMs: performance.now() };
      return { from: "other-process", trouble: null, snapshot };
    } catch (error) {
      if (!(error instanceof QuerymillError)) throw error;
      const last = this.#last !== null && performance.now() - this.#last.atMs < KEEP_MS ? this.#last.snapshot : null;
      return { from: "other-process", trouble: messageOf(error), snapshot: last };
    }
  }

  async tell(verb: Verb, body: unknown, by: string): Promise<Done> {
    const client = findControl(this.#job.folder, by);
    if (client !== null) return await client.tell(verb, body as never);
    const { trouble } = await this.#withoutControl();
    if (trouble !== null) throw new QuerymillError("CONTROL_UNREACHABLE", trouble);
    throw new QuerymillError(
      "NOT_RUNNING",
      "Nobody works on this job now, so there is nothing to control. Start it with querymill run, or try failed items again with querymill retry.",
    );
  }

  async #withoutControl(): Promise<Look> {
    this.#last = null;
    const owner = await ownerOf(this.#job);
    if (owner === null || owner.pid === process.pid) return NOBODY;
    const trouble = `Process ${owner.pid} on ${owner.host} works on this job and has no control socket: it is just starting or ending, or was started with --no-control.`;
    return { from: "other-process", trouble, snapshot: null };
  }
}
