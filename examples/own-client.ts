// The application's own MongoDB client, its own categories, its own text fields.
//   MONGODB_URI=mongodb://localhost/support node examples/own-client.ts
import { MongoClient } from "mongodb";
import { BatchProcessor, openMongoStore, parseTaxonomy } from "../src/index.ts"; // in your project: from "querymill"

const { MONGODB_URI, BATCH_DIR = "batch_files" } = process.env;
if (MONGODB_URI === undefined) throw new Error("Set MONGODB_URI.");
const taxonomy = parseTaxonomy(
  `
name: hotel
dimensions:
  category:
    description: What the guest writes about.
    labels:
      - id: booking
        description: reserving, changing or cancelling a stay
        examples: [Can I move my booking to Friday?, Please cancel my room]
      - id: room
        description: the room itself, noise, cleanliness, heating
        examples: [The shower is cold, It was too loud to sleep]
      - id: bill
        description: invoices, deposits, refunds
        examples: [I need an invoice, The deposit was charged twice]
`,
  "inline taxonomy",
);

const client = new MongoClient(MONGODB_URI);
await client.connect();
const db = client.db();
const store = await openMongoStore(MONGODB_URI, db.databaseName, { connectTimeoutMs: 5_000, client });
const processor = new BatchProcessor({
  store,
  sourceCollection: "guest_mails",
  targetCollection: "guest_mail_topics",
  model: "offline",
  taxonomy,
  mapping: { text: ["mail.subject", "mail.body"] },
  batchDir: BATCH_DIR,
  job: "guest-mails",
});
const end = await processor.run();
console.log(`${end.classified} classified, ${end.skipped} skipped`);
console.log(await db.collection("guest_mail_topics").countDocuments(), "topics stored");
await client.close();
