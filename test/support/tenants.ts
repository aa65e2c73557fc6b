import type { MongoClient } from "mongodb";
import type { ModelServer } from "./model-server.ts";
import { type Ended, makeDatabase, makeWorkspace, type Workspace } from "./workspace.ts";

/** Text of an item of a tenant: nothing of it may be where another tenant looks. */
export const textOf = (tenant: string, at: number): string =>
  `[doc:${tenant}-${at}] canary-${tenant}-${at}: my parcel has not arrived, where is it?`;

/** A folder with a settings file whose tenants are in one database, and how the command line is used there. */
export interface TenantSpace extends Workspace {
  readonly database: { readonly uri: string; readonly client: MongoClient; readonly name: string };
  /** Writes `querymill.yaml`. @param sections lines of `tenants`, indented by two */
  settings(server: Pick<ModelServer, "baseUrl">, sections: string, more?: string): void;
  fill(tenant: string, items: number): Promise<void>;
  /** A command with the database and keys around it. */
  run(...args: string[]): Promise<Ended>;
  begin(...args: string[]): ReturnType<Workspace["start"]>;
  readonly env: Record<string, string>;
}

export async function makeTenantSpace(): Promise<TenantSpace> {
  const space = makeWorkspace();
  const database = await makeDatabase();
  const env: Record<string, string> = { MONGODB_URI: database.uri, QUERYMILL_API_KEY: "good-key" };
  return {
    ...space,
    database,
    env,
    settings: (server, sections, more = "") =>
      space.write(
        "querymill.yaml",
        `model: drawn-1\nbaseUrl: ${server.baseUrl}\nprices: { drawn-1: { input: 10, output: 10 } }\n${more}tenants:\n${sections}`,
      ),
    fill: async (tenant, items) => {
      const documents = Array.from({ length: items }, (_, at) => ({
        _id: `${tenant}-${at}`,
        text: textOf(tenant, at),
      }));
      await database.client
        .db(database.name)
        .collection(`${tenant}_mails`)
        .insertMany(documents as never[]);
    },
    run: (...args) => space.querymill(args, env),
    begin: (...args) => space.start(args, env),
  };
}

/** The section of a tenant with collections of its own. @param more settings, each on a line */
export function section(tenant: string, ...more: string[]): string {
  const lines = [`sourceCollection: ${tenant}_mails`, `targetCollection: ${tenant}_results`, ...more];
  return `  ${tenant}:\n${lines.map((line) => `    ${line}\n`).join("")}`;
}

/** Events of NDJSON output so far. */
export function eventsIn(stdout: string): Record<string, unknown>[] {
  return stdout
    .split("\n")
    .filter((line) => line.endsWith("}"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
