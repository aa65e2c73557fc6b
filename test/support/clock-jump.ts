import { readFileSync } from "node:fs";

// Preloaded into a process (`node --import`): its wall clock is off by the ms that the file CLOCK_FILE holds just now.
const path = process.env.CLOCK_FILE!;
const RealDate = Date;
const now = (): number => RealDate.now() + Number(readFileSync(path, "utf8"));

globalThis.Date = new Proxy(RealDate, {
  construct: (_, parts) => Reflect.construct(RealDate, parts.length === 0 ? [now()] : parts),
  apply: () => new RealDate(now()).toString(),
  get: (_, name) => (name === "now" ? now : Reflect.get(RealDate, name)),
});
