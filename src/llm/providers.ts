/**
 * Providers that speak the OpenAI chat protocol themselves: where they are (up to `/chat/completions`), and which
 * variable usually holds their key; null when none is needed. Any other server works by its base URL.
 */
export const OPENAI_COMPATIBLE_PROVIDERS: Readonly<
  Record<string, { readonly baseUrl: string; readonly keyVariable: string | null }>
> = {
  openai: { baseUrl: "https://api.openai.com/v1", keyVariable: "OPENAI_API_KEY" },
  ollama: { baseUrl: "http://127.0.0.1:11434/v1", keyVariable: null },
  groq: { baseUrl: "https://api.groq.com/openai/v1", keyVariable: "GROQ_API_KEY" },
  mistral: { baseUrl: "https://api.mistral.ai/v1", keyVariable: "MISTRAL_API_KEY" },
  openrouter: { baseUrl: "https://openrouter.ai/api/v1", keyVariable: "OPENROUTER_API_KEY" },
  deepseek: { baseUrl: "https://api.deepseek.com/v1", keyVariable: "DEEPSEEK_API_KEY" },
  together: { baseUrl: "https://api.together.xyz/v1", keyVariable: "TOGETHER_API_KEY" },
  fireworks: { baseUrl: "https://api.fireworks.ai/inference/v1", keyVariable: "FIREWORKS_API_KEY" },
};
