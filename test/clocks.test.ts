import { expect, it } from "vitest";
import { onWall } from "../src/clocks.ts";

it("a steady moment is told by the wall clock as it is set now", () => {
  let offMs = 0;
  const clocks = { now: () => 5_000 + offMs, steadyNow: () => 900 };
  expect(onWall(clocks, 1_000)).toBe(5_100);
  offMs = -3_000;
  expect(onWall(clocks, 1_000)).toBe(2_100);
});
