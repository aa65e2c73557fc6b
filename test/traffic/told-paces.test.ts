import { expect, it } from "vitest";
import { NO_LIMITS } from "../../src/rate-limits.ts";
import { LeasedShare } from "../../src/traffic/leased-share.ts";
import { RateLimiter } from "../../src/traffic/limiter.ts";
import { SharedEndpoint } from "../../src/traffic/shared-endpoint.ts";

/** Two processes that tell each other what the headers of their answers say. */
function twoProcesses() {
  let nowMs = 1_000;
  const open = () => {
    const limiter = new RateLimiter({ configured: NO_LIMITS, now: () => nowMs });
    const endpoint = new SharedEndpoint(limiter, () => {});
    const share = new LeasedShare(nowMs);
    share.lease(0.5, Number.MAX_SAFE_INTEGER, limiter.pace, nowMs);
    endpoint.join(share, () => null);
    return { limiter, endpoint };
  };
  const [a, b] = [open(), open()];
  a.endpoint.onNews = (news) => b.endpoint.hear(news);
  b.endpoint.onNews = (news) => a.endpoint.hear(news);
  const answer = ({ limiter, endpoint }: typeof a, requestsPerMinute: number): void => {
    const taken = limiter.take(10);
    nowMs += 50;
    limiter.settle(taken, 10);
    limiter.learn(taken, {
      limitRequests: requestsPerMinute,
      remainingRequests: requestsPerMinute - 1,
      resetRequestsMs: 60_000 / requestsPerMinute,
      limitTokens: null,
      remainingTokens: null,
      resetTokensMs: null,
    });
    endpoint.tell(0, false);
  };
  const paces = () => [a, b].map(({ limiter }) => Math.round((limiter.pace.requests ?? 0) * 60_000));
  return { a, b, answer, paces };
}

it("a limit that was raised holds for both again, and neither keeps the other at what it told before", () => {
  const { a, b, answer, paces } = twoProcesses();
  answer(a, 100);
  expect(paces()).toEqual([100, 100]);
  answer(b, 100);
  answer(a, 500);
  answer(b, 500);
  expect(paces()).toEqual([500, 500]);
});

it("news without a limit, such as a refusal, take nothing back of what was told", () => {
  const { a, b, answer, paces } = twoProcesses();
  answer(a, 100);
  b.endpoint.hear({ requestsPerMinute: null, tokensPerMinute: null, restMs: 1_000, isRefused: true });
  expect(paces()).toEqual([100, 100]);
  expect(b.limiter.waitMs(10)).toBeGreaterThan(0);
});
