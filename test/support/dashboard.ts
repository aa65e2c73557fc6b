import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { onTestFinished } from "vitest";
import type { DashboardSettings } from "../../src/config/dashboard.ts";
import type { ListenSettings } from "../../src/config/metrics.ts";
import { API, type Problem } from "../../src/dashboard/api.ts";
import { type Dashboard, openDashboard } from "../../src/dashboard/server.ts";
import { OtherWorker, OwnWorker } from "../../src/dashboard/worker.ts";
import type { JobSettings } from "../../src/job.ts";
import type { Execution } from "../../src/jobs/execution.ts";
import { openLog } from "../../src/observe/log.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";

/** An answer as it came. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** @throws SyntaxError when it is no JSON */
  json<T>(): T;
  /** Of a {@link Problem}. */
  readonly code: string;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const PAGE = new Map([
  ["index.html", { body: "<!doctype html><title>Querymill</title>", type: "text/html; charset=utf-8" }],
  ["assets/main-1a2b.js", { body: "export {};", type: "text/javascript; charset=utf-8" }],
]);

/** A dashboard of one test and what asks it. */
export interface TestDashboard extends Dashboard {
  /** Lines of its log. */
  readonly log: readonly string[];
  /** With the token of its link. @returns the cookie */
  login(token?: string): Promise<string>;
  ask(path: string, asked?: Asked): Promise<Answer>;
  /** As its page does, with a cookie. */
  get(path: string, cookie: string): Promise<Answer>;
  post(path: string, body: unknown, cookie?: string): Promise<Answer>;
}

/** Opens a dashboard over a job. @param execution of this process; null: it looks at the state and for another process */
export async function openTestDashboard(
  settings: JobSettings,
  execution: Execution | null,
  changes: Partial<DashboardSettings> & { readonly at?: Partial<ListenSettings> } = {},
): Promise<TestDashboard> {
  const log: string[] = [];
  const { logger } = await openLog({ level: "info", file: null, write: (line) => log.push(line), secrets: [] });
  const { at, ...dashboard } = changes;
  const listen = { host: "127.0.0.1", port: 0, hosts: dashboard.hosts ?? [], shown: "0", ...at };
  const folder = new BatchFileManager(settings.batchDir, settings);
  const opened = await openDashboard({
    settings,
    dashboard: { listen, hosts: [], readOnly: false, token: null, readerToken: null, ...dashboard },
    listen,
    worker: execution === null ? new OtherWorker(folder) : new OwnWorker({ execution, reload: null }, folder),
    events: execution?.events ?? null,
    logger,
    page: async () =>
      new Map(
        [...PAGE].map(([path, { body, type }]) => {
          const bytes = Buffer.from(body);
          return [path, { body: bytes, gzipped: bytes, type }];
        }),
      ),
  });
  onTestFinished(() => opened.close());
  return { ...opened, log, ...askerOf(opened.url, opened.link) };
}

/** What asks a dashboard, as a real client does. @param link with its token */
export function askerOf(url: string, link: string): Pick<TestDashboard, "login" | "ask" | "get" | "post"> {
  const ask = (path: string, asked: Asked = {}): Promise<Answer> => askAt(`${url}${path}`, asked);
  const post = (path: string, body: unknown, cookie?: string): Promise<Answer> =>
    ask(`${API}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-querymill": "1", ...(cookie === undefined ? {} : { cookie }) },
      body: JSON.stringify(body),
    });
  return {
    ask,
    post,
    get: (path, cookie) => ask(`${API}${path}`, { headers: { cookie } }),
    login: async (token = new URL(link).hash.slice("#token=".length)) => {
      const { status, headers } = await post("/session", { token });
      if (status !== 204) throw new Error(`The login was answered with ${status}.`);
      return headers["set-cookie"]![0]!.split(";")[0]!;
    },
  };
}

/** A stream of events that is read by hand. */
export interface Stream {
  readonly response: IncomingMessage;
  /** What came so far. */
  readonly text: () => string;
  readonly request: ClientRequest;
}

/** Opens the live stream, and resolves with its headers. */
export function openStream(
  url: string,
  cookie: string,
  headers: Readonly<Record<string, string>> = {},
  path = "/live",
): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const made = request(`${url}${API}${path}`, { headers: { cookie, ...headers }, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("error", () => {});
      resolve({ response, text: () => text, request: made });
    });
    made.once("error", reject);
    made.on("error", () => {});
    made.end();
    onTestFinished(() => void made.destroy());
  });
}

function askAt(address: string, { method = "GET", headers = {}, body }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const made = request(address, { method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.once("error", reject);
      response.once("end", () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text,
          json: <T>() => JSON.parse(text) as T,
          get code() {
            return (JSON.parse(text) as Problem).error.code;
          },
        }),
      );
    });
    made.once("error", reject);
    made.end(body);
  });
}
