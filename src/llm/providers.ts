/** A provider of models: where it is, where its key is usually found, how it is spoken to. */
export interface KnownProvider {
  /** null: its package finds it, from the settings. */
  readonly baseUrl: string | null;
  /** The variable that usually holds its key; null: none needed. */
  readonly keyVariable: string | null;
  /** Other names of it, asked after `keyVariable`. */
  readonly otherKeyVariables?: readonly string[];
  /** Settings of the package that make a key unnecessary, all of them together. Empty: its own way to log in always does. */
  readonly insteadOfKey?: readonly string[];
  /** Package of the AI SDK that speaks its protocol. Without one it speaks OpenAI's chat completions. */
  readonly package?: string;
  /** What the package must be told besides, by its own names. */
  readonly settings?: Readonly<Record<string, ProviderSetting>>;
  /** Ends of the host names that are the provider's own, where `baseUrl` is null. */
  readonly hosts?: readonly string[];
  /** A server that people run themselves: what to do when it does not answer, or does not have the model. */
  readonly local?: (model: string) => LocalAdvice;
}

export interface LocalAdvice {
  readonly onSilence: string;
  readonly onUnknownModel: string;
  /** Its list of models has every name that it answers to, so that a missing one is told before the run. */
  readonly listsModels?: boolean;
}

export interface ProviderSetting {
  /** Variables that hold it, the first one that is set counts. */
  readonly variables: readonly string[];
  readonly required?: boolean;
  /** Never printed. */
  readonly secret?: boolean;
}

/** Where messages send people who know the server's address better. */
const ELSEWHERE = "or say with --base-url where it is";

/**
 * Providers that speak the OpenAI chat protocol themselves: base URLs end before `/chat/completions`. Any other server
 * works by its base URL.
 */
const OPENAI_COMPATIBLE_PROVIDERS: Readonly<Record<string, KnownProvider & { readonly baseUrl: string }>> = {
  openai: { baseUrl: "https://api.openai.com/v1", keyVariable: "OPENAI_API_KEY" },
  ollama: {
    baseUrl: "http://127.0.0.1:11434/v1",
    keyVariable: null,
    local: (model) => ({
      onSilence: `Start it with \`ollama serve\` (once before: \`ollama pull ${model}\`), ${ELSEWHERE}.`,
      onUnknownModel: `Fetch the model with \`ollama pull ${model}\`; \`ollama list\` shows which are there.`,
      listsModels: true,
    }),
  },
  vllm: {
    baseUrl: "http://127.0.0.1:8000/v1",
    keyVariable: null,
    local: (model) => ({
      onSilence: `Start it with \`vllm serve ${model}\`, ${ELSEWHERE}.`,
      onUnknownModel: `It serves the model it was started with: \`vllm serve ${model}\`, or the name of --served-model-name.`,
      listsModels: true,
    }),
  },
  lmstudio: {
    baseUrl: "http://127.0.0.1:1234/v1",
    keyVariable: null,
    local: (model) => ({
      onSilence: `Start it with \`lms server start\` (once before: \`lms get ${model}\`), ${ELSEWHERE}.`,
      onUnknownModel: `Fetch the model with \`lms get ${model}\`; \`lms ls\` shows which are there.`,
    }),
  },
  llamacpp: {
    baseUrl: "http://127.0.0.1:8080/v1",
    keyVariable: null,
    local: () => ({
      onSilence: `Start it with \`llama-server -m FILE.gguf\`, ${ELSEWHERE}.`,
      onUnknownModel: "It serves the file it was started with: `llama-server -m FILE.gguf`.",
    }),
  },
  openrouter: { baseUrl: "https://openrouter.ai/api/v1", keyVariable: "OPENROUTER_API_KEY" },
  together: { baseUrl: "https://api.together.xyz/v1", keyVariable: "TOGETHER_API_KEY" },
  fireworks: { baseUrl: "https://api.fireworks.ai/inference/v1", keyVariable: "FIREWORKS_API_KEY" },
  deepseek: { baseUrl: "https://api.deepseek.com/v1", keyVariable: "DEEPSEEK_API_KEY" },
  xai: { baseUrl: "https://api.x.ai/v1", keyVariable: "XAI_API_KEY" },
  cerebras: { baseUrl: "https://api.cerebras.ai/v1", keyVariable: "CEREBRAS_API_KEY" },
  groq: { baseUrl: "https://api.groq.com/openai/v1", keyVariable: "GROQ_API_KEY" },
  mistral: { baseUrl: "https://api.mistral.ai/v1", keyVariable: "MISTRAL_API_KEY" },
};

