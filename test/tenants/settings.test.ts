import { mkdtemp, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, test } from "vitest";
import { type LoadedSettings, loadSettings } from "../../src/config/load.ts";
import { configPath } from "../../src/config/place.ts";
import { QuerymillError } from "../../src/errors.ts";
import { tenantConflicts } from "../../src/tenants/conflicts.ts";
import { listTenants } from "../../src/tenants/list.ts";
import { addSection, removeSection, setPaused } from "../../src/tenants/section-edits.ts";
import { editSettings, tryEdit } from "../../src/tenants/settings-file.ts";

let cwd = "";
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "querymill-tenants-"));
});

const put = (text: string): Promise<void> => writeFile(join(cwd, "querymill.yaml"), text);
const load = (tenant: string, env: Record<string, string> = {}): Promise<LoadedSettings> =>
  loadSettings({ flags: { tenant }, env, cwd });

async function refusal(loading: Promise<unknown>): Promise<string> {
  const error = await loading.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QuerymillError);
  return (error as QuerymillError).message;
}

describe("the section of a tenant", () => {
  it("says what is different from the rest of the file, and is named in errors", async () => {
    await put(`model: offline
store: mongodb://localhost/support
batchSize: 20
budget: { usd: 50, per: month }
redact: all
tenants:
  sales: { targetCollection: sales_results, budget: { usd: 5 }, weight: 2, floor: 1, ceiling: 10, mode: continuous }
  legal: { targetCollection: legal_results, batchSize: 5, redact: [email], source: { preset: zendesk } }
`);
    const sales = await load("sales");
    expect(sales.settings).toMatchObject({
      ...{ tenant: "sales", job: "sales", batchSize: 20, mode: "continuous", db: "support" },
      budget: { usd: 5, per: "month" },
      share: { weight: 2, floor: 1, ceiling: 10 },
      targetCollection: "sales_results",
    });
    const legal = await load("legal");
    expect(legal.settings).toMatchObject({
      ...{ tenant: "legal", job: "legal", batchSize: 5, mode: "batch" },
      budget: { usd: 50, per: "month" },
      share: { weight: 1, floor: null, ceiling: null },
      redaction: { kinds: ["email"] },
      mapping: { preset: "zendesk" },
    });
    await put("model: offline\ntenants:\n  sales:\n    hedge: { afterMs: 5 }\n");
    expect(await refusal(load("sales"))).toMatch(
      /^querymill\.yaml:4:\d+ tenants\.sales\.hedge\.afterMs sends a slow call/,
    );
  });

  it("takes what excludes something of the rest of the file in its place", async () => {
    await put(`endpoints: [{ model: offline, name: common }]
schedules: [{ name: night, cron: "30 2 * * *" }]
mode: scheduled
source: { text: body }
tenants:
  sales: { model: offline, schedule: "0 * * * *", source: { preset: mail } }
  legal: {}
`);
    const sales = (await load("sales")).settings;
    expect(sales.endpoints.map(({ name }) => name)).toEqual(["main"]);
    expect(sales.schedules).toMatchObject([{ cron: "0 * * * *" }]);
    expect(sales.mapping).toMatchObject({ preset: "mail", text: null });
    const legal = (await load("legal")).settings;
    expect(legal.endpoints.map(({ name }) => name)).toEqual(["common"]);
    expect(legal.schedules).toMatchObject([{ name: "night" }]);
  });

  it("has a key and a store of its own by the names of variables, and no other tenant has them", async () => {
    await put(`model: openai/gpt-5-mini
tenants:
  sales: { keyVariable: SALES_KEY, storeVariable: SALES_STORE }
  legal: { store: mongodb://legal-host/desk }
  ops: {}
`);
    const env = {
      SALES_KEY: "sk-sales",
      OPENAI_API_KEY: "sk-common",
      SALES_STORE: "mongodb://sales-host/desk",
      MONGODB_URI: "mongodb://common-host/desk",
    };
    const sales = (await load("sales", env)).settings;
    expect([sales.model.apiKey, sales.storeUri]).toEqual(["sk-sales", "mongodb://sales-host/desk"]);
    const legal = (await load("legal", env)).settings;
    expect([legal.model.apiKey, legal.storeUri]).toEqual(["sk-common", "mongodb://legal-host/desk"]);
    const ops = (await load("ops", env)).settings;
    expect([ops.model.apiKey, ops.storeUri]).toEqual(["sk-common", "mongodb://common-host/desk"]);
    const message = await refusal(load("sales", { OPENAI_API_KEY: "sk-common" }));
    expect(message).toContain("tenants.sales.keyVariable: the variable SALES_KEY is not set");
    expect(message).not.toContain("sk-");
  });

  it("is refused with its name, place and reason for what no tenant can have", async () => {
    await put(`model: offline
tenants:
  a: { batchDir: x, metrics: { listen: 9464 }, logFile: y, input: z.csv, batchsize: 3, weight: 0, apiKey: sk-1 }
  default: {}
  Sales: {}
  demo: {}
  b: text
`);
    const message = await refusal(load("a"));
    for (const part of [
      /:3:\d+ tenants\.a\.batchDir: all tenants share one batch directory/,
      /tenants\.a\.metrics: the process serves it once/,
      /tenants\.a\.logFile: the process has one output/,
      /tenants\.a\.input: a file is classified once/,
      /tenants\.a\.batchsize: no such setting\. Did you mean batchSize\?/,
      /tenants\.a\.weight: expected an integer from 1 to 1,000; got 0/,
      /tenants\.a\.apiKey: no such setting\. A key does not belong in a file.*keyVariable/,
      /:4:\d+ tenants\.default: "default" is taken/,
      /tenants\.Sales: the name of a tenant has 1 to 64/,
      /tenants\.demo: "demo" is taken/,
    ])
      expect(message).toMatch(part);
    expect(message).not.toContain("sk-1");
  });

  it("has to be named where one job is meant", async () => {
    await put("model: offline\ntenants: { sales: { targetCollection: a }, legal: { targetCollection: b } }\n");
    expect(await refusal(loadSettings({ flags: {}, env: {}, cwd }))).toContain("There are: sales, legal.");
    expect(await refusal(load("salez"))).toContain("Did you mean sales?");
    await put("model: offline\n");
    expect(await refusal(load("sales"))).toContain("there are no tenants in the settings");
    expect((await loadSettings({ flags: {}, env: {}, cwd })).settings.tenant).toBe("default");
  });
});

