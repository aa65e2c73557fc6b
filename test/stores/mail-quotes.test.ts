import { describe, expect, it } from "vitest";
import { plainText } from "../../src/stores/plain-text.ts";

const own = "The blue lamp flickers since Monday.\nWhat can I do?";

describe("a quoted reply is cut", () => {
  it.each([
    "On Mon, 3 Feb 2026 at 10:00, Ann <a@example.org> wrote:\n> Did it help?",
    "On Mon, Feb 3, 2026, 10:00 Ann Example\n<a@example.org> wrote:\n\n> Did it help?\n>\n> Ann",
    "Ann Example <a@example.org> wrote on 3 Feb 2026:\nDid it help?",
    "Am 03.02.2026 um 10:00 schrieb Ann <a@example.org>:\n> Hat es geholfen?",
    "Am Di., 3. Feb. 2026 um 10:00 Uhr schrieb Ann Beispiel\n<a@example.org>:\nHat es geholfen?",
    "Ann Beispiel <a@example.org> schrieb am Di., 3. Feb. 2026 um 10:00:\nHat es geholfen?",
    "Am 3. Februar 2026 schrieb Ann Beispiel:\nHat es geholfen?",
    "-----Original Message-----\nFrom: Ann\nDid it help?",
    "-----Ursprüngliche Nachricht-----\nVon: Ann\nHat es geholfen?",
    "________________________________\nFrom: Ann <a@example.org>\nSent: Monday, 3 February 2026 10:00\nTo: me\nSubject: Re: x\n\nDid it help?",
    "Von: Ann Beispiel\nGesendet: Dienstag, 3. Februar 2026 10:00\nAn: ich\nCc: du\nBetreff: AW: Lampe\n\nHat es geholfen?",
    "Gesendet: Dienstag, 03. Februar 2026 um 10:00 Uhr\nVon: Ann <a@example.org>\nAn: ich\nBetreff: Lampe\nHat es geholfen?",
    "*From:* Ann\n*Sent:* Monday\n*To:* me\n*Subject:* x\n\nDid it help?",
    "##- Please type your reply above this line -##\nYour request has been updated.",
    "> Did it help?\n> Really?",
  ])("%#", (quoted) => {
    expect(plainText(`${own}\n\n${quoted}`)).toBe(own);
    expect(plainText(`${own}\r\n\r\n${quoted.replaceAll("\n", "\r\n")}`)).toBe(own);
  });

  it.each([
    `<div class="gmail_quote"><div class="gmail_attr">On Mon, Ann wrote:<br></div><blockquote>Did it <div>help?</div></blockquote></div>`,
    `<div class="gmail_extra"><br><div class="gmail_quote">Am 3. schrieb Ann:<blockquote>x</blockquote></div></div>`,
    `<div class="moz-cite-prefix">On 2/3/26, Ann wrote:<br></div><blockquote type="cite" cite="mid:x"><p>Did it help?</p></blockquote>`,
    `<div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Ann<br><b>Sent:</b> Monday</div><div>Did it help?</div>`,
    `<div><b>Von:</b> Ann<br><b>Gesendet:</b> Dienstag<br><b>An:</b> ich<br><b>Betreff:</b> AW: x<br></div><p>Hat es geholfen?</p>`,
    `<div class="yahoo_quoted" id="y"><div>On Monday, Ann wrote:</div><div>Did it help?</div></div>`,
    `<div class="protonmail_quote">------- Original Message -------<br>Ann wrote<blockquote>x</blockquote></div>`,
    `<div class="gmail_signature">Carl<br>+49 30 1234</div>`,
  ])("in HTML %#", (quoted) => {
    expect(plainText(`<div dir="ltr">${own.replace("\n", "<br>")}</div>${quoted}`)).toBe(own);
  });

  it("also when the answer stands below or between", () => {
    const mail =
      "Hello,\n\nOn Mon, 3 Feb 2026 at 10:00, Ann <a@example.org> wrote:\n> Which lamp?\n\nThe blue one.\n> Since when?\nMonday.";
    expect(plainText(mail)).toBe("Hello,\n\n\nThe blue one.\nMonday.");
  });

  it("not what was forwarded, nor a traveller's own list", () => {
    const forwarded =
      "Please help.\n\n---------- Forwarded message ---------\nFrom: Ann <a@example.org>\nDate: Mon, 3 Feb 2026\nSubject: Lamp\nTo: me\n\nIt flickers.";
    expect(plainText(forwarded)).toContain("It flickers.");
    const gmail = `<div>Please help.<div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: Ann<br>Subject: Lamp</div>It flickers.</div></div>`;
    expect(plainText(gmail)).toContain("It flickers.");
    const travel = "I want to change my trip.\nFrom: Berlin\nTo: Paris\nDate: 3 February\nTwo persons";
    expect(plainText(travel)).toBe(travel);
  });
});

describe("a signature is cut", () => {
  it.each([
    "-- \nCarl Muster\nMuster GmbH\n+49 30 1234",
    "Sent from my iPhone",
    "Sent from Outlook for iOS<https://aka.ms/o0ukef>",
    "Get Outlook for Android<https://aka.ms/AAb9ysg>",
    "Von meinem iPhone gesendet",
    "Gesendet von meinem Samsung Galaxy Smartphone.",
    "Gesendet mit der GMX Mail App",
    "Diese Nachricht wurde von meinem Android Gerät gesendet.",
    "Envoyé de mon iPhone",
    "Best regards,\n\nCarl Muster\nHead of Lamps\nTel. +49 30 1234",
    "Mit freundlichen Grüßen\nCarl Muster",
    "Viele Grüße aus Köln,\nCarl\n\nVon meinem iPad gesendet",
    "LG\nCarl\n\n--\nCarl Muster | Muster GmbH",
    "________________________________",
  ])("%#", (signature) => {
    expect(plainText(`${own}\n\n${signature}`)).toBe(own);
    expect(plainText(`${own}\n\n${signature}\n\nOn Mon, 3 Feb 2026, Ann wrote:\n> Hi`)).toBe(own);
  });

  it("not what only looks like one", () => {
    for (const text of [
      "Sent from my iPhone",
      "-- \nonly this",
      "Best regards",
      `${own}\n\nBest regards\nCarl\n\nPS: my order is 1234`,
      `${own}\nKind regards\nAgent: it is on the way\nCustomer: fine`,
      `${own}\nCheers\nThe lamp is the blue one, it has a crack and it does not stay on for longer than a minute or so.`,
      "My photos: sent from my iPhone they arrive cut",
      `${own}\n--\nCustomer: hello\nAgent: hi`,
    ])
      expect(plainText(text)).toBe(text.replace("-- ", "--"));
  });
});
