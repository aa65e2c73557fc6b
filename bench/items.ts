import { MongoClient } from "mongodb";
import { MARK_FIELDS } from "../src/job.ts";
import type { SourceDocument } from "../src/store.ts";
import { openMongoStore } from "../src/stores/mongodb.ts";
import { openSqliteStore } from "../src/stores/sqlite.ts";

export const SOURCE = "conversation_set";
export const TARGET = "sentimental_analysis";

/** The sentences of the measuring tools: programs that are compared send the same bytes. */
const SENTENCES = [
  "I was charged twice for my order and the refund has not arrived yet.",
  "The app closes when I open the invoice page on my phone.",
  "Where is my parcel? The tracking page has said the same thing for a week.",
  "Please change the e-mail address of my account, I cannot sign in any more.",
  "Does the larger model come with a charger, and can it be sent to another address?",
];
const INSERTED_AT_ONCE = 5_000;

export const idOf = (n: number): string => `q${String(n).padStart(8, "0")}`;

/** Two to six sentences behind the mark by which a model server knows the item. */
export function textOf(n: number): string {
  const sentences = Array.from({ length: 2 + (n % 5) }, (_, at) => SENTENCES[(n + at) % SENTENCES.length]);
  return `[doc:q${n}] ${sentences.join(" ")} `;
}

/**
 * Fills the source of a new database and waits until the server is done with it: documents of earlier measurements that
 * are deleted or reset make the server several times dearer for some seconds.
 * @param done the first so many are marked as classified
 */
export async function seed(uri: string, db: string, items: number, done = 0): Promise<void> {
  const client = new MongoClient(uri);
  try {
    const source = client.db(db).collection(SOURCE);
    for (let from = 0; from < items; from += INSERTED_AT_ONCE) {
      const documents = documentsOf(from, Math.min(INSERTED_AT_ONCE, items - from), done);
      await source.insertMany(documents as never[], { ordered: false });
    }
    // The indexes that a job's first run builds.
    const store = await openMongoStore(uri, db, { connectTimeoutMs: 5_000, client });
    await store.source({ collection: SOURCE, mark: MARK_FIELDS, filter: null, fields: null }).prepare();
    await client.db("admin").command({ fsync: 1 });
  } finally {
    await client.close();
  }
}

/** The same source in a file of the embedded store. */
export async function seedEmbedded(path: string, items: number): Promise<void> {
  const store = await openSqliteStore(path);
  try {
    for (let from = 0; from < items; from += INSERTED_AT_ONCE)
      await store.insert(SOURCE, documentsOf(from, Math.min(INSERTED_AT_ONCE, items - from), 0));
  } finally {
    await store.close();
  }
}

export async function dropDatabase(uri: string, db: string): Promise<void> {
  const client = new MongoClient(uri);
  try {
    await client.db(db).dropDatabase();
  } finally {
    await client.close();
  }
}

function documentsOf(from: number, count: number, done: number): SourceDocument[] {
  const processedBy = { job: "bench", executionId: "before", outcome: "classified" };
  const classified = { processed: true, processedAt: new Date(1_700_000_000_000), processedBy };
  return Array.from({ length: count }, (_, at) => ({
    _id: idOf(from + at),
    text: textOf(from + at),
    channel: "email",
    createdAt: new Date(1_700_000_000_000 + from + at),
    ...(from + at < done ? classified : { processed: false }),
  }));
}
