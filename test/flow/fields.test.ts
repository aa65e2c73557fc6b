import { describe, expect, it } from "vitest";
import type { Taxonomy } from "../../src/taxonomy.ts";
import { makeJob, STORES } from "../support/job.ts";

const WHOLE = { order_number: "AB123", amount: 12.5, due: "2026-11-30", is_urgent: true, topics: ["price", "speed"] };

describe.each(STORES)("lists of labels and free fields, over %s", (store) => {
  it("reach the record; a value that stays wrong is asked for again once, then null and reviewed", async () => {
    const job = await makeJob(store, {
      content: (id, attempt, value) => {
        if (id === "q0002") return JSON.stringify({ ...value, ...WHOLE, order_number: attempt === 1 ? "x" : "ZZ999" });
        if (id === "q0003")
          return JSON.stringify({ ...value, ...WHOLE, amount: "a lot", topics: ["price", "nonsense"] });
        return JSON.stringify({ ...value, ...WHOLE });
      },
    });
    const topic = (id: string) => ({ id, description: "", aliases: [], examples: [] });
    const taxonomy: Taxonomy = {
      ...job.settings.taxonomy,
      dimensions: [
        ...job.settings.taxonomy.dimensions,
        { id: "topics", description: "", choose: "many", required: false, labels: [topic("price"), topic("speed")] },
      ],
      fields: [
        { id: "order_number", type: "string", description: "", required: false, pattern: "[A-Z]{2}\\d{3}" },
        { id: "amount", type: "number", description: "", required: false },
        { id: "due", type: "date", description: "", required: false },
        { id: "is_urgent", type: "boolean", description: "", required: true },
      ],
    };
    await job.seed(3);
    const { end } = await job.run({ taxonomy });
    expect(end).toMatchObject({ exitCode: 0, classified: 3, repairCalls: 2 });
    const records = await job.records();
    const { topics, ...fields } = WHOLE;
    expect(records.get("q0001")).toMatchObject({ labels: { topics }, fields, needsReview: false });
    expect(records.get("q0002")).toMatchObject({ fields: { ...fields, order_number: "ZZ999" }, needsReview: false });
    expect(records.get("q0003")).toMatchObject({
      labels: { topics: ["price"] },
      fields: { ...fields, amount: null },
      reviewReasons: ["topics-invalid", "amount-invalid"],
    });
  });
});
