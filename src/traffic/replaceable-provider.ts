import type { ModelProvider, ModelReply, ModelRequest } from "../llm/provider.ts";

/**
 * A provider that can be exchanged under way, for another key or more connections. Calls in flight end where they began;
 * what they began with is closed after the last of them.
 */
export class ReplaceableProvider implements ModelProvider {
  #current: ModelProvider;
  readonly #calls = new Map<ModelProvider, number>();

  constructor(first: ModelProvider) {
    this.#current = first;
  }

  get provider(): string {
    return this.#current.provider;
  }
  get model(): string {
    return this.#current.model;
  }
  get endpoint(): string {
    return this.#current.endpoint;
  }
  get label(): string {
    return this.#current.label;
  }
  get remote(): boolean {
    return this.#current.remote;
  }
  get confidenceKind(): ModelProvider["confidenceKind"] {
    return this.#current.confidenceKind;
  }
  get cachedIsUncounted(): boolean {
    return this.#current.cachedIsUncounted === true;
  }

  check(signal: AbortSignal): Promise<void> {
    return this.#current.check(signal);
  }

  async call(request: ModelRequest, signal: AbortSignal): Promise<ModelReply> {
    const provider = this.#current;
    this.#calls.set(provider, (this.#calls.get(provider) ?? 0) + 1);
    try {
      return await provider.call(request, signal);
    } finally {
      const left = this.#calls.get(provider)! - 1;
      if (left > 0) this.#calls.set(provider, left);
      else {
        this.#calls.delete(provider);
        if (provider !== this.#current) provider.close().catch(() => {});
      }
    }
  }

  /** Later calls go to `next`. */
  replace(next: ModelProvider): void {
    const before = this.#current;
    if (next === before) return;
    this.#current = next;
    if (!this.#calls.has(before)) before.close().catch(() => {});
  }

  async close(): Promise<void> {
    await Promise.all([...new Set([this.#current, ...this.#calls.keys()])].map((provider) => provider.close()));
  }
}
