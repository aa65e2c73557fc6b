import type { SourceDocument } from "../../src/store.ts";
import type { Asked } from "./model-completion.ts";
import { uniform } from "./model-draw.ts";

/** Data whose bill is to be foretold, hard in different ways. */
export const SHAPES = {
  /** A sentence or two each: nearly all of the bill is the prompt, most of it from the provider's cache. */
  even: (draw) => 40 + 120 * draw(1),
  /** Log-normal, the longest some hundred times the median: a few texts are a good part of the bill. */
  heavy: (draw) => 220 * Math.exp(1.35 * Math.sqrt(-2 * Math.log(draw(1))) * Math.cos(2 * Math.PI * draw(2))),
  /** Texts grow, and the last twentieth are long ones: the front says nothing of the rest. */
  ordered: (draw, place) => (place > 0.95 ? 6_000 : 100 + 1_500 * place) * (0.6 + 0.8 * draw(1)),
} as const satisfies Readonly<Record<string, (draw: (salt: number) => number, place: number) => number>>;
export type Shape = keyof typeof SHAPES;

/** Asks for so little that texts are most of its bill. */
export const SMALL_TAXONOMY = `name: small
summary: false
alternatives: false
dimensions:
  category: { labels: [billing, technical, account, shipping, other] }
`;

export const BILLED_PRICE = { input: 0.25, cachedInput: 0.025, output: 2 };

/** @returns `count` documents in the order of their ids */
export function billedDocuments(shape: Shape, count: number, seed: number): SourceDocument[] {
  return Array.from({ length: count }, (_, at) => {
    const id = `q${String(at).padStart(6, "0")}`;
    const length = SHAPES[shape]((salt) => uniform(`${seed}/${id}`, salt), at / count);
    return {
      _id: id,
      text: `[doc:${id}] ${"My parcel has not come, where is it? ".repeat(700)}`.slice(0, length + 15),
    };
  });
}

/**
 * What a provider would bill: some texts take nearly twice the tokens of others of the same length, some answers several
 * times those of others, and of 25 calls one misses the cache. Calls that came before the first answer find nothing there.
 */
export function billedUsage(seed: number): (asked: Asked) => Record<string, unknown> {
  let answeredMs: number | null = null;
  return ({ body, id, attempt, text }) => {
    const draw = (salt: number): number => uniform(`${seed}/${id}/${attempt}`, salt);
    const messages = body.messages as { role: string; content: string }[];
    const stable = Math.round((messages[0]!.content.length + JSON.stringify(body.response_format ?? "").length) / 4);
    const more = messages.slice(2).reduce((sum, { content }) => sum + content.length, 0);
    const input = stable + Math.round((text.length + more) / (2.6 + 1.8 * draw(21)));
    const output = Math.round(
      80 * Math.exp(0.4 * Math.sqrt(-2 * Math.log(draw(22))) * Math.cos(2 * Math.PI * draw(23))),
    );
    const warm = answeredMs !== null && performance.now() - answeredMs > 5;
    answeredMs ??= performance.now();
    const cached = warm && stable >= 1_024 && draw(24) < 0.96 ? Math.floor(stable / 128) * 128 : 0;
    return {
      prompt_tokens: input,
      completion_tokens: output,
      total_tokens: input + output,
      prompt_tokens_details: { cached_tokens: cached },
    };
  };
}
