import { type Collection, type Document, MongoServerError } from "mongodb";

/** Only of what persons decided: it is as small as that, and costs the writes of a run nothing. */
const INDEX = {
  name: "querymill_persons",
  key: { decidedBy: 1, executionId: 1, "modelSuggestion.decidedBy": 1 },
  partialFilterExpression: { decidedBy: "person" },
} as const;
const TIME_OVER = 50;
const NO_SUCH_INDEX = 2;

/** Builds the index that {@link countByPersons} needs. Where it cannot be built nothing is counted, and nothing else is missing. */
export async function indexPersons(collection: Collection<Document>): Promise<void> {
  await collection.createIndexes([INDEX]).catch(() => {});
}

/** What persons decided of an execution, by who had decided before; null without the index, or in time. */
export async function countByPersons(
  collection: Collection<Document>,
  executionId: string,
  maxMs: number,
): Promise<Readonly<Record<string, number>> | null> {
  const stages = [
    { $match: { decidedBy: "person", executionId } },
    { $group: { _id: "$modelSuggestion.decidedBy", items: { $sum: 1 } } },
  ];
  try {
    const rows = await collection.aggregate(stages, { hint: INDEX.name, maxTimeMS: maxMs }).toArray();
    return Object.fromEntries(rows.map(({ _id, items }) => [String(_id ?? ""), Number(items)]));
  } catch (error) {
    if (error instanceof MongoServerError && (error.code === TIME_OVER || error.code === NO_SUCH_INDEX)) return null;
    throw error;
  }
}
