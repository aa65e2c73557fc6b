import { request } from "node:http";
import { userInfo } from "node:os";
import { QuerymillError } from "../errors.ts";
import { currentOwner } from "../state/owner.ts";
import { type ControlRecord, controlFolder, readRecord } from "./place.ts";
import { type Body, BY_HEADER, CONTROL_VERSION, type Done, type Refusal, type Status, type Verb } from "./protocol.ts";

/** How long an answer may take, in ms: a busy process is late, one that hangs never answers. */
const ANSWER_MS = 10_000;

/** How a running process is reached and told what to do. */
export interface ControlClient {
  readonly record: ControlRecord;
  /** @throws QuerymillError CONTROL_UNREACHABLE */
  status(): Promise<Status>;
  /** @throws QuerymillError CONTROL_UNREACHABLE; what the process refuses, in its words */
  tell<V extends Verb>(verb: V, body: Body<V>): Promise<Done>;
  /** True as long as the process answers for the job. */
  isThere(): boolean;
}

/**
 * Finds the process that answers for a job.
 * @param by who asks, as its log and panel tell it @default this user and process
 * @returns null when none does
 * @throws QuerymillError CONTROL_UNREACHABLE when the job belongs to another user
 */
export function findControl(jobFolder: string, by = `${userName()}, process ${process.pid}`): ControlClient | null {
  const isThere = (): boolean => currentOwner(controlFolder(jobFolder)) !== null;
  let record: ControlRecord | null;
  try {
    record = readRecord(jobFolder);
  } catch (error) {
    throw foreign(jobFolder, error);
  }
  if (record === null || !isThere()) return null;
  const { address, pid } = record;
  const exchange = async <T>(method: "GET" | "POST", name: string, body: object | null): Promise<T> => {
    const { status, text } = await send(address, { method, path: `/v${CONTROL_VERSION}/${name}`, by, body }).catch(
      (error: unknown) => {
        throw (error as NodeJS.ErrnoException).code === "EACCES"
          ? foreign(address, error)
          : silent(pid, address, error);
      },
    );
    const value = parsed<T | Refusal>(text);
    // Busy for too long, a process answers with nothing.
    if (value === null) throw silent(pid, address, new Error(`it answered ${status}`));
    if (status === 200) return value as T;
    const { code, message } = (value as Refusal).error;
    throw new QuerymillError(code === "BUG" ? "CONTROL_UNREACHABLE" : (code as QuerymillError["code"]), message);
  };
  return {
    record,
    isThere,
    status: () => exchange("GET", "status", null),
    tell: (verb, body) => exchange("POST", verb, body),
  };
}

function send(
  socketPath: string,
  asked: { readonly method: string; readonly path: string; readonly by: string; readonly body: object | null },
): Promise<{ status: number; text: string }> {
  const { method, path, by, body } = asked;
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", [BY_HEADER]: by };
    const out = request({ socketPath, method, path, headers, signal: AbortSignal.timeout(ANSWER_MS) }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    out.on("error", reject);
    out.end(body === null ? undefined : JSON.stringify(body));
  });
}

function foreign(path: string, cause: unknown): QuerymillError {
  return new QuerymillError(
    "CONTROL_UNREACHABLE",
    `${path} belongs to another user, and only that user can control the run (root can too). Use sudo -u USER.`,
    { cause },
  );
}

function silent(pid: number, address: string, cause: unknown): QuerymillError {
  return new QuerymillError(
    "CONTROL_UNREACHABLE",
    `Process ${pid} runs the job, but does not answer at ${address}: it is stopped, very busy or just ending. Try again; kill -TERM ${pid} drains it as well.`,
    { cause },
  );
}

/** @returns null for what is no JSON */
function parsed<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}

/** A container may run as a user that no list of users knows. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? "unknown"}`;
  }
}
