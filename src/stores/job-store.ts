import type { FleetStore } from "../cluster/ports.ts";
import type { Lease, Source, SourceDocument, SourceOptions, Store, Target } from "../store.ts";
import { TargetMarkedSource } from "./target-marked-source.ts";

/** The two sides of a job. */
export interface Sides {
  /** Where documents are read, and inserted. */
  readonly source: Store;
  /** Where records, lease and, with `marks`, the notes of what is settled are. May be the same store. */
  readonly target: Store;
  /** Name of the target's collection, when settled items are noted there and the source is only read. */
  readonly marks: string | null;
}

/** Two stores that look like one: what reads documents goes to the source's, everything else to the target's. */
export class JobStore implements Store {
  readonly kind: Store["kind"];
  readonly address: string;
  readonly description: string;
  readonly sourceAddress: string;
  readonly sourceDescription: string;
  readonly lease: Lease;
  readonly fleet?: (target: string) => FleetStore;
  readonly #sides: Sides;

  constructor(sides: Sides) {
    const { source, target } = sides;
    this.kind = target.kind;
    this.address = target.address;
    this.description = target.description;
    this.sourceAddress = source.address;
    this.sourceDescription = source.description;
    this.lease = target.lease;
    this.#sides = sides;
    if (target.fleet !== undefined) this.fleet = target.fleet.bind(target);
  }

  source(options: SourceOptions): Source {
    const { source, target, marks } = this.#sides;
    return marks === null ? source.source(options) : new TargetMarkedSource(source, target, marks, options);
  }

  target(collection: string): Target {
    return this.#sides.target.target(collection);
  }

  insert(collection: string, documents: readonly SourceDocument[], existing?: "replace" | "keep"): Promise<void> {
    return this.#sides.source.insert(collection, documents, existing);
  }

  replace(collection: string, by: string): Promise<void> {
    return this.#sides.source.replace(collection, by);
  }

  drop(collection: string): Promise<void> {
    return this.#sides.source.drop(collection);
  }

  collections(): ReturnType<Store["collections"]> {
    return this.#sides.source.collections();
  }

  async close(): Promise<void> {
    const { source, target } = this.#sides;
    await Promise.all(source === target ? [target.close()] : [source.close(), target.close()]);
  }
}
