import { beforeAll, describe, expect, it } from "vitest";
import { type DetectedLanguage, loadLanguageDetector } from "../../src/llm/language.ts";

let detect: (text: string) => DetectedLanguage;
beforeAll(async () => {
  detect = await loadLanguageDetector();
});

describe("the language of a text", () => {
  it.each([
    ["en", "I have been waiting for my refund since last week"],
    ["de", "Ich habe meine Bestellung noch nicht bekommen"],
    ["es", "No puedo entrar en mi cuenta desde ayer por la noche"],
    ["fr", "Je voudrais annuler ma commande s'il vous plaît"],
    ["it", "Vorrei sapere quando arriva il mio pacco"],
    ["ru", "Здравствуйте, я не могу войти в свой личный кабинет"],
    ["ar", "لا أستطيع تسجيل الدخول إلى حسابي منذ أمس"],
    ["hi", "मुझे अपने खाते में मोबाइल नंबर बदलना है"],
  ])("is found: %s", (language, text) => {
    const found = detect(text);
    expect(found.language).toBe(language);
    expect(found.p).toBeGreaterThan(0.45);
    expect(found.p).toBeLessThanOrEqual(1);
  });

  it.each([
    ["ja", "返金してください"],
    ["zh", "退款"],
    ["ko", "환불"],
    ["th", "คืนเงิน"],
    ["el", "λάθος"],
    ["he", "החזר"],
  ])("is told by its script even where it is short: %s", (language, text) => {
    expect(detect(text)).toEqual({ language, p: 0.99 });
  });

  it("is und where there is too little to tell", () => {
    for (const text of ["", "ok", "hi!!", "???", "12345 67890 12345", "😡😡😡", "ABC-123-XYZ", "order 12"])
      expect(detect(text)).toEqual({ language: "und", p: 0 });
  });

  it("is not changed by links, addresses and a name in another script", () => {
    expect(detect("lol 日本 is the country where I bought this thing").language).toBe("en");
    const text = "Ich warte seit Tagen auf eine Antwort von https://help.example.com/the/best/support/of/all";
    expect(detect(`${text} someone.with.english.name@example.com`).language).toBe("de");
  });

  it("is found at once in hostile texts that are long and without spaces", () => {
    for (const text of ["a".repeat(100_000), "x@".repeat(50_000), "a.".repeat(50_000), "http://".repeat(20_000)])
      expect(detect(text).language).toBeTypeOf("string");
  });
});