test("two tenants in each other's way are refused: one target, a source that is a target, one job, one mark", async () => {
  const conflicts = async (sections: string): Promise<string[]> => {
    await put(`model: offline\nstore: mongodb://localhost/support\ntenants:\n${sections}`);
    const all = await listTenants({ flags: {}, env: {}, cwd });
    return tenantConflicts(all.flatMap((one) => ("loaded" in one ? one.loaded.settings : [])));
  };
  const apart = "  a: { sourceCollection: x, targetCollection: p }\n";
  expect(await conflicts(`${apart}  b: { sourceCollection: y, targetCollection: q }\n`)).toEqual([]);
  expect(await conflicts(`${apart}  b: { sourceCollection: y, targetCollection: p }\n`)).toMatchObject([
    expect.stringMatching(/^tenants\.b: its target is that of tenant a, p/),
  ]);
  // The same server, written otherwise.
  const other = "store: mongodb://LOCALHOST/support?retryWrites=true";
  expect(await conflicts(`${apart}  b: { ${other}, sourceCollection: y, targetCollection: p }\n`)).toHaveLength(1);
  expect(await conflicts(`${apart}  b: { db: other, sourceCollection: y, targetCollection: p }\n`)).toEqual([]);
  expect(await conflicts(`${apart}  b: { sourceCollection: p, targetCollection: q }\n`)).toMatchObject([
    expect.stringContaining("the source of tenant b is the target of tenant a, p"),
  ]);
  const job = "job: same, sourceCollection";
  expect(
    await conflicts(`  a: { ${job}: x, targetCollection: p }\n  b: { ${job}: y, targetCollection: q }\n`),
  ).toHaveLength(1);
  const shared = "sourceCollection: x, targetCollection";
  expect(await conflicts(`${apart}  b: { ${shared}: q }\n`)).toMatchObject([
    expect.stringContaining("each would pass over what the other has done"),
  ]);
  const filters = `  a: { ${shared}: p, filter: { team: a } }\n  b: { ${shared}: q, filter: { team: b } }\n`;
  expect(await conflicts(filters)).toEqual([]);
  expect(await conflicts(`${apart}  b: { ${shared}: q, mark: target }\n`)).toEqual([]);
});

