import { ModelError } from "../errors.ts";
import { type EndpointSettings, type JobSettings, modelLabel, type Price } from "../job.ts";
import type { ModelProvider } from "../llm/provider.ts";
import { loadPricing } from "../llm/usage.ts";
import type { Adapters } from "./adapters.ts";
import { bad, type Finding, ok, warn } from "./finding.ts";
import { chooseAdapters } from "./wiring.ts";

/** A question without a customer in it. */
const TEST_TEXT = "Where is my order?";

/**
 * Whether each endpoint can be reached, and what its model costs. One that cannot is no obstacle while another can that
 * is asked as early.
 * @param call asks each of them one small question
 */
export async function* endpointFindings(settings: JobSettings, call: boolean): AsyncGenerator<Finding> {
  const { endpoints } = settings;
  const adapters = await chooseAdapters(settings);
  const found = await Promise.all(endpoints.map((endpoint) => lookAt(endpoint, settings, adapters, call)));
  const stuck = endpoints.every(({ fallback }, at) => fallback > 0 || found[at]!.level === "bad");
  for (const [at, { level, text }] of found.entries()) {
    const { name, fallback } = endpoints[at]!;
    const rank = fallback === 0 ? name : `${name} (fallback ${fallback})`;
    if (endpoints.length === 1) yield { name: "Model", level, text };
    else if (level !== "bad" || (stuck && fallback === 0)) yield { name: "Endpoint", level, text: `${rank}: ${text}` };
    else yield warn("Endpoint", `${rank}: ${text}`);
  }
  for (const note of adapters.notes) yield ok(settings.examples === null ? "Offline" : "Examples", note);
  yield* priceFindings(settings, adapters);
}

async function lookAt(
  endpoint: EndpointSettings,
  settings: JobSettings,
  adapters: Adapters,
  call: boolean,
): Promise<Finding> {
  const { model } = endpoint;
  let provider: ModelProvider | null = null;
  try {
    provider = await adapters.openProvider(endpoint, 1);
    const startedMs = performance.now();
    await provider.check(AbortSignal.timeout(settings.deadlines.connectMs * 2));
    const tookMs = Math.round(performance.now() - startedMs);
    if (!provider.remote) return ok("Model", `${provider.label}: needs neither key nor network`);
    if (call) return await callFinding(settings, adapters, provider);
    const key = model.apiKey === null ? "" : ", and its key is set";
    return ok(
      "Model",
      `${provider.label}: ${model.baseUrl === null ? "its host" : `the host of ${model.baseUrl}`} can be reached in ${tookMs} ms${key}. Only the host was tried, neither the path nor the key: --call asks one small question`,
    );
  } catch (error) {
    return bad("Model", error);
  } finally {
    await provider?.close();
  }
}

async function callFinding(settings: JobSettings, adapters: Adapters, provider: ModelProvider): Promise<Finding> {
  const { deadlines, maxOutputTokens } = settings;
  try {
    const request = { prompt: adapters.prompt, text: TEST_TEXT, maxOutputTokens };
    const reply = await provider.call(request, AbortSignal.timeout(deadlines.attemptMs));
    const { latencyMs, model, usage } = reply;
    const options = { confidenceKind: provider.confidenceKind, truncated: false, last: true };
    const checked = adapters.checkAnswer(reply.text, options);
    const tokens =
      usage === null
        ? "no usage returned"
        : `${number(usage.inputTokens)} tokens in, ${number(usage.outputTokens)} out`;
    const said = `${model} answered in ${Math.round(latencyMs)} ms (${tokens})`;
    if (checked.status === "valid") return ok("Model", `${said}, as the taxonomy asks`);
    return warn("Model", `${said}, but not as the taxonomy asks: ${checked.problems.join("; ")}`);
  } catch (error) {
    if (error instanceof ModelError)
      return bad("Model", `${provider.label} gave no answer: ${error.message} (${error.failure})`);
    throw error;
  }
}

/** Each price once. */
async function* priceFindings({ endpoints, prices, budget }: JobSettings, adapters: Adapters): AsyncGenerator<Finding> {
  const pricing = await loadPricing(prices);
  const seen = new Set<string>();
  for (const endpoint of endpoints) {
    const { model } = endpoint;
    if (model.provider === "offline") continue;
    const price = pricing.priceOf(model.provider, model.name);
    const finding = priceFinding(model.name, adapters.pricingOf(endpoint).priced, price, budget !== null);
    const text =
      endpoints.length > 1 && finding.level === "ok" ? `${modelLabel(model)}: ${finding.text}` : finding.text;
    if (!seen.has(text)) yield { ...finding, text };
    seen.add(text);
  }
}

function priceFinding(model: string, priced: boolean, price: Price | null, budget: boolean): Finding {
  if (priced) return ok("Price", price === null ? "known" : priceWords(price));
  if (budget)
    return bad(
      "Price",
      `the price of ${model} is not known, so the budget cannot be kept. Give it in querymill.yaml under prices.`,
    );
  return warn(
    "Price",
    `the price of ${model} is not known: costs are shown as unknown. Give it in querymill.yaml under prices.`,
  );
}

function priceWords({ input, cachedInput, output }: Price): string {
  const cached = cachedInput === undefined ? "" : `, ${cachedInput} cached`;
  return `$${input} in${cached}, $${output} out per million tokens`;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
