import type { HttpBindings } from "@hono/node-server";
import type { Context, Hono, MiddlewareHandler } from "hono";
import { API, type Role } from "./api.ts";
import type { FailedLogins } from "./failed-logins.ts";
import { refuse } from "./problem.ts";
import type { Session, Sessions } from "./session.ts";

/** What the routes behind the gate know of a request. */
export interface Behind {
  Bindings: HttpBindings;
  Variables: { session: Session };
}

/** What a tenant's routes, or a job's, are handed by the gate. */
export interface Inside {
  Bindings: HttpBindings & {
    readonly session: Session;
    /** Of every answer. */
    readonly safeHeaders: Headers;
  };
  Variables: { session: Session };
}
export type DashboardApp = Hono<Behind>;
export type DashboardContext = Context<Behind>;
export type SiteApp = Hono<Inside>;
export type SiteContext = Context<Inside>;

export interface GateOptions {
  readonly sessions: Sessions;
  readonly failedLogins: FailedLogins;
  /** Of the server: part of the cookie's name, so that two dashboards of one host do not take each other's. */
  readonly port: () => number;
  /** Names under which the dashboard is opened. */
  readonly hosts: readonly string[];
  /** The one tenant that is served; null: several, each below `/t/NAME`. */
  readonly only: string | null;
  /** Told of tokens that are none of ours, now and then. @param address of the last */
  readonly onFailedLogins: (tokens: number, address: string) => void;
}

export const MOST_BODY_BYTES = 64 * 1_024;
const MOST_COOKIES = 8_192;
export const NOTHING_HERE = "There is nothing here.";

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
};

/** What every request passes, before anything is answered: who may ask, from where, and how large. */
export async function mountGate(app: DashboardApp, options: GateOptions): Promise<void> {
  const { bodyLimit } = await import("hono/body-limit");
  app.use(async (context, next) => {
    for (const [name, value] of Object.entries(HEADERS)) context.header(name, value);
    if (isOfAnotherSite(context, options.hosts))
      return refuse(context, 403, "FORBIDDEN", "The dashboard answers its own page only, and no other site's.");
    await next();
  });
  app.use(`${API}/*`, onlyOurRequests);
  app.use(
    `${API}/*`,
    bodyLimit({
      maxSize: MOST_BODY_BYTES,
      onError: (context) => refuse(context, 413, "TOO_LARGE", `A request has at most ${MOST_BODY_BYTES} bytes.`),
    }),
  );
  app.post(`${API}/session`, (context) => login(context, options));
  app.use(`${API}/*`, onlySessions(options));
}

/** The tenant that a path of the API is about; null: none, or all. */
export function tenantIn(path: string): string | null {
  return path.startsWith(`${API}/t/`) ? (path.slice(API.length + 3).split("/")[0] ?? null) : null;
}

/** The role of whoever asks. */
export const roleOf = (context: { get(name: "session"): Session }): Role => context.get("session").role;

/** Where a request came from, as the log and others are told. */
export function addressOf(context: { readonly env: unknown }): string {
  const { socket } = (context.env as HttpBindings).incoming;
  return (socket.remoteAddress ?? "unknown").replace(/^::ffff:/, "");
}

