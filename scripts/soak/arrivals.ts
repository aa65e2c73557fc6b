import { setTimeout as delay } from "node:timers/promises";
import type { MongoClient } from "mongodb";
import { uniform } from "../../test/support/model-draw.ts";

/** What the source holds of one conversation. */
export interface Conversation {
  readonly id: string;
  /** Counts its texts, from 1; 0 for one without text. */
  version: number;
  insertedMs: number;
}

const TURN_MS = 100;
/** Insert and change again until it is confirmed: what arrives is not part of what is troubled. */
const INSIST_MS = 200;

export const textOf = (id: string, version: number): string =>
  version === 0 ? "" : `[doc:${id}#${version}] My parcel number ${id} has not arrived, where is it? (${version})`;

/** Conversations that arrive all the time in one collection: some grow later, some are touched elsewhere, some have no text. */
export class Arrivals {
  readonly conversations = new Map<string, Conversation>();
  grown = 0;
  touched = 0;
  readonly #client: MongoClient;
  readonly #db: string;
  readonly #collection: string;
  readonly #perSecond: number;
  readonly #seed: string;
  #running: Promise<void> | null = null;
  #stopped = false;
  #due = 0;
  #number = 0;

  constructor(client: MongoClient, place: { db: string; collection: string }, perSecond: number, seed: string) {
    this.#client = client;
    this.#db = place.db;
    this.#collection = place.collection;
    this.#perSecond = perSecond;
    this.#seed = seed;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#due += (this.#perSecond * TURN_MS) / 1_000;
      const count = Math.floor(this.#due);
      this.#due -= count;
      const fresh = Array.from({ length: count }, () => this.#make());
      if (fresh.length > 0) {
        await this.#insist((source) =>
          source.bulkWrite(
            fresh.map(({ id, version }) => ({
              updateOne: {
                filter: { _id: id as never },
                update: {
                  $setOnInsert: {
                    ...(version === 0 ? {} : { text: textOf(id, version) }),
                    channel: "email",
                    updatedAt: new Date(),
                  },
                },
                upsert: true,
              },
            })),
            { ordered: false },
          ),
        );
        const nowMs = Date.now();
        for (const conversation of fresh) {
          conversation.insertedMs = nowMs;
          this.conversations.set(conversation.id, conversation);
        }
      }
      await this.#changeOne();
      await delay(TURN_MS);
    }
  }

  #make(): Conversation {
    this.#number += 1;
    const id = this.#idOf(this.#number);
    return { id, version: uniform(`${this.#seed}/${id}`, 51) < 0.02 ? 0 : 1, insertedMs: 0 };
  }

  /** Of this collection alone: the provider is asked for those of all. */
  #idOf(number: number): string {
    return `${this.#collection}-${String(number).padStart(7, "0")}`;
  }

  /** About one conversation a second grows, and one is touched in a field that has no text. */
  async #changeOne(): Promise<void> {
    const draw = uniform(`${this.#seed}/${this.#number}/${this.grown}/${this.touched}`, 52);
    if (draw > 0.2 || this.conversations.size === 0) return;
    const at = 1 + Math.floor(uniform(`${this.#seed}/${this.#number}/${this.touched}`, 53) * this.#number);
    const conversation = this.conversations.get(this.#idOf(at));
    if (conversation === undefined || conversation.version === 0) return;
    const { id } = conversation;
    if (draw < 0.1) {
      const version = conversation.version + 1;
      await this.#insist((source) =>
        source.updateOne({ _id: id as never }, { $set: { text: textOf(id, version), updatedAt: new Date() } }),
      );
      conversation.version = version;
      this.grown += 1;
    } else {
      await this.#insist((source) => source.updateOne({ _id: id as never }, { $inc: { views: 1 } }));
      this.touched += 1;
    }
  }

  async #insist(
    action: (source: ReturnType<ReturnType<MongoClient["db"]>["collection"]>) => Promise<unknown>,
  ): Promise<void> {
    for (;;) {
      try {
        await action(this.#client.db(this.#db).collection(this.#collection));
        return;
      } catch {
        await delay(INSIST_MS);
      }
    }
  }
}
