import { expect, it } from "vitest";
import { type ErrorCode, QuerymillError } from "../../src/errors.ts";
import { insist } from "../../src/traffic/insist.ts";
import { StoreWatch } from "../../src/traffic/store-watch.ts";

const watchFor = (storeMs: number): StoreWatch => new StoreWatch({ storeMs, now: Date.now });

const failing = (codes: readonly ErrorCode[]) => {
  const left = [...codes];
  return async () => {
    const code = left.shift();
    if (code !== undefined) throw new QuerymillError(code, "away");
    return "done";
  };
};

it("asks again while the store is away, until it is there", async () => {
  const action = failing(["STORE_FAILED", "STORE_UNREACHABLE", "STORE_FAILED"]);
  expect(await insist(action, watchFor(60_000), new AbortController().signal)).toBe("done");
});

it.each(["STORE_REFUSED", "FENCED", "STATE_UNWRITABLE"] as const)("does not ask again after %s", async (code) => {
  let asked = 0;
  const action = async () => {
    asked += 1;
    throw new QuerymillError(code, "no");
  };
  await expect(insist(action, watchFor(60_000), new AbortController().signal)).rejects.toMatchObject({ code });
  expect(asked).toBe(1);
});

it("does not ask again after a bug", async () => {
  const action = () => Promise.reject(new TypeError("bug"));
  await expect(insist(action, watchFor(60_000), new AbortController().signal)).rejects.toThrow(TypeError);
});

it("stops waiting at once when its signal fires, before or while it waits", async () => {
  const stopping = new AbortController();
  const waiting = insist(failing(Array(100).fill("STORE_FAILED")), watchFor(60_000), stopping.signal);
  stopping.abort();
  await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
  await expect(insist(failing(["STORE_FAILED"]), watchFor(60_000), stopping.signal)).rejects.toMatchObject({
    name: "AbortError",
  });
});

it("ends with the last error when the store is away for longer than it may be", async () => {
  await expect(
    insist(failing(Array(100).fill("STORE_UNREACHABLE")), watchFor(-1), new AbortController().signal),
  ).rejects.toMatchObject({
    code: "STORE_UNREACHABLE",
  });
});
