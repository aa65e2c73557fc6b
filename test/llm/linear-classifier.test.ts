import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { calibratedClassifier, trainCalibrated } from "../../src/llm/calibrated-classifier.ts";
import {
  type Classifier,
  classifierOf,
  type TrainingOptions,
  type TrainingRow,
  trainModel,
} from "../../src/llm/linear-classifier.ts";

const LABELS = ["parcel", "invoice", "password"];
const ROWS: readonly TrainingRow[] = [
  [
    "parcel",
    "where is my parcel",
    "the package is late",
    "delivery did not come",
    "mein Paket ist nicht da",
    "荷物が届きません",
  ],
  [
    "invoice",
    "send me the invoice",
    "the bill is too high",
    "wrong amount on my bill",
    "die Rechnung ist falsch",
    "請求書が間違っています",
  ],
  [
    "password",
    "forgot my password",
    "cannot log in",
    "reset the login",
    "Passwort vergessen",
    "パスワードを忘れました",
  ],
].flatMap(([label = "", ...texts]) => texts.map((text) => ({ label, text })));

function trainClassifier(
  rows: readonly TrainingRow[],
  labels: readonly string[],
  options?: TrainingOptions,
): Classifier {
  return classifierOf(trainModel(rows, labels, options));
}

const classifier = trainClassifier(ROWS, LABELS);
const best = (text: string): string | undefined => classifier.predict(text)[0]?.label;

describe("the classifier", () => {
  it("learns words, pairs of words and parts of words, with misspellings and other endings", () => {
    expect(best("is my parcel late?")).toBe("parcel");
    expect(best("my delivry has not come")).toBe("parcel");
    expect(best("pasword reseting")).toBe("password");
    expect(best("these invoices and bills")).toBe("invoice");
  });

  it("reads other languages, and scripts without spaces letter by letter", () => {
    expect(best("Pakete kommen nicht an")).toBe("parcel");
    expect(best("荷物はどこですか")).toBe("parcel");
    expect(best("私の請求書")).toBe("invoice");
  });

  it("takes no notice of case, width, Latin accents and the value of digits", () => {
    const a = classifier.predict("WHERE is Päckage 1234, the ｉｎｖｏｉｃｅ");
    expect(a).toEqual(classifier.predict("where IS package 9876, the invoice"));
    expect(best("ＩＮＶＯＩＣＥ")).toBe("invoice");
  });

  it("is unsure of a text with nothing it knows, and surer the more it knows", () => {
    const sure = (text: string) => classifier.predict(text)[0]!.p;
    expect(sure("zzz qqq xxx")).toBeLessThan(0.45);
    expect(sure("")).toBeLessThan(0.45);
    expect(sure("parcel zzzz qqqq xxxx vvvv wwww")).toBeLessThan(sure("parcel") - 0.1);
    expect(sure("where is my parcel")).toBeGreaterThan(sure("where is my zzzz qqqq xxxx vvvv parcel"));
  });

  it("gives equal answers after equal training, and others for another order of rows", () => {
    expect(trainClassifier(ROWS, LABELS).predict("late bill")).toEqual(classifier.predict("late bill"));
    const other = trainClassifier(ROWS, LABELS, { random: () => 0.3 });
    expect(other.predict("late bill")).not.toEqual(classifier.predict("late bill"));
    expect(trainClassifier(ROWS, LABELS, { epochs: 1 }).predict("late bill")).not.toEqual(
      classifier.predict("late bill"),
    );
  });

  it("leaves out rows of other labels, and works without any row", () => {
    const rest = trainClassifier(ROWS, ["invoice", "parcel"]);
    expect(
      rest
        .predict("forgot my password")
        .map(({ label }) => label)
        .sort(),
    ).toEqual(["invoice", "parcel"]);
    expect(trainClassifier([], ["a", "b"]).predict("x")).toEqual([
      { label: "a", p: 0.5 },
      { label: "b", p: 0.5 },
    ]);
  });

  it("gives every label once, most likely first, with shares that sum to 1, for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const predictions = classifier.predict(text);
        expect(predictions.map(({ label }) => label).sort()).toEqual([...LABELS].sort());
        expect(predictions.reduce((sum, { p }) => sum + p, 0)).toBeCloseTo(1, 9);
        for (const [index, { p }] of predictions.entries()) {
          expect(p).toBeGreaterThanOrEqual(0);
          expect(p).toBeLessThanOrEqual(predictions[index - 1]?.p ?? 1);
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it("does not remember the text before", () => {
    const first = classifier.predict("where is my parcel");
    classifier.predict("forgot my password ".repeat(500));
    expect(classifier.predict("where is my parcel")).toEqual(first);
  });
});

describe("calibration", () => {
  /** Texts of 6 words, of which `told` come from the label's own 5; the rest from everybody's 30. */
  const made = (told: number, count: number, salt: number): TrainingRow[] => {
    let state = salt;
    const draw = (size: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * size);
    };
    return Array.from({ length: count }, (_, index) => {
      const label = LABELS[index % LABELS.length]!;
      const words = Array.from({ length: 6 }, (_, at) =>
        at < told ? `${label.slice(0, 2)}${"abcde"[draw(5)]}q` : `w${String.fromCharCode(97 + draw(26))}z`,
      );
      // One text in four speaks like another label.
      return { text: words.join(" "), label: index % 4 === 3 ? LABELS[draw(LABELS.length)]! : label };
    });
  };

  it("states about the accuracy that texts like the examples have, nearer than before, and keeps the order of labels", () => {
    const examples = made(2, 120, 1);
    const plain = trainClassifier(examples, LABELS);
    const calibrated = calibratedClassifier(trainCalibrated({ names: [], examples, labels: LABELS }));
    const held = made(2, 600, 99);
    let right = 0;
    let stated = 0;
    let statedBefore = 0;
    for (const { text, label } of held) {
      const predictions = calibrated.predict(text);
      const before = plain.predict(text);
      expect(predictions.map((prediction) => prediction.label)).toEqual(before.map((prediction) => prediction.label));
      expect(predictions.reduce((sum, { p }) => sum + p, 0)).toBeCloseTo(1, 9);
      if (predictions[0]!.label === label) right += 1;
      stated += predictions[0]!.p;
      statedBefore += before[0]!.p;
    }
    expect(Math.abs(stated - right) / held.length).toBeLessThan(0.1);
    expect(Math.abs(stated - right)).toBeLessThan(Math.abs(statedBefore - right));
  });

  it("works with names alone", () => {
    const names = LABELS.map((label) => ({ text: label, label }));
    expect(
      calibratedClassifier(trainCalibrated({ names, examples: [], labels: LABELS })).predict("my password")[0]!.label,
    ).toBe("password");
  });
});
