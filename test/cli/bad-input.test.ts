import { chmodSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ModelServer } from "../support/model-server.ts";
import { type Mongod, startMongod } from "../support/mongod.ts";
import { type Ended, makeDatabase, makeWorkspace, queries, runFlags, serveModel } from "../support/workspace.ts";

/** What every refusal has in common: exit 2, one message on stderr, its words, and no secret. */
function expectRefused({ code, stdout, stderr }: Ended, ...words: (string | RegExp)[]): void {
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr.startsWith("✖ ")).toBe(true);
  for (const word of words) expect(stderr).toMatch(word);
  expect(stderr).not.toContain("hunter22");
  expect(stderr).not.toMatch(/\n\s+at /);
}

function expectUnasked(server: ModelServer): void {
  expect(server.ledger()).toMatchObject({ received: 0, ok: 0 });
}

describe("settings", () => {
  test.each([
    [["run"], {}, [/No model is chosen/, /1 {2}free, offline, now/, /2 {2}your own server/, /3 {2}a provider/]],
    [["run", "--model", "openai/gpt-5-mini"], {}, [/neither OPENAI_API_KEY nor QUERYMILL_API_KEY is set/]],
    [["run"], { OPENAI_API_KEY: "sk-hunter22hunter22" }, [/No model is chosen/, /because a key happens to be set/]],
    [["run", "--batchsize", "5"], {}, [/Unknown option --batchsize\. Did you mean --batch-size\?/]],
    [["run", "--model", "offlin"], {}, [/Did you mean offline\?/]],
    [
      ["run", "--model", "offline", "--concurrent", "0"],
      {},
      [/--concurrent: expected an integer from 1 to 10,000, or auto; got "0"/],
    ],
    [["run", "--model", "offline", "--store", "postgres://me:hunter22@h/db"], {}, [/--store: expected mongodb:/]],
    [["run", "--model", "offline", "--recover", "--fresh"], {}, [/--recover and --fresh exclude each other/]],
    [
      ["run", "--model", "offline", "--redact", "email,creditcard"],
      {},
      [/--redact: expected all, a list of key, .*There is no kind "creditcard"\. Did you mean card\?/],
    ],
    [["status", "--jbo", "x"], {}, [/Unknown option --jbo\. Did you mean --job\?/]],
    [["get"], {}, [/missing required argument 'item'/, /bin\.ts get --help/]],
    [["get", "1", "--demo", "--job", "x"], {}, [/--job and --demo exclude each other/]],
    [["doctor", "--sample", "many"], {}, [/--sample: expected an integer from 1 to 100; got "many"/]],
  ])("%j is refused before anything is made", async (args, env, words) => {
    const space = makeWorkspace();
    expectRefused(await space.querymill(args, env), ...words);
    expect(() => space.digest("batch_files")).toThrow("ENOENT");
  });

  test("a list with a word that is none is told which one, and what was meant", async () => {
    const space = makeWorkspace();
    space.write("querymill.yaml", "redact: [email, creditcard]\n");
    expectRefused(
      await space.querymill(["run", "--model", "offline"]),
      /redact: expected .*There is no kind "creditcard"\. Did you mean card\?/,
    );
    space.write("querymill.yaml", "redact: { kinds: [mails] }\n");
    expectRefused(await space.querymill(["run", "--model", "offline"]), /no kind "mails"\. Did you mean email\?/);
  });

  test("a broken settings file is told by line and column, with what was expected", async () => {
    const space = makeWorkspace();
    space.write("querymill.yaml", "model: offline\nbatchSize: ten\nretri:\n  rounds: []\n");
    expectRefused(
      await space.querymill(["run"]),
      /querymill\.yaml:2:12 batchSize: expected an integer from 1 to 10,000; got "ten"/,
      /querymill\.yaml:\d+:\d+ retri: no such setting\. Did you mean retry\?/,
    );
    space.write("querymill.yaml", "model: [offline\n");
    expectRefused(await space.querymill(["run"]), /querymill\.yaml:\d+:\d+ /);
  });

  test("a broken taxonomy is told by line and column, with what was expected", async () => {
    const space = makeWorkspace();
    await space.seed(queries(1));
    const labels = '      - { id: "High!", description: now }\n      - { id: low, description: later }\n';
    space.write("taxonomy.yaml", `dimensions:\n  urgency:\n    description: how soon\n    labels:\n${labels}`);
    const run = ["run", "--store", "store.db", "--model", "offline", "--taxonomy", "taxonomy.yaml"];
    expectRefused(await space.querymill(run), /taxonomy\.yaml:5:\d+ /, /got "High!"/);
    expectRefused(await space.querymill([...run.slice(0, -1), "none.yaml"]), /there is no file none\.yaml/);
    expect(() => space.digest("batch_files")).toThrow("ENOENT");
  });
});

