import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { Fault, ModelServer } from "../support/model-server.ts";
import { PATIENT } from "../support/patience.ts";
import { canMakeTerminals, startOnTerminal } from "../support/terminal-run.ts";
import { makeDatabase, makeWorkspace, serveModel } from "../support/workspace.ts";

const KEY = "canary-key-5f1c7a";
const PASSWORD = "canary-password-88e2";
/** In every text, and in every free text of an answer. */
const TEXT = "canary-text";
const ANSWER = "canary-answer";

const textOf = (id: string): string =>
  `[doc:${id}] My "${TEXT}-${id}" came broken.\nWrite to ${TEXT}-${id}@example.org, ${TEXT.toUpperCase()}-${id}!`;

/** What the server does with an item: every class of failure, in bodies that repeat key, text and answer. */
const echo = (id: string): string => `${KEY} ${textOf(id)} ${ANSWER}-${id}`;
const faults: readonly ((id: string) => Fault | null)[] = [
  () => null,
  (id) => ({ status: 500, body: JSON.stringify({ error: { message: echo(id), type: echo(id), code: null } }) }),
  (id) => ({ status: 503, body: echo(id), headers: { "content-type": "text/plain" } }),
  (id) => ({ status: 200, body: JSON.stringify({ error: { message: echo(id) } }) }),
  (id) => ({ status: 413, body: JSON.stringify({ error: { message: echo(id), code: "context_length_exceeded" } }) }),
  (id) => answer(`Sure: ${echo(id)}`),
  (id) => answer(JSON.stringify({ category: echo(id), sentiment: `${ANSWER} ${id}`, language: echo(id) })),
  (id) => answer(JSON.stringify({ category: `${ANSWER} ${id}`, [`${TEXT}-${id}`]: 1 })),
  (id) => answer(JSON.stringify({ category: `${TEXT}-${id}`.toUpperCase(), sentiment: [`${TEXT}-${id}`] })),
  (id) => answer(`{"category":"${ANSWER}"}{"category":"${TEXT}-${id}"}`),
  (id) => answer(null, echo(id)),
  (id) => answer(echo(id).slice(0, 50), null, "length"),
  () => "reset-after",
  () => "hang",
  () => "html200",
];
const ITEMS = faults.length;
const faultOf = (id: string): Fault | null => faults[Number(id.slice(1)) % faults.length]!(id);

describe("keys, passwords and customer texts", () => {
  it("are in no output of any command, at any log level, whatever fails, and in no file that is not for them", async () => {
    const { space, server, store } = await jobWithSecrets();
    const said: Record<string, string> = {};
    const run = ["run", "--job", "inbox", ...modelFlags(server), "--concurrent", "6", "--no-wait"];
    const env = { ...store, QUERYMILL_API_KEY: KEY };
    const command = async (args: string[], more: Record<string, string> = {}): Promise<void> => {
      const { code, stdout, stderr } = await space.querymill(args, { ...env, ...more });
      said[args.join(" ")] = `${code}\n${stdout}\n${stderr}`;
    };
    // Killed in the middle: batch files and a journal of an unclean end are there.
    const killed = space.start([...run, "--json", "--log-level", "debug"], env);
    await vi.waitFor(() => expect(server.ledger().received).toBeGreaterThan(6), PATIENT);
    expect(isPrivate(space.path("batch_files"))).toEqual([]);
    killed.child.kill("SIGKILL");
    const { stdout, stderr } = await killed.ended;
    said.killed = stdout + stderr;
    expect(filesHolding(space.path("batch_files"), TEXT).some((name) => name.includes("batches/"))).toBe(true);
    await Promise.all([command(run), command(["status", "--json"])]);
    await command([...run, "--recover", "--log-level", "debug", "--log-file", "run.log"]);
    const select = ["--job", "inbox", ...modelFlags(server)];
    const wrong = { MONGODB_URI: store.MONGODB_URI.replace("reader:", "nobody:") };
    // Two at a time: each spends most of its time with starting.
    await Promise.all([
      command(["retry", ...select, "--yes", "--json", "--log-level", "debug"]),
      command([...run, "--log-level", "debug"], wrong),
    ]);
    const looking = [
      ["status", "--job", "inbox"],
      ["status", "--job", "inbox", "--store", `mongodb+srv://reader:${PASSWORD}@`],
      ["doctor", ...select, "--json"],
      ["doctor", ...select, "--call"],
      ["retry", ...select, "--dry-run"],
      ["retry", "--job", "inbox", "--dry-run", "--json"],
    ];
    for (let at = 0; at < looking.length; at += 2)
      await Promise.all(looking.slice(at, at + 2).map((args) => command(args)));
    server.reset({ fail: () => ({ status: 401, body: JSON.stringify({ error: { message: echo("q1") } }) }) });
    await command(["retry", ...select, "--yes", "--log-level", "info"]);

    for (const [name, text] of Object.entries(said))
      for (const secret of [KEY, PASSWORD, TEXT, ANSWER, TEXT.toUpperCase()])
        expect(linesWith(text, secret), `${secret} in the output of: ${name}`).toEqual([]);
    expect(said["status --json"]).toContain('"event":"status"');
    const log = readFileSync(space.path("run.log"), "utf8");
    // Whichever of the runs got to it.
    expect(Object.values(said).join("") + log).toContain('"failure":"label-unknown"');
    for (const secret of [KEY, PASSWORD, TEXT, ANSWER]) expect(linesWith(log, secret)).toEqual([]);
    for (const secret of [KEY, PASSWORD]) expect(filesHolding(space.path("batch_files"), secret)).toEqual([]);
    const holdsAnswers = /\/journal\/\d+\.journal$|\/(dead-letters|retry)\.queue$|\/cache\/\d+\.answers$/;
    expect(filesHolding(space.path("batch_files"), ANSWER).filter((name) => !holdsAnswers.test(name))).toEqual([]);
    expect(filesHolding(space.path("batch_files"), TEXT).filter((name) => !holdsAnswers.test(name))).toEqual([]);
    expect(isPrivate(space.path("batch_files"))).toEqual([]);

    await command(["clean", "--job", "inbox", "--all", "--yes"]);
    for (const secret of [KEY, PASSWORD, TEXT, ANSWER]) expect(filesHolding(space.folder, secret)).toEqual([]);
  });

  it.skipIf(!canMakeTerminals)("are not on the panel of a terminal either", async () => {
    const { space, server, store } = await jobWithSecrets();
    const flags = ["run", "--job", "inbox", ...modelFlags(server), "--concurrent", "6", "--no-wait", "--log-level"];
    const { screen } = await startOnTerminal([...flags, "debug"], {
      cwd: space.folder,
      env: { ...store, QUERYMILL_API_KEY: KEY },
    }).ended;
    expect(screen).toMatch(/Exit 3|exit 3|dead letters/i);
    for (const secret of [KEY, PASSWORD, TEXT, ANSWER]) expect(linesWith(screen, secret), secret).toEqual([]);
  });
});

