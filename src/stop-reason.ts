import type { ErrorCode } from "./errors.ts";
import type { StopReason } from "./events.ts";

const STOPPING: Partial<Record<ErrorCode, StopReason>> = {
  STATE_UNWRITABLE: "disk",
  STORE_FAILED: "store",
  STORE_UNREACHABLE: "store",
  STORE_REFUSED: "store",
  FENCED: "fenced",
};

/** @returns the reason to stop for trouble of disk or store; undefined for anything else, which is a bug */
export const stopReasonOf = (code: ErrorCode): StopReason | undefined => STOPPING[code];