describe("stores", () => {
  let locked: Mongod;
  beforeAll(async () => {
    locked = await startMongod("standalone", { user: "root", password: "root" });
  });
  afterAll(() => locked.stop());

  test("a MongoDB that is not there is named by host, without the password", async () => {
    const space = makeWorkspace();
    const server = await serveModel();
    space.write("querymill.yaml", "deadlines:\n  connectMs: 300\n");
    const flags = [
      "--store",
      "mongodb://me:hunter22@127.0.0.1:1/support",
      "--base-url",
      server.baseUrl,
      "--model",
      "m",
    ];
    const words = [/MongoDB at 127\.0\.0\.1:1 did not answer within 300 ms/, /Check that it runs/];
    expectRefused(await space.querymill(["run", ...flags]), ...words);
    expectRefused(await space.querymill(["run", ...flags, "--dry-run"]), ...words);
    expectRefused(await space.querymill(["get", "1", ...flags.slice(0, 2)]), ...words);
    expectUnasked(server);
  });

  test("a MongoDB that refuses the password is named by host, without the password", async () => {
    const space = makeWorkspace();
    const server = await serveModel();
    const { host } = new URL(locked.uri);
    const uri = `mongodb://root:hunter22@${host}/support?authSource=admin`;
    const flags = ["--base-url", server.baseUrl, "--model", "m"];
    expectRefused(
      await space.querymill(["run", ...flags], { MONGODB_URI: uri }),
      new RegExp(`MongoDB at ${host} refused access`),
      /Check user, password and authSource/,
    );
    expectUnasked(server);
  });

  test("a missing collection is told with the nearest ones, and is not made", async () => {
    const space = makeWorkspace();
    const { uri, client, name } = await makeDatabase();
    await client
      .db(name)
      .collection("conversations")
      .insertMany(queries(3) as never[]);
    const server = await serveModel();
    const flags = ["--store", uri, "--base-url", server.baseUrl, "--model", "m"];
    const { code, stderr, stdout } = await space.querymill(["run", ...flags, "--source-collection", "conversation"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(
      `Collection conversation does not exist in ${name}. Nearest: conversations (3 documents).`,
    );
    expectUnasked(server);
    expect((await client.db(name).listCollections().toArray()).map((one) => one.name)).toEqual(["conversations"]);
  });

  test("a source that may not be marked is refused: a view", async () => {
    const space = makeWorkspace();
    const { uri, client, name } = await makeDatabase();
    await client
      .db(name)
      .collection("conversations")
      .insertMany(queries(3) as never[]);
    await client.db(name).createCollection("open_ones", { viewOn: "conversations", pipeline: [] });
    const server = await serveModel();
    const flags = ["--store", uri, "--base-url", server.baseUrl, "--model", "m", "--source-collection", "open_ones"];
    expectRefused(
      await space.querymill(["run", ...flags]),
      /open_ones cannot be marked, because it is a view/,
      /grant update/,
    );
    expectUnasked(server);
  });

  test("a target that another job writes is refused, and both ways on are named", async () => {
    const space = makeWorkspace();
    const { uri, client, name } = await makeDatabase();
    await client
      .db(name)
      .collection("conversation_set")
      .insertMany(queries(3) as never[]);
    const server = await serveModel();
    const flags = ["--store", uri, "--base-url", server.baseUrl, "--model", "m"];
    expect((await space.querymill(["run", ...flags, "--job", "first", "--limit", "1"])).code).toBe(0);
    server.reset();
    expectRefused(
      await space.querymill(["run", ...flags, "--job", "second"]),
      /sentimental_analysis is written by job first/,
      /--target-collection, or go on with that job: --job first/,
    );
    expectUnasked(server);
    expect(await client.db(name).collection("sentimental_analysis").countDocuments()).toBe(1);
  });
});

describe("money and local state", () => {
  test("a budget with a model whose price nobody knows is refused", async () => {
    const space = makeWorkspace();
    await space.seed(queries(2));
    const server = await serveModel();
    for (const more of [[], ["--dry-run"]])
      expectRefused(
        await space.querymill(["run", ...runFlags(server), "--budget", "5", ...more]),
        /The budget of \$5 cannot be kept: the price of openai-compatible\/drawn-1 is not known/,
        /under prices/,
      );
    expectUnasked(server);
    expect(() => space.digest("batch_files")).toThrow("ENOENT");
  });

  test("a batch directory that cannot be made or written is refused", async () => {
    const space = makeWorkspace();
    await space.seed(queries(2));
    const server = await serveModel();
    space.write("a-file", "");
    const below = await space.querymill(["run", ...runFlags(server), "--batch-dir", "a-file/state"]);
    expectRefused(below, /The state folder .*a-file\/state.* cannot be written/, /--batch-dir/);
    // Root may write anywhere: then somebody else tries.
    chmodSync(space.folder, 0o555);
    const isRoot = process.getuid?.() === 0;
    const other = isRoot ? { uid: 65_534, gid: 65_534 } : undefined;
    const locked = await space.start(["run", ...runFlags(server)], {}, other).ended;
    chmodSync(space.folder, 0o755);
    expectRefused(locked, /The state folder .*batch_files.* cannot be written: EACCES/, /give this user the right/);
    expectUnasked(server);
  });

  test("a job that another process holds is refused and told who; after its death both ways on are named", async () => {
    const space = makeWorkspace();
    await space.seed(queries(9));
    const server = await serveModel({ fail: (id) => (Number(id.slice(1)) > 3 ? "hang" : null) });
    const { child, ended } = space.start(["run", ...runFlags(server), "--json"]);
    await new Promise<void>((resolve) => {
      let seen = "";
      child.stdout?.on("data", (text: string) => {
        seen += text;
      });
      const look = setInterval(() => {
        if (seen.split('"item:settled"').length < 4 || server.ledger().inFlight < 5) return;
        clearInterval(look);
        resolve();
      }, 20);
    });
    const asked = server.ledger().received;
    expectRefused(
      await space.querymill(["run", ...runFlags(server)]),
      new RegExp(`Job inbox is held by process ${child.pid} on \\S+ \\(execution `),
    );
    child.kill("SIGKILL");
    await ended;
    expectRefused(
      await space.querymill(["run", ...runFlags(server)]),
      /inbox did not end cleanly/,
      /5 calls were under way and may be paid twice/,
      /bin\.ts run --store store\.db .*--job inbox --recover/,
      /bin\.ts run --store store\.db .*--job inbox --fresh/,
    );
    expect(server.ledger().received).toBe(asked);
    server.reset({ fail: () => null });
    const recovered = await space.querymill(["run", ...runFlags(server), "--recover", "--json"]);
    expect(recovered.code).toBe(0);
    // Six were not answered before: nothing that was is asked again.
    expect([...server.ledger().perDoc.keys()].sort()).toEqual(["q4", "q5", "q6", "q7", "q8", "q9"]);
  });
});
