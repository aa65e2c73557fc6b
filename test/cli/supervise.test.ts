import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const script = fileURLToPath(new URL("made-up-process.ts", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the process; `act` gets it once its first output came. */
function start(args: readonly string[], act: (child: ChildProcess) => void = () => {}): Promise<Ended> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const text = { stdout: "", stderr: "" };
  let acted = false;
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (part: string) => {
      text[name] += part;
      if (!acted && name === "stdout") {
        acted = true;
        act(child);
      }
    });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, ...text })));
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s drains: what was in flight is in the sum, and the exit code is %i", async (signal, code) => {
  const ended = await start(["stop"], (child) => child.kill(signal));
  expect(ended.code).toBe(code);
  expect(ended.stdout).toMatch(/ drain flight=3 reason=signal\n/);
  expect(ended.stdout).toMatch(new RegExp(`end stopped classified=\\d+ .* exit=${code}\n$`));
});

test("a signal that comes twice at once is one; a second one later stops at once", async () => {
  const bounced = await start(["stop"], (child) => {
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGINT"), 20);
  });
  expect(bounced.stdout).not.toContain("abort");
  const twice = await start(["slow"], (child) => {
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGINT"), 700);
  });
  expect(twice.code).toBe(130);
  expect(twice.stdout).toContain("abort");
});

test("--json writes one event a line, the end last and with the final exit code", async () => {
  const { stdout } = await start(["stop", "--json"], (child) => child.kill("SIGINT"));
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events[0]).toMatchObject({ event: "note", message: "A note.", time: expect.stringMatching(/Z$/) });
  expect(events.filter(({ event }) => event === "execution:end")).toHaveLength(1);
  expect(events.at(-1)).toMatchObject({ event: "execution:end", exitCode: 130, inFlight: 0, jobTotals: {} });
});

test("--quiet writes only the last line", async () => {
  const { stdout } = await start(["brief", "--quiet"]);
  expect(stdout).toMatch(/^\S+ end stopped classified=3 .*\n$/);
});

test("when nobody reads any more the run is drained without loss", async () => {
  const ended = await start(["stop", "--json"], (child) => child.stdout?.destroy());
  expect(ended.code).toBe(141);
  expect(ended.stderr).toBe("");
});

test("what was refused is told on stderr without its password, exit 2, and as an event", async () => {
  const plain = await start(["refused"]);
  expect(plain).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^(✖|x) MongoDB at mongodb:\/\/h is away\.\n$/),
  });
  const json = await start(["refused", "--json"]);
  expect(JSON.parse(json.stdout.trimEnd().split("\n").at(-1)!)).toMatchObject({
    event: "error",
    code: "STORE_UNREACHABLE",
  });
});

test("a bug has exit 1, its stack, how to report it, and no secret", async () => {
  const { code, stderr } = await start(["bug"]);
  expect(code).toBe(1);
  expect(stderr).toContain("made-up-process.ts");
  expect(stderr).toContain("Report it with these lines");
  expect(stderr).not.toMatch(/hunter22|falcon33|osprey44/);
});

test("every change of a limit is an event of --json; lines tell them together, none is lost and the last is told", async () => {
  const stopOn = (text: string) => (child: ChildProcess) =>
    child.stdout!.on("data", (part: string) => {
      if (part.includes(text)) child.kill("SIGINT");
    });
  const { stdout: json } = await start(["limits", "--json"], stopOn("limit:change"));
  const changes = json.split("\n").filter((line) => line.includes('"limit:change"'));
  expect(changes.map((line) => (JSON.parse(line) as { from: number }).from)).toEqual(changes.map((_, at) => at + 1));
  const { stdout } = await start(["limits"], stopOn("limit eu"));
  const lines = [...stdout.matchAll(/ limit eu (\d+)->(\d+) reason=slow-start\n/g)];
  const classified = Number(/ end stopped classified=(\d+)/.exec(stdout)?.[1]);
  expect(lines.length).toBeGreaterThanOrEqual(2);
  expect(lines.length).toBeLessThan(classified);
  for (const [at, [, from]] of lines.entries()) expect(from).toBe(at === 0 ? "1" : lines[at - 1]![2]);
  expect(lines.at(-1)![2]).toBe(String(classified + 1));
});
