import { expect, it } from "vitest";
import { makeTenantSpace, section } from "../support/tenants.ts";
import { lastEvent, serveModel } from "../support/workspace.ts";
import { startWitness } from "./witness.ts";

it("tells the channels of a tenant that it failed, and nobody of the others", async () => {
  const [bad, away, other] = await Promise.all([startWitness(), startWitness(), startWitness()]);
  const space = await makeTenantSpace();
  const server = await serveModel({ apiKey: "good-key" });
  Object.assign(space.env, bad.env, { BAD_KEY: "bad-key" });
  const channels = ({ notify }: typeof bad) =>
    `notify: ${JSON.stringify({ ...notify, rules: { finished: false, "store-away": false } })}`;
  space.settings(
    server,
    [
      section("bad", "keyVariable: BAD_KEY", channels(bad)),
      section("away", "store: mongodb://127.0.0.1:9/desk?serverSelectionTimeoutMS=200", channels(away)),
      section("well", channels(other)),
    ].join(""),
  );
  for (const tenant of ["bad", "well"]) await space.fill(tenant, 3);
  const { code, stdout } = await space.run("run", "--json", "--log-level", "silent");
  expect(code).toBeGreaterThan(0);
  expect(lastEvent(stdout)).toMatchObject({ event: "tenants:end" });
  const told = (witness: typeof bad) => witness.all().map(({ job, rule, state }) => [job, rule, state]);
  expect(told(bad)).toEqual([["bad", "stopped", "problem"]]);
  expect(told(away)).toEqual([["away", "stopped", "problem"]]);
  expect(told(other)).toEqual([]);
  for (const witness of [bad, away, other]) witness.isDone(/canary|bad-key|good-key/);
});
