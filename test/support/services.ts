import type { TestProject } from "vitest/node";
import { type Mongod, startMongod } from "./mongod.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A one-node replica set. Use a database of your own. */
    mongoReplicaUri: string;
    /** A mongod without replication. Use a database of your own. */
    mongoStandaloneUri: string;
  }
}

/** Starts the real services once per test run and stops them at its end, whatever the tests did. */
export default async function services(project: TestProject): Promise<() => Promise<void>> {
  const started: Mongod[] = [];
  const stopAll = async () => {
    await Promise.all(started.map((mongod) => mongod.stop()));
  };
  const start = async (kind: "replica-set" | "standalone"): Promise<string> => {
    const begunAt = performance.now();
    const mongod = await startMongod(kind);
    started.push(mongod);
    report(kind, `mongod ${mongod.how}`, begunAt);
    return mongod.uri;
  };
  const given = process.env.QUERYMILL_TEST_MONGO;
  try {
    if (given) report("replica-set", "QUERYMILL_TEST_MONGO", performance.now());
    project.provide("mongoReplicaUri", given || (await start("replica-set")));
    project.provide("mongoStandaloneUri", await start("standalone"));
  } catch (error) {
    await stopAll();
    throw error;
  }
  return stopAll;
}

function report(kind: string, how: string, begunAt: number): void {
  console.log(`service: mongodb ${kind}, ${how}, ${((performance.now() - begunAt) / 1000).toFixed(1)} s`);
}
