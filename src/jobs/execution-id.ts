import { randomBytes } from "node:crypto";
import type { Clocks } from "../clocks.ts";

/** @returns the second it begins in, and four random digits: `20261126T140512-9f3c` */
export function newExecutionId({ now }: Clocks): string {
  const second = new Date(now()).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  return `${second}-${randomBytes(2).toString("hex")}`;
}
