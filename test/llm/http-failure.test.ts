import { describe, expect, it } from "vitest";
import { connectionFailure, httpFailure, quotable } from "../../src/llm/http-failure.ts";
import { FAILURE_BODIES, openai } from "./failure-bodies.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
describe("a status and a body", () => {
  it.each(FAILURE_BODIES)("of %s (%i) are told apart", (_who, status, body, failure) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    expect(httpFailure(status, text, null, NOW).failure).toBe(failure);
  });

  it("with a long wait are a daily quota", () => {
    expect(httpFailure(429, "", 600_000, NOW).failure).toBe("throttled");
    expect(httpFailure(429, "", 600_001, NOW).failure).toBe("daily-quota");
  });

  it("give the wait that only the body names", () => {
    const waitOf = (status: number, body: unknown) => httpFailure(status, JSON.stringify(body), null, NOW).retryAfterMs;
    expect(waitOf(429, openai("Please try again in 1m2.5s.", "tokens", null))).toBe(62_500);
    expect(waitOf(429, { error: { message: "Please retry after 26 seconds." } })).toBe(26_000);
    expect(waitOf(429, { error: { details: [{ retryDelay: "34s" }] } })).toBe(34_000);
    expect(waitOf(429, { error: { message: "Please retry after some time." } })).toBeNull();
    expect(httpFailure(429, JSON.stringify(openai("try again in 9s", "x", null)), 1_000, NOW).retryAfterMs).toBe(1_000);
  });

  it("say status and codes, and nothing of the server's free text", () => {
    const body = JSON.stringify(
      openai("Incorrect API key provided: sk-abc", "invalid_request_error", "invalid_api_key"),
    );
    expect(httpFailure(401, body, null, NOW).said).toBe("401 invalid_api_key invalid_request_error");
    const odd = JSON.stringify({ error: { code: "my name is Ann and I live in Rome", message: "x" } });
    expect(httpFailure(400, odd, null, NOW).said).toBe("400");
  });

  it("name the parameter that is refused", () => {
    const parameterOf = (body: unknown) => httpFailure(400, JSON.stringify(body), null, NOW).parameter;
    expect(parameterOf(openai("no", "x", null, "temperature"))).toBe("temperature");
    expect(parameterOf({ detail: [{ loc: ["body", "max_completion_tokens"], msg: "no" }] })).toBe(
      "max_completion_tokens",
    );
    expect(parameterOf({ error: "no" })).toBeNull();
  });
});

describe("a connection that broke", () => {
  it.each([
    ["ECONNREFUSED", false, "transient"],
    ["ECONNRESET", false, "transient"],
    ["UND_ERR_CONNECT_TIMEOUT", false, "transient"],
    ["EAI_AGAIN", false, "transient"],
    ["ENOTFOUND", false, "config"],
    ["CERT_HAS_EXPIRED", false, "config"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", false, "config"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", false, "config"],
    ["SELF_SIGNED_CERT_IN_CHAIN", false, "config"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", false, "config"],
    ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", false, "config"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", false, "config"],
    ["EPROTO", false, "config"],
    ["ECONNRESET", true, "unknown-outcome"],
    ["UND_ERR_SOCKET", true, "unknown-outcome"],
    ["", true, "unknown-outcome"],
  ])("with %s, sent: %s, is %s", (code, sent, failure) => {
    expect(connectionFailure(code, sent)).toBe(failure);
  });
});

describe("a server's sentence", () => {
  it("is quoted only when it repeats nothing of the customer and shows no key", () => {
    expect(quotable("The model `gpt-9` does not exist", "my parcel is late")).toBe("The model `gpt-9` does not exist");
    expect(quotable("Invalid input: 'My Parcel is late'", "hello, my parcel is late")).toBeNull();
    expect(quotable("Invalid input: late", "late")).toBeNull();
    expect(quotable("Incorrect API key provided: sk-abc***xyz", "hello, my parcel is late")).toBeNull();
    expect(quotable(null, "x")).toBeNull();
  });
});
