// Error bodies in the forms that servers send them, with what each has to be taken for. Data: long, to be read as a list.

/** An error body as OpenAI writes them. */
export const openai = (message: string, type: string, code: string | null, param: string | null = null) => ({
  error: { message, type, param, code },
});

/** Who, status, body, what it is. */
export const FAILURE_BODIES: [string, number, unknown, string][] = [
  [
    "OpenAI wrong key",
    401,
    openai("Incorrect API key provided: sk-abc***xyz.", "invalid_request_error", "invalid_api_key"),
    "config",
  ],
  [
    "OpenAI unknown model",
    404,
    openai(
      "The model `gpt-9` does not exist or you do not have access to it.",
      "invalid_request_error",
      "model_not_found",
    ),
    "config",
  ],
  [
    "OpenAI no money",
    429,
    openai(
      "You exceeded your current quota, please check your plan and billing details.",
      "insufficient_quota",
      "insufficient_quota",
    ),
    "billing",
  ],
  [
    "OpenAI requests a minute",
    429,
    openai(
      "Rate limit reached for gpt-x in organization org-1 on requests per min (RPM): Limit 3, Used 3. Please try again in 20s.",
      "requests",
      "rate_limit_exceeded",
    ),
    "throttled",
  ],
  [
    "OpenAI requests a day",
    429,
    openai(
      "Rate limit reached for gpt-x on requests per day (RPD): Limit 200, Used 200. Please try again in 7m12s.",
      "requests",
      "rate_limit_exceeded",
    ),
    "daily-quota",
  ],
  [
    "OpenAI one request above the limit",
    429,
    openai(
      "Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 35000. The input or output tokens must be reduced in order to run successfully.",
      "tokens",
      "rate_limit_exceeded",
    ),
    "too-long",
  ],
  [
    "OpenAI context",
    400,
    openai(
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
      "invalid_request_error",
      "context_length_exceeded",
      "messages",
    ),
    "too-long",
  ],
  [
    "OpenAI usage policy",
    400,
    openai(
      "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
      "invalid_request_error",
      "invalid_prompt",
    ),
    "content",
  ],
  [
    "OpenAI schema",
    400,
    openai("Invalid schema for response_format 'classify'", "invalid_request_error", null, "response_format"),
    "config",
  ],
  [
    "OpenAI parameter",
    400,
    openai(
      "Unsupported parameter: 'max_tokens' is not supported with this model.",
      "invalid_request_error",
      "unsupported_parameter",
      "max_tokens",
    ),
    "config",
  ],
  [
    "OpenAI limit above the model's",
    400,
    openai(
      "max_tokens is too large: 99999. This model supports at most 16384 completion tokens; maximum context length 128000",
      "invalid_request_error",
      null,
      "max_tokens",
    ),
    "config",
  ],
  [
    "OpenAI fault",
    500,
    openai("The server had an error while processing your request.", "server_error", null),
    "transient",
  ],
  [
    "OpenAI overloaded",
    503,
    openai("The engine is currently overloaded, please try again later.", "server_error", null),
    "transient",
  ],
  [
    "Azure filter",
    400,
    {
      error: {
        message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        type: null,
        param: "prompt",
        code: "content_filter",
        status: 400,
        innererror: { code: "ResponsibleAIPolicyViolation" },
      },
    },
    "content",
  ],
  [
    "Azure rate",
    429,
    {
      error: {
        code: "429",
        message:
          "Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your current pricing tier. Please retry after 26 seconds.",
      },
    },
    "throttled",
  ],
  [
    "Azure deployment",
    404,
    { error: { code: "DeploymentNotFound", message: "The API deployment for this resource does not exist." } },
    "config",
  ],
  [
    "Anthropic no credit",
    400,
    {
      type: "error",
      error: { type: "invalid_request_error", message: "Your credit balance is too low to access the API." },
    },
    "billing",
  ],
  [
    "Anthropic long prompt",
    400,
    {
      type: "error",
      error: { type: "invalid_request_error", message: "prompt is too long: 210000 tokens > 200000 maximum" },
    },
    "too-long",
  ],
  [
    "Anthropic overloaded",
    529,
    { type: "error", error: { type: "overloaded_error", message: "Overloaded" } },
    "transient",
  ],
  [
    "Anthropic permission",
    403,
    {
      type: "error",
      error: {
        type: "permission_error",
        message: "Your API key does not have permission to use the specified resource.",
      },
    },
    "config",
  ],
  [
    "Anthropic size",
    413,
    {
      type: "error",
      error: { type: "request_too_large", message: "Request exceeds the maximum allowed number of bytes." },
    },
    "too-long",
  ],
  [
    "Groq tokens a day",
    429,
    openai(
      "Rate limit reached for model `llama` in organization `org_1` service tier `on_demand` on tokens per day (TPD): Limit 100000, Used 99999, Requested 300. Please try again in 4m18.3s.",
      "tokens",
      "rate_limit_exceeded",
    ),
    "daily-quota",
  ],
  [
    "Groq no JSON",
    400,
    {
      error: {
        message: "Failed to generate JSON. Please adjust your prompt.",
        type: "invalid_request_error",
        code: "json_validate_failed",
        failed_generation: "…",
      },
    },
    "malformed",
  ],
  [
    "Groq above the minute",
    413,
    openai(
      "Request too large for model `llama` on tokens per minute (TPM): Limit 6000, Requested 7000",
      "tokens",
      "rate_limit_exceeded",
    ),
    "too-long",
  ],
  [
    "Google free minute",
    429,
    [
      {
        error: {
          code: 429,
          message: "You exceeded your current quota, please check your plan and billing details.",
          status: "RESOURCE_EXHAUSTED",
          details: [
            { violations: [{ quotaId: "GenerateRequestsPerMinutePerProjectPerModel-FreeTier" }] },
            { retryDelay: "34s" },
          ],
        },
      },
    ],
    "throttled",
  ],
  [
    "Google free day",
    429,
    [
      {
        error: {
          code: 429,
          message: "You exceeded your current quota, please check your plan and billing details.",
          status: "RESOURCE_EXHAUSTED",
          details: [{ violations: [{ quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier" }] }],
        },
      },
    ],
    "daily-quota",
  ],
  [
    "Google prepaid",
    429,
    { error: { code: 429, message: "Your prepayment credits are depleted.", status: "RESOURCE_EXHAUSTED" } },
    "billing",
  ],
  [
    "Google wrong key",
    400,
    {
      error: {
        code: 400,
        message: "API key not valid. Please pass a valid API key.",
        status: "INVALID_ARGUMENT",
        details: [{ reason: "API_KEY_INVALID" }],
      },
    },
    "config",
  ],
  [
    "Google context",
    400,
    {
      error: {
        code: 400,
        message: "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        status: "INVALID_ARGUMENT",
      },
    },
    "too-long",
  ],
  [
    "Google overloaded",
    503,
    { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } },
    "transient",
  ],
  [
    "Anthropic rate",
    429,
    {
      type: "error",
      error: {
        type: "rate_limit_error",
        message: "This request would exceed your organization's rate limit of 50,000 input tokens per minute.",
      },
    },
    "throttled",
  ],
  [
    "Anthropic prompt and answer",
    400,
    {
      type: "error",
      error: {
        type: "invalid_request_error",
        message: "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
      },
    },
    "too-long",
  ],
  [
    "Mistral rate",
    429,
    { object: "error", message: "Rate limit exceeded", type: "rate_limited", code: "1300" },
    "throttled",
  ],
  [
    "Mistral context",
    400,
    { object: "error", message: "Prompt contains 45000 tokens, too large for model with 32768 maximum context length" },
    "too-long",
  ],
  [
    "Cohere trial",
    429,
    { message: "You are using a Trial key, which is limited to 1000 API calls / month." },
    "billing",
  ],
  ["Bedrock rate", 429, { message: "Too many requests, please wait before trying again." }, "throttled"],
  ["Bedrock day", 429, { message: "Too many tokens per day, please wait before trying again." }, "daily-quota"],
  ["Bedrock context", 400, { message: "Input is too long for requested model." }, "too-long"],
  ["Bedrock model fault", 424, { message: "The model returned an error. Please try again." }, "transient"],
  [
    "Ollama model",
    404,
    { error: { message: 'model "nope" not found, try pulling it first', type: "api_error", param: null, code: null } },
    "config",
  ],
  [
    "Ollama memory",
    500,
    { error: "model requires more system memory (5.6 GiB) than is available (3.1 GiB)" },
    "config",
  ],
  [
    "vLLM context",
    400,
    {
      object: "error",
      message:
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens. Please reduce the length of the messages.",
      type: "BadRequestError",
      param: null,
      code: 400,
    },
    "too-long",
  ],
  [
    "vLLM extra field",
    422,
    {
      detail: [
        { type: "extra_forbidden", loc: ["body", "max_completion_tokens"], msg: "Extra inputs are not permitted" },
      ],
    },
    "config",
  ],
  [
    "llama.cpp context",
    400,
    {
      error: {
        code: 400,
        message: "the request exceeds the available context size, try increasing it",
        type: "exceed_context_size_error",
      },
    },
    "too-long",
  ],
  ["OpenRouter no credit", 402, { error: { message: "Insufficient credits", code: 402 } }, "billing"],
  [
    "OpenRouter moderation",
    403,
    {
      error: {
        message: "openai/gpt-x requires moderation. Your input was flagged.",
        code: 403,
        metadata: { reasons: ["violence"] },
      },
    },
    "content",
  ],
  [
    "OpenRouter free day",
    429,
    { error: { message: "Rate limit exceeded: free-models-per-day", code: 429 } },
    "daily-quota",
  ],
  [
    "OpenRouter passes on",
    400,
    { error: { message: "Provider returned error", code: 400, metadata: { raw: '{"error":"prompt is too long"}' } } },
    "too-long",
  ],
  ["DeepSeek no money", 402, openai("Insufficient Balance", "unknown_error", "invalid_request_error"), "billing"],
  ["a proxy's HTML", 502, "<html><body>Bad gateway</body></html>", "transient"],
  ["a proxy's HTML", 403, "<html><body>Forbidden</body></html>", "config"],
  ["an empty body", 504, "", "transient"],
  ["an empty body", 429, "", "throttled"],
  ["an empty body", 408, "", "transient"],
  ["an empty body", 409, "", "transient"],
  ["an empty body", 400, "", "config"],
  ["an empty body", 418, "", "config"],
  ["a redirect", 307, "", "config"],
];
