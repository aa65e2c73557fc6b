// Your own OpenAI-compatible server, with a price, a budget and live progress; Ctrl-C drains.
//   BASE_URL=http://127.0.0.1:8000/v1 MODEL=my-model MONGODB_URI=mongodb://localhost/support node examples/own-model.ts
import { BatchProcessor, QuerymillError } from "../src/index.ts"; // in your project: from "querymill"

const { BASE_URL, MODEL = "my-model", MONGODB_URI, BATCH_DIR = "batch_files" } = process.env;
if (BASE_URL === undefined || MONGODB_URI === undefined) throw new Error("Set BASE_URL and MONGODB_URI.");

const processor = new BatchProcessor({
  mongodbUri: MONGODB_URI,
  baseUrl: BASE_URL,
  model: MODEL,
  batchDir: BATCH_DIR,
  maxConcurrent: 20,
  prices: { [MODEL]: { input: 0.6, output: 2.4 } }, // USD per million tokens
  budget: 5,
});
processor.on("call:failed", ({ failure, message }) => console.error(failure, message));
processor.on("sink:stored", () => {
  const { counters, itemsPerSecond } = processor.snapshot()!;
  console.log(`${counters.classified} classified, ${itemsPerSecond.toFixed(1)}/s, $${counters.costUsd?.toFixed(4)}`);
});
process.once("SIGINT", () => processor.stop());

try {
  const end = await processor.run();
  console.log(`${end.status}: ${end.classified} classified, ${end.deadLetters} dead letters, $${end.costUsd}`);
} catch (error) {
  if (!(error instanceof QuerymillError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 2;
}
