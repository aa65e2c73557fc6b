import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import type { Context, Hono } from "hono";
import type { ListenSettings } from "../config/metrics.ts";
import { QuerymillError } from "../errors.ts";
import { isAllowedHost } from "./allowed-host.ts";

/** What differs between the servers of a process. */
export interface ServerManners {
  /** As messages name the setting that says where it listens: `--metrics`. */
  readonly option: string;
  /** The setting of the names under which it may be asked. */
  readonly hostsOption: string;
  /** Connections at a time; those beyond are closed at once. */
  readonly connections: number;
  /** What a refusal looks like. */
  readonly problem: (message: string) => object;
  /** Mounts what takes a moment to load; nobody can ask before. @default nothing */
  readonly mount?: (app: Hono) => Promise<void>;
}

const METRICS_MANNERS: ServerManners = {
  option: "--metrics",
  hostsOption: "metrics.hosts",
  connections: 64,
  problem: (error) => ({ error }),
};

/** A small HTTP server: whoever has something to show mounts it on `app` before anybody asks. */
export interface HttpServer {
  readonly app: Hono;
  /** `http://127.0.0.1:9464` */
  readonly url: string;
  /** Cuts what is under way. */
  close(): Promise<void>;
}

const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
const IDLE_MS = 15_000;

/**
 * Listens. Whoever asks under a name that is not ours is refused: a page in a browser could have its own name point here.
 * @throws QuerymillError USAGE when it cannot listen there
 */
export async function openHttpServer(
  settings: ListenSettings,
  manners: ServerManners = METRICS_MANNERS,
): Promise<HttpServer> {
  const { problem, hostsOption } = manners;
  const [{ Hono }, { createAdaptorServer }] = await Promise.all([import("hono"), import("@hono/node-server")]);
  const app = new Hono();
  const names = [...settings.hosts, settings.host, hostname()];
  app.use(async (context, next) => {
    context.header("cache-control", "no-store");
    context.header("x-content-type-options", "nosniff");
    const host = context.req.header("host") ?? "";
    if (!isAllowedHost(host, names, settings.host))
      return context.json(
        problem(
          `This server is not known under that name. Ask for its address, or name it in ${hostsOption} of the file.`,
        ),
        403,
      );
    await next();
  });
  app.notFound((context) => context.json(problem("There is nothing here."), 404));
  app.onError((_error, context) => context.json(problem("This could not be told. The log has the reason."), 500));
  await manners.mount?.(app);
  const server = createAdaptorServer({
    fetch: app.fetch,
    // What this process asks others has its own Request and Response.
    overrideGlobalObjects: false,
    serverOptions: {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: IDLE_MS,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 8 * 1024,
    },
  }) as Server;
  server.maxConnections = manners.connections;
  await listen(server, settings, manners.option);
  // A run ends when it ends, whoever is connected.
  server.unref();
  const { address, port, family } = server.address() as AddressInfo;
  return {
    app,
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Makes a path answer GET and HEAD, and nothing else. */
export function mount(app: Hono, path: string, answer: (context: Context) => Response | Promise<Response>): void {
  app.get(path, answer);
  app.all(path, (context) => context.json({ error: "Only GET and HEAD are answered." }, 405, { allow: "GET, HEAD" }));
}

async function listen(server: Server, settings: ListenSettings, option: string): Promise<void> {
  const { host, port, shown, elseFree = false } = settings;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "EADDRINUSE" && elseFree) return await listen(server, { ...settings, port: 0 }, option);
    const why = REASONS[code] ?? `it cannot be listened to (${code}). Choose another port or host.`;
    throw new QuerymillError("USAGE", `${`${option} ${shown}`.trimEnd()}: ${why}`, { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is taken, perhaps by another run. Choose another one; 0 takes a free one.",
  EACCES: "this user may not listen there: ports below 1024 are for root. Choose a higher one.",
  EADDRNOTAVAIL: "this machine does not have that address. Use one of its own, or 0.0.0.0 for all of them.",
  ENOTFOUND: "there is no such host. Use an address of this machine, or 0.0.0.0 for all of them.",
  EAI_AGAIN: "that host cannot be looked up now. Use an address of this machine, or 0.0.0.0 for all of them.",
};