/** The body as JSON; undefined when it is none. */
export async function bodyOf(context: { readonly req: { text(): Promise<string> } }): Promise<unknown> {
  const text = await context.req.text();
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A page of another site may lead here, and nothing more. Another port of this machine is another site. */
function isOfAnotherSite(context: Context, hosts: readonly string[]): boolean {
  const header = (name: string): string | undefined => context.req.header(name);
  const origin = header("origin");
  if (origin !== undefined && !isOurs(origin, header("host") ?? "", hosts)) return true;
  const site = header("sec-fetch-site");
  if (site === undefined || site === "same-origin" || site === "none") return false;
  const isLink = header("sec-fetch-mode") === "navigate" && header("sec-fetch-dest") === "document";
  return !(isLink && context.req.method === "GET" && !context.req.path.startsWith(`${API}/`));
}

function isOurs(origin: string, host: string, hosts: readonly string[]): boolean {
  if (!URL.canParse(origin)) return false;
  const { host: from, hostname, protocol } = new URL(origin);
  if (protocol !== "http:" && protocol !== "https:") return false;
  return from === host.toLowerCase() || hosts.some((name) => name.toLowerCase() === hostname);
}

/** A form or a link of another page cannot send a header of its own. */
const onlyOurRequests: MiddlewareHandler = async (context, next) => {
  const { method } = context.req;
  if (method === "GET" || method === "HEAD") return await next();
  if (method !== "POST") return refuse(context, 405, "USAGE", "Only GET and POST are answered.");
  if (context.req.header("x-querymill") !== "1")
    return refuse(context, 403, "FORBIDDEN", "A request that changes something needs the header x-querymill: 1.");
  if (!/^application\/json(;|$)/i.test(context.req.header("content-type") ?? ""))
    return refuse(context, 415, "USAGE", "A request that changes something is JSON: content-type: application/json.");
  await next();
};

async function login(context: Context, options: GateOptions): Promise<Response> {
  const body = await bodyOf(context);
  const token = (body as { token?: unknown } | null | undefined)?.token;
  const made = typeof token === "string" ? options.sessions.login(token) : null;
  if (made !== null) {
    giveCookie(context, options.port, made.value, made.session.untilMs);
    return context.body(null, 204);
  }
  const untold = options.failedLogins.count();
  if (untold !== null) options.onFailedLogins(untold, addressOf(context));
  if (await options.failedLogins.slow())
    return refuse(
      context,
      401,
      "LOGIN_NEEDED",
      "This token is not of this start of the dashboard. Open the link that it shows.",
    );
  context.header("retry-after", "5");
  return refuse(context, 429, "TOO_MANY", "Too many wrong tokens at a time. Try again in some seconds.");
}

function onlySessions({ sessions, port, only }: GateOptions): MiddlewareHandler<Behind> {
  return async (context, next) => {
    const session = sessions.read(cookieOf(context, port) ?? "");
    if (session === null)
      return refuse(
        context,
        401,
        "LOGIN_NEEDED",
        "Open the link that the dashboard showed when it started: it has the token.",
      );
    const { path, method } = context.req;
    // Before anything else: what is not theirs is not there, whatever they want of it.
    if (session.tenant !== null && path !== `${API}/session` && (only ?? tenantIn(path)) !== session.tenant)
      return refuse(context, 404, "NOT_FOUND", NOTHING_HERE);
    if (method === "POST" && session.role !== "operator")
      return refuse(context, 403, "READ_ONLY", "You may look and not change anything: this is a link for readers.");
    const renewed = sessions.renewed(session);
    if (renewed !== null) giveCookie(context, port, renewed.value, renewed.session.untilMs);
    context.set("session", renewed?.session ?? session);
    await next();
  };
}

const cookieName = (port: () => number): string => `querymill-${port()}`;

/** Behind https it goes over https only. The header may be made up: all that it can do is keep the cookie back. */
function giveCookie(context: Context, port: () => number, value: string, untilMs: number): void {
  const isSecure = context.req.header("x-forwarded-proto")?.split(",")[0]?.trim() === "https";
  const seconds = Math.round((untilMs - Date.now()) / 1_000);
  const parts = [`${cookieName(port)}=${value}`, "Path=/", `Max-Age=${seconds}`, "HttpOnly", "SameSite=Strict"];
  context.header("set-cookie", [...parts, ...(isSecure ? ["Secure"] : [])].join("; "));
}

function cookieOf(context: Context, port: () => number): string | undefined {
  const header = context.req.header("cookie") ?? "";
  if (header.length > MOST_COOKIES) return undefined;
  const start = `${cookieName(port)}=`;
  return header
    .split(/;\s*/)
    .find((pair) => pair.startsWith(start))
    ?.slice(start.length);
}
