import type { EventMap } from "../events.ts";

type Listener = (tenant: string, name: keyof EventMap, payload: EventMap[keyof EventMap]) => void;

/** Events of all tenants of a process, each with the tenant's name. A listener that throws stops nobody. */
export class TenantEvents {
  readonly #listeners = new Set<Listener>();
  readonly #onError: (error: unknown) => void;

  /** @param onError where a listener's own errors go */
  constructor(onError: (error: unknown) => void = () => {}) {
    this.#onError = onError;
  }

  /** Every event of every tenant, but those that are told by name only, such as `call:ended`. */
  onAny(listener: Listener): this {
    this.#listeners.add(listener);
    return this;
  }

  /** As {@link onAny}, until what it returns is called. */
  watch(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  on<K extends keyof EventMap>(name: K, listener: (tenant: string, payload: EventMap[K]) => void): this {
    return this.onAny((tenant, told, payload) => {
      if (told === name) listener(tenant, payload as EventMap[K]);
    });
  }

  emit<K extends keyof EventMap>(tenant: string, name: K, payload: EventMap[K]): void {
    for (const listener of this.#listeners)
      try {
        listener(tenant, name, payload);
      } catch (error) {
        this.#onError(error);
      }
  }
}
