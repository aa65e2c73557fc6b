import type { ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import type { Browser, Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";
import type { JobSettings } from "../../src/job.ts";
import { PATIENCE_MS } from "./patience.ts";
import { makeWorkspace } from "./workspace.ts";

/** A process of the command line with a dashboard. */
export interface Serving {
  readonly child: ChildProcess;
  readonly link: string;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Exit code; null after a signal. */
  readonly ended: Promise<{ readonly code: number | null }>;
}

/** Starts a command and waits for the link that it hands over. Killed after the test. */
export async function startServing(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const { child, ended } = makeWorkspace().start(args, env);
  onTestFinished(() => void child.kill("SIGKILL"));
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name]!.on("data", (part) => {
      text[name] += part;
    });
  await expect.poll(() => text.stderr).toMatch(/http:\S+\n/);
  const link = /http:\S+/.exec(text.stderr)![0];
  return { child, link, stdout: () => text.stdout, stderr: () => text.stderr, ended };
}

/** Arguments of `querymill dashboard` for a job made by `makeJob`, on a free port. */
export function dashboardFlags({
  storeUri,
  db,
  batchDir,
  job,
}: Pick<JobSettings, "storeUri" | "db" | "batchDir" | "job">): string[] {
  const isEmbedded = storeUri.startsWith("sqlite:");
  const place = isEmbedded ? [storeUri.slice("sqlite:".length)] : [storeUri, "--db", db];
  return ["dashboard", "--port", "0", "--job", job, "--batch-dir", batchDir, "--store", ...place];
}

/** A page of one test, with everything that it complained of. */
export interface Opened {
  readonly page: Page;
  /** Errors of scripts, refusals of the policy, and whatever was asked of another place. */
  readonly complaints: readonly string[];
}

/** Opens a link in a window of its own. */
export async function openPage(
  browser: Browser,
  link: string,
  look: { readonly width?: number; readonly height?: number; readonly dark?: boolean } = {},
): Promise<Opened> {
  const { width = 1440, height = 900, dark = false } = look;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(PATIENCE_MS);
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // What the network lost is told by the page itself.
    if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text()))
      complaints.push(message.text());
  });
  const { origin } = new URL(link);
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith("data:")) complaints.push(`asked ${url}`);
  });
  page.on("dialog", (dialog) => {
    complaints.push(`a script said ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(link);
  return { page, complaints };
}

/** Goes to a place of the page, such as `#/items`, as a click on a link would. */
export async function goTo(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}

/** A port that nobody has at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