it("the embedded store, its -wal and -shm, the lock and all state are for this user only while a run works", async () => {
  const space = makeWorkspace();
  const server = await serveModel({ fail: () => "hang" });
  await space.seed(documents(30), "conversation_set", "batch_files/querymill.sqlite");
  const args = ["run", "--store", "batch_files/querymill.sqlite", ...modelFlags(server), "--job", "inbox"];
  const { child, ended } = space.start(args);
  await vi.waitFor(() => expect(server.ledger().received).toBe(5), PATIENT);
  const names = allFiles(space.path("batch_files")).map((path) => path.split("/").at(-1));
  expect(names).toEqual(expect.arrayContaining(["owner.lock", "querymill.sqlite-wal", "querymill.sqlite-shm"]));
  expect(isPrivate(space.path("batch_files"))).toEqual([]);
  child.kill("SIGKILL");
  await ended;
});

function answer(content: string | null, refusal: string | null = null, finish = "stop"): Fault {
  const choice = { index: 0, message: { role: "assistant", content, refusal }, finish_reason: finish };
  return {
    status: 200,
    body: JSON.stringify({ id: "x", object: "chat.completion", model: "drawn-1", choices: [choice] }),
    headers: { "content-type": "application/json" },
  };
}

function documents(count: number) {
  return Array.from({ length: count }, (_, at) => ({ _id: `q${at + 1}`, text: textOf(`q${at + 1}`) }));
}

/** A source in a MongoDB that takes a password, and a model that takes a key and repeats what it can. */
async function jobWithSecrets() {
  const space = makeWorkspace();
  const { uri, client, name } = await makeDatabase();
  await client.db(name).command({ createUser: "reader", pwd: PASSWORD, roles: ["readWrite"] });
  await client.db(name).collection<{ _id: string }>("conversation_set").insertMany(documents(ITEMS));
  const server = await serveModel({
    apiKey: KEY,
    fail: faultOf,
    content: (id, _attempt, value) => JSON.stringify({ ...value, summary: `${ANSWER}-${id} ${textOf(id)}` }),
  });
  const login = new URL(uri);
  login.username = "reader";
  login.password = PASSWORD;
  login.searchParams.set("authSource", name);
  space.write(
    "querymill.yaml",
    "retry: { retries: 1, baseDelayMs: 5, maxDelayMs: 10 }\ndeadlines: { attemptMs: 400 }\nbreaker: { share: 1, window: 1000 }\n",
  );
  return { space, server, store: { MONGODB_URI: login.href } };
}

function modelFlags(server: ModelServer): string[] {
  return ["--base-url", server.baseUrl, "--model", "drawn-1"];
}

function allFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
}

/** Names of files that hold a text, in bytes, below a folder. */
function filesHolding(folder: string, text: string): string[] {
  return allFiles(folder)
    .filter((path) => lstatSync(path).isFile() && readFileSync(path).includes(text))
    .map((path) => `/${relative(folder, path)}`);
}

/** Folders and files that others than this user may read or write. */
function isPrivate(folder: string): string[] {
  return [folder, ...allFiles(folder)].filter((path) => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found !== undefined && (found.mode & 0o077) !== 0;
  });
}

function linesWith(text: string, secret: string): string[] {
  return text.split("\n").filter((line) => line.includes(secret));
}
