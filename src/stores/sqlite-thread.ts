import { Worker } from "node:worker_threads";
import { messageOf, QuerymillError } from "../errors.ts";
import type { Calls, Reply, Request } from "./sqlite-worker.ts";

/** Asks the store's thread; rejects with QuerymillError. */
export type Ask = <K extends keyof Calls>(
  call: K,
  ...args: Parameters<Calls[K]>
) => Promise<Awaited<ReturnType<Calls[K]>>>;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The worker with the questions it has not answered yet. When it ends, whyever, they are all rejected. */
export class StoreThread {
  readonly opened: Promise<string>;
  readonly #path: string;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ended: QuerymillError | null = null;
  #closing: Promise<void> | null = null;

  constructor(path: string, readOnly = false) {
    this.#path = path;
    // Sources run as .ts, the built package as .js: the ending is the one of this file.
    const file = new URL(`./sqlite-worker${import.meta.url.slice(-3)}`, import.meta.url);
    this.#worker = new Worker(file, { workerData: { path, readOnly }, execArgv: [] });
    this.#worker.on("message", (reply: Reply) => this.#settle(reply));
    this.#worker.on("error", (error) => this.#end(`its thread failed (${messageOf(error)})`, error));
    this.#worker.on("exit", () => this.#end("it is closed", undefined));
    this.opened = this.#waitFor<string>(0);
    this.opened.catch(() => this.#worker.terminate());
  }

  readonly ask: Ask = (call, ...args) => {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#closing) return Promise.reject(this.#failure("it is closed", undefined));
    return this.#send(call, args);
  };

  close(): Promise<void> {
    this.#closing ??= this.#ended ? Promise.resolve() : this.#shutDown();
    return this.#closing;
  }

  async #shutDown(): Promise<void> {
    const exited = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    // A thread that died meanwhile is closed too.
    await this.#send("close", []).catch(() => {});
    await exited;
  }

  #send<T>(call: Request["call"], args: readonly unknown[]): Promise<T> {
    const id = this.#nextId++;
    const answer = this.#waitFor<T>(id);
    this.#worker.postMessage({ id, call, args } satisfies Request);
    return answer;
  }

  #waitFor<T>(id: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
    });
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("error" in reply) waiting?.reject(new QuerymillError(reply.error.code, reply.error.message));
    else waiting?.resolve(reply.value);
  }

  #end(why: string, cause: unknown): void {
    this.#ended ??= this.#failure(why, cause);
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }

  #failure(why: string, cause: unknown): QuerymillError {
    return new QuerymillError(
      "STORE_FAILED",
      `The embedded store ${this.#path} cannot be used: ${why}. Open it again.`,
      {
        cause,
      },
    );
  }
}
