import { join } from "node:path";
import { nodeFileSystem, replaceFile } from "../state/files.ts";
import { decodeFrames, encodeFrame } from "../state/frame.ts";
import { refuseForeign, type StateIdentity } from "../state/identity.ts";
import type { RulesState } from "./rules.ts";

const NAME = "notifications.json";

/**
 * @param folder the job's state folder
 * @returns null when there is none, or none that is whole
 * @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's)
 */
export async function readRulesState(folder: string, identity: StateIdentity): Promise<RulesState | null> {
  const path = join(folder, NAME);
  const data = await nodeFileSystem.read(path);
  const frame = data === null ? undefined : decodeFrames(data).next().value;
  if (frame === undefined || frame.kind !== "record") return null;
  const found = JSON.parse(frame.json) as RulesState & StateIdentity;
  refuseForeign(path, found, identity);
  return found;
}

/** Durable when it returns. Never takes the reserve of a run. */
export async function writeRulesState(folder: string, identity: StateIdentity, state: RulesState): Promise<void> {
  const { tenant, job, range } = identity;
  await nodeFileSystem.makeFolder(folder);
  await replaceFile(
    nodeFileSystem,
    join(folder, NAME),
    encodeFrame(state.made, JSON.stringify({ tenant, job, range, ...state })),
  );
}

/** How many notifications of a channel wait for their group, for the end of quiet hours or for room in the hour. */
export function heldFor(state: RulesState | null, channel: string): number {
  const lane = state?.lanes[channel];
  return lane === undefined ? 0 : lane.held.length + lane.more;
}