/** Providers with a protocol of their own, spoken by packages of the AI SDK. Their base URLs end where the packages' do. */
const AI_SDK_PROVIDERS: Readonly<Record<string, KnownProvider & { readonly package: string }>> = {
  anthropic: {
    package: "@ai-sdk/anthropic",
    baseUrl: "https://api.anthropic.com/v1",
    keyVariable: "ANTHROPIC_API_KEY",
  },
  google: {
    package: "@ai-sdk/google",
    baseUrl: "https://generativelanguage.googleapis.com/v1beta",
    keyVariable: "GOOGLE_GENERATIVE_AI_API_KEY",
    otherKeyVariables: ["GEMINI_API_KEY"],
  },
  azure: {
    package: "@ai-sdk/azure",
    baseUrl: null,
    keyVariable: "AZURE_API_KEY",
    hosts: [".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"],
    settings: {
      resourceName: { variables: ["AZURE_RESOURCE_NAME"], required: true },
      apiVersion: { variables: ["AZURE_API_VERSION"] },
    },
  },
  bedrock: {
    package: "@ai-sdk/amazon-bedrock",
    baseUrl: null,
    keyVariable: "AWS_BEARER_TOKEN_BEDROCK",
    insteadOfKey: ["accessKeyId", "secretAccessKey"],
    hosts: [".amazonaws.com"],
    settings: {
      region: { variables: ["AWS_REGION", "AWS_DEFAULT_REGION"], required: true },
      accessKeyId: { variables: ["AWS_ACCESS_KEY_ID"], secret: true },
      secretAccessKey: { variables: ["AWS_SECRET_ACCESS_KEY"], secret: true },
      sessionToken: { variables: ["AWS_SESSION_TOKEN"], secret: true },
    },
  },
  vertex: {
    package: "@ai-sdk/google-vertex",
    baseUrl: null,
    keyVariable: "GOOGLE_VERTEX_API_KEY",
    insteadOfKey: ["project", "location"],
    hosts: [".googleapis.com"],
    settings: {
      project: { variables: ["GOOGLE_VERTEX_PROJECT"] },
      location: { variables: ["GOOGLE_VERTEX_LOCATION"] },
    },
  },
  cohere: {
    package: "@ai-sdk/cohere",
    baseUrl: "https://api.cohere.com/v2",
    keyVariable: "CO_API_KEY",
    otherKeyVariables: ["COHERE_API_KEY"],
  },
};

/** Every provider that `--model PROVIDER/NAME` knows. */
export const MODEL_PROVIDERS: Readonly<Record<string, KnownProvider>> = {
  ...OPENAI_COMPATIBLE_PROVIDERS,
  ...AI_SDK_PROVIDERS,
};

/** @returns the values among a provider's settings that may not be shown */
export function secretSettings(provider: string, settings: Readonly<Record<string, string>> = {}): string[] {
  const known = Object.hasOwn(MODEL_PROVIDERS, provider) ? MODEL_PROVIDERS[provider]!.settings : undefined;
  return Object.entries(settings).flatMap(([name, value]) => (known?.[name]?.secret ? value : []));
}

/** @returns the package of the AI SDK that speaks to a provider; null: it speaks OpenAI's protocol */
export function sdkPackageOf(provider: string): string | null {
  if (/^@ai-sdk\/[a-z0-9][a-z0-9-]*$/.test(provider)) return provider;
  return Object.hasOwn(MODEL_PROVIDERS, provider) ? (MODEL_PROVIDERS[provider]!.package ?? null) : null;
}
