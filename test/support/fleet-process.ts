/**
 * A process of a fleet: `run` shares a job out, `worker` takes ranges of it, and so does `mortal`, which ends at a text with
 * "poison". Arguments: which of them, and the job's settings as JSON. Tells what happens as JSON lines.
 */
import { openWorker } from "../../src/cluster/open-worker.ts";
import { type JobSettings, slotCeiling } from "../../src/job.ts";
import { prepareExecution } from "../../src/jobs/wiring.ts";
import { openOpenAiCompatible } from "../../src/llm/openai-compatible.ts";
import type { ModelProvider } from "../../src/llm/provider.ts";

const [role, json] = process.argv.slice(2);
const settings = JSON.parse(json!) as JobSettings;
const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

if (role === "run") {
  const execution = await prepareExecution(settings);
  execution.events.onAny((event, payload) => {
    if (event !== "execution:end") say({ event, ...payload });
  });
  process.on("SIGTERM", () => execution.stop("signal"));
  const looking = setInterval(() => {
    const { fleet, counters } = execution.snapshot();
    if (fleet !== undefined) say({ event: "fleet", fleet, counters });
  }, 500);
  try {
    say({ event: "execution:end", ...(await execution.run()) });
  } finally {
    clearInterval(looking);
  }
} else {
  const { worker, close } = await openWorker(settings, {
    idleMs: null,
    tell: say,
    ...(role === "mortal" ? { provider: poisonable() } : {}),
  });
  process.on("SIGTERM", () => worker.stop());
  try {
    await worker.run();
  } finally {
    await close();
  }
}

/** Dies of one text, as a process does that runs out of memory. */
function poisonable(): ModelProvider {
  const provider = openOpenAiCompatible({
    provider: settings.model.provider,
    model: settings.model.name,
    endpoint: "main",
    baseUrl: settings.model.baseUrl!,
    apiKey: null,
    connections: slotCeiling(settings),
    connectMs: settings.deadlines.connectMs,
    attemptMs: settings.deadlines.attemptMs,
  });
  return {
    ...provider,
    async call(request, signal) {
      const reply = await provider.call(request, signal);
      if (!request.text.includes("poison")) return reply;
      process.kill(process.pid, "SIGKILL");
      return await new Promise<never>(() => {});
    },
  };
}
