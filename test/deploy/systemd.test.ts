import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { optionOf } from "../../src/config/schema.ts";
import { makeWorkspace } from "../support/workspace.ts";

const UNITS = ["querymill.service", "querymill-batch.service", "querymill-batch.timer"];
const version = Number(
  /^systemd (\d+)/.exec(spawnSync("systemd-analyze", ["--version"]).stdout?.toString() ?? "")?.[1],
);
if (Number.isNaN(version)) console.warn("systemd-analyze is missing here: the units are not verified.");
/** Of systemd 254: ever longer waits between restarts. Older ones pass over them, and wait RestartSec each time. */
const NEWER = /Unknown key (?:name )?'Restart(?:Steps|MaxDelaySec)' in section/;

const unit = (name: string): string => readFileSync(`examples/systemd/${name}`, "utf8");
/** The values of a setting, in order. */
const values = (name: string, key: string): string[] =>
  [...unit(name).matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value]) => value!);

test.runIf(!Number.isNaN(version))("systemd takes every unit as it is", () => {
  const workspace = makeWorkspace();
  // The program is not installed where tests run: the Node of the tests stands in its place.
  for (const name of UNITS)
    workspace.write(name, unit(name).replace("ExecStart=/usr/local/bin/querymill", `ExecStart=${process.execPath}`));
  for (const name of UNITS) {
    const verify = spawnSync("systemd-analyze", ["verify", workspace.path(name)], { encoding: "utf8" });
    const said = verify.stderr
      .split("\n")
      .filter((line) => line.includes(workspace.folder) || line.startsWith("querymill"));
    expect(said.filter((line) => version >= 254 || !NEWER.test(line))).toEqual([]);
  }
  workspace.write("querymill.service", unit("querymill.service").replace("Restart=on-failure", "Restart=on-failur"));
  const wrong = spawnSync("systemd-analyze", ["verify", workspace.path("querymill.service")], { encoding: "utf8" });
  expect(wrong.stderr).toMatch(/on-failur/);
});

test.runIf(version >= 250)("a service is exposed to little", () => {
  for (const name of UNITS.slice(0, 2)) {
    const words = ["security", "--offline=yes", "--threshold=20", `examples/systemd/${name}`];
    const { status, stdout } = spawnSync("systemd-analyze", words, { encoding: "utf8" });
    expect({ name, status }, stdout.split("\n").at(-2)).toEqual({ name, status: 0 });
  }
});

test("the service is restarted after a crash, not after a refusal, and has time to drain", () => {
  const name = "querymill.service";
  expect(values(name, "Type")).toEqual(["notify"]);
  expect(values(name, "ExecReload")).toEqual(["/bin/kill -HUP $MAINPID"]);
  expect(values(name, "NotifyAccess")).toEqual(["all"]);
  expect(values(name, "Restart")).toEqual(["on-failure"]);
  expect(values(name, "RestartPreventExitStatus")).toEqual(["2 4"]);
  const drainMs = optionOf("deadlines.drainMs").default as number;
  expect(Number(values(name, "TimeoutStopSec")[0]) * 1_000).toBeGreaterThan(drainMs);
  expect(values(name, "Environment")).toContain("QUERYMILL_BATCH_DIR=/var/lib/querymill/batch_files");
  expect(values(name, "StateDirectory")).toEqual(["querymill"]);
});
