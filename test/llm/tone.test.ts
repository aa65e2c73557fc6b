import { describe, expect, it } from "vitest";
import { type Lean, sentimentLean, urgencyLean } from "../../src/llm/tone.ts";

const most = (lean: Lean): string => Object.entries(lean).sort((a, b) => b[1] - a[1])[0]![0];

describe("feeling by cue words", () => {
  it.each([
    ["very_negative", "WORST SHOP EVER!!! You are thieves"],
    ["very_negative", "Eine Unverschämtheit, ich bin wütend"],
    ["negative", "I am quite disappointed with the fabric"],
    ["negative", "the kettle does not work"],
    ["negative", "La pantalla está rota"],
    ["neutral", "Which sizes are there?"],
    ["neutral", "Wie lange dauert der Versand?"],
    ["neutral", "Could you send it to my office, thanks"],
    ["positive", "good quality, and a kind driver"],
    ["very_positive", "I love it, simply amazing, the best!!"],
  ])("is %s in “%s”", (step, text) => {
    expect(most(sentimentLean(text))).toBe(step);
  });

  it("turns with a negation", () => {
    const good = sentimentLean("this is good");
    const notGood = sentimentLean("this is not good");
    expect(notGood.negative! / notGood.positive!).toBeGreaterThan(good.negative! / good.positive!);
  });
});

describe("haste by cue words", () => {
  it.each([
    ["critical", "there is smoke coming out of the battery"],
    ["critical", "Someone has emptied my savings, this is fraud"],
    ["high", "I need it by tomorrow, it is urgent"],
    ["high", "Ich brauche das dringend"],
    ["normal", "How do I return a jacket?"],
    ["low", "Hello!"],
    ["low", "just a suggestion, no hurry"],
  ])("is %s in “%s”", (step, text) => {
    expect(most(urgencyLean(text))).toBe(step);
  });

  it("is not heard inside other words", () => {
    expect(most(urgencyLean("smoked salmon, burnish, thinking of a firefly lamp"))).toBe("normal");
  });
});
