/**
 * A process that runs a job with `--recover` and a model that answers by itself, and dies of one text, as a process does
 * that runs out of memory. Its argument: the job's settings as JSON. Writes the end of the run as JSON.
 */
import { type JobSettings, slotCeiling } from "../../src/job.ts";
import { prepareExecution } from "../../src/jobs/wiring.ts";
import { openOpenAiCompatible } from "../../src/llm/openai-compatible.ts";

const settings = JSON.parse(process.argv[2]!) as JobSettings;
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
const execution = await prepareExecution(
  { ...settings, recover: true },
  {
    provider: {
      ...provider,
      async call(request, signal) {
        const reply = await provider.call(request, signal);
        if (!request.text.includes("poison")) return reply;
        setImmediate(() => {
          throw new Error("no text can be as bad as this one");
        });
        return await new Promise<never>(() => {});
      },
    },
  },
);
process.stdout.write(JSON.stringify(await execution.run()));