describe("the settings file", () => {
  const text = `# Ours
model: offline   # for free
tenants:
  # the biggest
  sales:
    targetCollection: sales_results # theirs
    filter: { team: sales }
  legal: { targetCollection: legal_results }
`;
  const path = (): string => join(cwd, "querymill.yaml");

  it("keeps comments, order and forms when a tenant is added, paused, resumed and removed", async () => {
    await put(text);
    await editSettings(path(), addSection("ops", { weight: 2, filter: { team: "ops" } }));
    const added = await readFile(path(), "utf8");
    expect(added).toBe(`${text}  ops:\n    weight: 2\n    filter:\n      team: ops\n`);
    await editSettings(path(), setPaused("sales", true));
    expect(await readFile(path(), "utf8")).toBe(
      added.replace("    filter: { team: sales }\n", "    filter: { team: sales }\n    paused: true\n"),
    );
    await editSettings(path(), setPaused("sales", false));
    expect(await readFile(path(), "utf8")).toBe(added);
    await editSettings(path(), removeSection("ops"));
    expect(await readFile(path(), "utf8")).toBe(text);
  });

  it("is made where there is none, and loses the group with the last tenant", async () => {
    await editSettings(path(), addSection("sales", { weight: 2 }));
    expect(await readFile(path(), "utf8")).toBe("tenants:\n  sales:\n    weight: 2\n");
    await editSettings(path(), removeSection("sales"));
    expect(await readFile(path(), "utf8")).not.toContain("tenants");
  });

  it("stays as it was when the change is refused, when it has an error, and when somebody else changed it meanwhile", async () => {
    await put(text);
    const refused = async (doing: Promise<void>): Promise<string> => {
      const message = await refusal(doing);
      expect(await readFile(path(), "utf8")).toBe(text);
      return message;
    };
    await refused(editSettings(path(), addSection("Ops", {})));
    await refused(editSettings(path(), addSection("ops", { batchSize: 0 })));
    expect(await refused(editSettings(path(), addSection("sales", {})))).toContain("is there already");
    await refused(
      editSettings(path(), setPaused("sales", true), async () => {
        throw new QuerymillError("USAGE", "no");
      }),
    );
    const message = await refusal(editSettings(path(), setPaused("sales", true), () => put(`${text}# more\n`)));
    expect(message).toContain("changed by somebody else");
    expect(await readFile(path(), "utf8")).toBe(`${text}# more\n`);
    await put("model: [");
    await refusal(editSettings(path(), setPaused("sales", true)));
    expect(await readFile(path(), "utf8")).toBe("model: [");
  });

  it("does not pause two tenants that are one section by an alias", async () => {
    await put("model: offline\ntenants:\n  a: &one { targetCollection: x }\n  b: *one\n");
    expect(await refusal(editSettings(path(), setPaused("b", true)))).toContain("alias");
    expect(await refusal(editSettings(path(), setPaused("a", true)))).toContain("repeated elsewhere by the alias *one");
    await put("model: offline\ntenants:\n  a: &one { targetCollection: x }\n  b: { targetCollection: y }\n");
    await editSettings(path(), setPaused("a", true));
    expect(await readFile(path(), "utf8")).toContain("a: &one { targetCollection: x, paused: true }");
  });

  it("is changed where .env says that the settings are", async () => {
    await writeFile(join(cwd, ".env"), "QUERYMILL_CONFIG=other.yaml\n");
    expect(await configPath({ flags: {}, env: {}, cwd })).toBe(join(cwd, "other.yaml"));
    expect(await configPath({ flags: { config: "a.yaml" }, env: {}, cwd })).toBe(join(cwd, "a.yaml"));
  });

  it("stays as it was when a section that would go is repeated by an alias, or that would come to be another one's", async () => {
    for (const [sections, edit, at] of [
      ["  a: &one { batchSize: 5 }\n  b: *one\n", removeSection("a"), "tenants.b"],
      ["  a:\n    filter: &one { x: 1 }\n  b: { filter: *one }\n", removeSection("a"), "tenants.b.filter"],
      ["  a: &one { batchSize: 5 }\n  b: &one { batchSize: 6 }\n  c: *one\n", removeSection("b"), "tenants.c"],
      ["  a: { paused: &one true }\n  b: { paused: *one }\n", setPaused("a", false), "tenants.b.paused"],
    ] as const) {
      const whole = `model: offline\ntenants:\n${sections}`;
      await put(whole);
      const message = `${at} is an alias (*one) of what would go`;
      expect(await refusal(tryEdit(path(), edit))).toContain(message);
      expect(await refusal(editSettings(path(), edit))).toContain(message);
      expect(await readFile(path(), "utf8")).toBe(whole);
      await tryEdit(path(), removeSection(at.split(".")[1]!));
      expect(await readFile(path(), "utf8")).toBe(whole);
    }
  });

  it("is changed where a link leads", async () => {
    await writeFile(join(cwd, "real.yaml"), text, { mode: 0o640 });
    await symlink("real.yaml", path());
    await editSettings(path(), setPaused("legal", true));
    expect(await readFile(join(cwd, "real.yaml"), "utf8")).toContain(
      "legal: { targetCollection: legal_results, paused: true }",
    );
  });
});
