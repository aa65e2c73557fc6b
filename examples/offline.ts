// Classifies a handful of queries without a server, a key or a network.
//   node examples/offline.ts [folder for the state]
import { BatchProcessor, openSqliteStore } from "../src/index.ts"; // in your project: from "querymill"

const folder = process.argv[2] ?? "batch_files";
const store = await openSqliteStore(`${folder}/offline-example.sqlite`);
await store.insert("conversation_set", [
  { _id: "a-1", subject: "Where is my parcel?", text: "Ordered two weeks ago, tracking has not moved since Monday." },
  { _id: "a-2", text: "I was charged twice for my subscription this month" },
  { _id: "a-3", messages: [{ role: "customer", text: "The app crashes when I log in" }] },
  { _id: "a-4", text: "" },
]);

const processor = new BatchProcessor({
  store,
  model: "offline",
  batchDir: folder,
  job: "offline-example",
  fresh: true,
});
const end = await processor.run();
console.log(`classified ${end.classified}, skipped ${end.skipped}`);

const { documents } = await store.target("sentimental_analysis").readAll(null, 100);
for (const { _id, category, sentiment, needsReview } of documents) console.log(_id, category, sentiment, needsReview);
await store.close();
