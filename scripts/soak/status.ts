import { request } from "node:http";
import type { RunSnapshot } from "../../src/events.ts";
import type { Job } from "./job.ts";

/** What a process says of itself over its control socket; null while it does not answer. */
export async function statusOf(job: Job): Promise<{ readonly lagMs: number | null } | null> {
  const { socket } = job;
  if (socket === null) return null;
  const text = await new Promise<string | null>((resolve) => {
    const asked = request({ socketPath: socket, path: "/v1/status", timeout: 2_000 }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve(body));
    });
    asked.on("error", () => resolve(null));
    asked.on("timeout", () => asked.destroy());
    asked.end();
  });
  if (text === null) return null;
  const { snapshot } = JSON.parse(text) as { snapshot?: RunSnapshot & { lag?: { ms: number | null } } };
  return { lagMs: snapshot?.lag?.ms ?? null };
}
