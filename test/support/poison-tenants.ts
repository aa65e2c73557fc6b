/**
 * A process that runs tenants with `--recover` and a model that answers by itself, and dies of one text, as a process does
 * that runs out of memory. Its argument: what `querymill.yaml` would say, as JSON. Writes how all ended as JSON.
 */
import { checkConfig } from "../../src/config/file.ts";
import { loadSettings } from "../../src/config/load.ts";
import { slotCeiling } from "../../src/job.ts";
import { prepareExecution } from "../../src/jobs/wiring.ts";
import { openOpenAiCompatible } from "../../src/llm/openai-compatible.ts";
import { Tenants } from "../../src/tenants/tenants.ts";

const config = JSON.parse(process.argv[2]!) as Record<string, unknown>;
const tenants = new Tenants({
  only: null,
  read: async () => checkConfig(config),
  load: (tenant) => loadSettings({ flags: { tenant, recover: true }, env: {}, cwd: process.cwd(), config }),
  prepare: async ({ settings }) => {
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
    return await prepareExecution(settings, {
      provider: {
        ...provider,
        async call(request, signal) {
          if (!request.text.includes("poison")) return await provider.call(request, signal);
          // Others have calls in flight by then.
          setTimeout(() => {
            throw new Error("no text can be as bad as this one");
          }, 150);
          return await new Promise<never>(() => {});
        },
      },
    });
  },
  beside: async () => null,
});
process.stdout.write(JSON.stringify(await tenants.run()));
