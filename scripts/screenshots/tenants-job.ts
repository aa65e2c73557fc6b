import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { startModelServer } from "../../test/support/model-server.ts";
import { startReplicaSet } from "../../test/support/replica-set.ts";
import { answers, documentOf, drawnAt } from "./job.ts";

/** Three tenants in one file over a replica set; one of them is shared out to workers. */
export interface TenantsPictureJob {
  /** Variables of all its processes. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const WAITING = { sales: 6_000, support: 60_000, legal: 2_400 };

export async function makeTenantsPictureJob(folder: string): Promise<TenantsPictureJob> {
  const set = await startReplicaSet();
  await set.whole();
  const model = await startModelServer({ latency: "lognormal:900:2400", seed: 7, ...answers() });
  const uri = set.uri.replace("/?", "/departments?");
  const client = await MongoClient.connect(uri);
  for (const [tenant, items] of Object.entries(WAITING)) {
    const numbers = Array.from({ length: items }, (_, at) => at);
    const documents = numbers.map((number) => documentOf(number, drawnAt(number, 0), Date.now()));
    await client
      .db("departments")
      .collection(`${tenant}_mails`)
      .insertMany(documents as never[]);
  }
  await client.close();
  await writeFile(join(folder, "querymill.yaml"), settingsFor(model.baseUrl));
  return {
    env: { MONGODB_URI: uri, QUERYMILL_API_KEY: "picture" },
    close: async () => {
      await model.close();
      await set.stop();
    },
  };
}

function settingsFor(baseUrl: string): string {
  const places = (tenant: string): string =>
    `  ${tenant}:\n    sourceCollection: ${tenant}_mails\n    targetCollection: ${tenant}_results\n`;
  return `model: support-small-2
baseUrl: ${baseUrl}
db: departments
limits: { requestsPerMinute: 600 }
concurrent: 12
prices:
  support-small-2: { input: 0.6, output: 2.4 }
tenants:
${places("sales")}    budget: { usd: 9 }
    mode: continuous
${places("support")}    workersAt: mongodb
    rangeSize: 600
    concurrent: 8
${places("legal")}    weight: 2
    mode: continuous
    budget: { usd: 4 }
`;
}
