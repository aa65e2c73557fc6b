import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { QuerymillError } from "../errors.ts";
import type { StateIdentity } from "../state/identity.ts";

/** Which job a process answers for and where it can be reached, as it is written down in the job's folder. */
export interface ControlRecord extends StateIdentity {
  readonly pid: number;
  readonly host: string;
  /** ISO time. */
  readonly since: string;
  /** Path of a Unix socket, or name of a pipe of Windows. */
  readonly address: string;
  readonly version: number;
}

/** Systems take 104 to 108 bytes for the path of a socket, its end included. */
const LONGEST_ADDRESS_BYTES = 100;
const RECORD = "control.json";

/** Everything about the control of a job, inside of its folder. */
export function controlFolder(jobFolder: string): string {
  return join(resolve(jobFolder), "control");
}

/**
 * Where the socket of a job may be, the best place first: beside its state, where whoever mounts the folder has it too.
 * Where that path is too long, or the file system has no sockets, in a folder of this user for what runs.
 */
export function addressesOf(jobFolder: string, platform: NodeJS.Platform = process.platform): string[] {
  const folder = controlFolder(jobFolder);
  const hash = createHash("sha256").update(folder).digest("hex").slice(0, 16);
  if (platform === "win32") return [`\\\\.\\pipe\\querymill-${hash}`];
  const near = join(folder, "s");
  const far = join(runtimeFolder(), `${hash}.s`);
  return Buffer.byteLength(near) <= LONGEST_ADDRESS_BYTES ? [near, far] : [far];
}

function runtimeFolder(): string {
  return join(process.env.XDG_RUNTIME_DIR || tmpdir(), `querymill-${process.getuid?.() ?? ""}`);
}

/** Makes a folder for this user only. @throws QuerymillError STATE_UNWRITABLE when it is not ours, or open to others */
export function makeOwnFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (process.platform === "win32") return;
  const { uid, mode } = lstatSync(folder);
  const isOurs = uid === process.getuid?.();
  if (isOurs && lstatSync(folder).isDirectory()) {
    if ((mode & 0o077) !== 0) chmodSync(folder, 0o700);
    return;
  }
  throw new QuerymillError(
    "STATE_UNWRITABLE",
    `${folder} belongs to another user, so no socket is opened there. Remove it, or set XDG_RUNTIME_DIR to a folder of yours.`,
  );
}

export function writeRecord(jobFolder: string, record: ControlRecord): void {
  writeFileSync(join(controlFolder(jobFolder), RECORD), `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/** @returns null when there is none, or none that can be read; whether its process lives is not looked at */
export function readRecord(jobFolder: string): ControlRecord | null {
  try {
    return JSON.parse(readFileSync(join(controlFolder(jobFolder), RECORD), "utf8")) as ControlRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") throw error;
    return null;
  }
}

export function recordPath(jobFolder: string): string {
  return join(controlFolder(jobFolder), RECORD);
}
