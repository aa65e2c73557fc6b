import type { Found } from "./kinds.ts";

const START = "(?<![A-Za-z0-9_-])";
/** Keys that say by their form what they are. */
const FORMS = new RegExp(
  `${START}(?:${[
    "sk-[A-Za-z0-9_-]{16,}",
    "(?:sk|rk|pk|whsec)_(?:live|test|prod)?_?[A-Za-z0-9]{16,}",
    "(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
    "gh[opusr]_[A-Za-z0-9]{30,}",
    String.raw`github_pat_\w{40,}`,
    String.raw`gl(?:pat|dt|rt|ptt)-[\w-]{18,}`,
    String.raw`xox[abeoprs]-[\w-]{10,}`,
    String.raw`xapp-\d-[\w-]{10,}`,
    String.raw`AIza[\w-]{30,}`,
    String.raw`ya29\.[\w-]{20,}`,
    String.raw`SG\.[\w-]{16,}\.[\w-]{16,}`,
    "npm_[A-Za-z0-9]{30,}",
    String.raw`pypi-[\w-]{30,}`,
    "hf_[A-Za-z0-9]{30,}",
    "(?:gsk|xai|pplx|nvapi|r8|lin_api|ntn|figd|dckr_pat|shpat|shpss|dop_v1|PMAK|ATATT3|EAA)[-_]?[A-Za-z0-9_=-]{24,}",
    "key-[0-9a-f]{32}",
    "SK[0-9a-f]{32}",
    String.raw`eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*`,
  ].join("|")})`,
  "g",
);
const HEADER = /(?<![\p{L}\p{N}])(?:bearer|basic|token)[ :]{1,3}([A-Za-z0-9._~+/=-]{12,})/giu;
const IN_ADDRESS = /(?<![\p{L}\p{N}])[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/@:"'<>]{0,80}:([^\s/@"'<>]{1,120})@/giu;

const SECRET_WORD =
  "pass(?:word|wd|phrase|code)?|pwd|pw|passwort|kennwort|contraseña|contrasena|clave|mot de passe|mdp|senha|password[ae]|wachtwoord|hasło|haslo|lösenord|adgangskode|salasana|parola|şifre|пароль|密码|密碼|パスワード|비밀번호|secret|client[ _-]?secret|secret[ _-]?(?:access[ _-]?)?key|private[ _-]?key|api[ _-]?key|apikey|access[ _-]?key|auth(?:entication)?[ _-]?key|(?:access|auth|refresh|api|session|security|bearer)[ _-]?token|token|license[ _-]?key|recovery[ _-]?key";
const COPULA = String.raw`(?:\s{0,3}(?:=>|[:=：])\s{0,3}|\s{1,3}(?:is|was|ist|lautet|war|est|es|era|è|é|foi|jest|to)\s{1,3}(?:now\s|still\s)?[:=]?\s?)`;
/** `password: Tr0ub4dor`, `my api key is 9f8e…`. */
const NAMED = new RegExp(
  String.raw`(?<![\p{L}\p{N}])(${SECRET_WORD})["']?(?:\s[^\s:=]{1,30}){0,4}?${COPULA}["'“„«\x60]?([^\s"'“”„«»\x60<>]{4,256})`,
  "giu",
);
/** `api key 9f8e7d6c5b4a`: without a word between, only what is long and mixed. */
const BESIDE =
  /(?<![\p{L}\p{N}])(?:api[ _-]?key|apikey|access[ _-]?key|secret[ _-]?key|token|secret)\s["'(]?([A-Za-z0-9_+/=.-]{16,256})/giu;
/** `pwd Hunter22!`: letters and digits in one word. */
const PASSWORD_BESIDE =
  /(?<![\p{L}\p{N}])(?:password|passwort|passcode|pwd|pw|contraseña|senha|пароль)\s["'(]?((?=[^\s"'<>]{0,64}\d)(?=[^\s"'<>]{0,64}\p{L})[^\s"'<>,;]{6,64})/giu;
const PIN = /(?<![\p{L}\p{N}])pin(?:\s?(?:is|ist|:|=)\s?)(\d{4,8})(?![\d-])/giu;
/** What a person may say behind "password is". */
const WORDLIKE = /^[\p{L}.,!?:;'-]*$/u;
const BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;

/** Keys and tokens by their form, passwords by the word before them. */
export function findKeys(text: string): Found[] {
  const found: Found[] = findBlocks(text);
  const add = (start: number, end: number): void => {
    found.push({ kind: "key", start, end });
  };
  for (const match of text.matchAll(FORMS)) add(match.index, match.index + match[0].length);
  for (const match of text.matchAll(HEADER)) if (isMixed(match[1]!)) addLast(match, match[1]!, add);
  if (text.includes("://"))
    for (const match of text.matchAll(IN_ADDRESS)) {
      const end = match.index + match[0].length - 1;
      add(end - match[1]!.length, end);
    }
  for (const match of text.matchAll(NAMED)) {
    const value = match[2]!.replace(/[.,;:)\]}…。]+$/u, "");
    const start = match.index + match[0].length - match[2]!.length;
    if (isSecret(match[1]!, value)) add(start, start + value.length);
  }
  for (const match of text.matchAll(BESIDE)) if (isMixed(match[1]!)) addLast(match, match[1]!, add);
  for (const match of text.matchAll(PASSWORD_BESIDE)) addLast(match, match[1]!, add);
  for (const match of text.matchAll(PIN)) addLast(match, match[1]!, add);
  return found;
}

function addLast(match: RegExpExecArray, value: string, add: (start: number, end: number) => void): void {
  const end = match.index + match[0].length;
  add(end - value.length, end);
}

/** What stands behind a word for a secret: long ones for keys, for passwords anything that is no plain word. */
function isSecret(word: string, value: string): boolean {
  if (value.length < 4 || WORDLIKE.test(value)) return isCamel(value);
  if (/key|token|secret/i.test(word)) return value.length >= 8 && isMixed(value);
  // A date, a price, an amount of tries.
  return value.length >= 6 && !/^[\d.,:/€$£%-]*$/.test(value) ? true : /^\d{6,}$/.test(value);
}

/** `hunTerTwo`: capitals within. */
function isCamel(value: string): boolean {
  return value.length >= 8 && /\p{Ll}\p{Lu}.*\p{Lu}|\p{Lu}{2,}\p{Ll}{2,}\p{Lu}/u.test(value);
}

/** Letters and digits, or both cases with signs: not a word. */
function isMixed(value: string): boolean {
  return /\d/.test(value) && /[A-Za-z]/.test(value);
}

/** PEM blocks: to their END line, or as far as it looks like one. */
function findBlocks(text: string): Found[] {
  const found: Found[] = [];
  let lastEnd = text.lastIndexOf("-----END ");
  for (const match of text.matchAll(BEGIN)) {
    const from = match.index + match[0].length;
    if ((found.at(-1)?.end ?? 0) > match.index) continue;
    let end = -1;
    if (lastEnd >= from) {
      const at = text.indexOf("-----END ", from);
      const close = text.indexOf("-----", at + 9);
      end = close < 0 || close - at > 60 ? at : close + 5;
    } else lastEnd = -1;
    if (end < 0) {
      const body = /[^A-Za-z0-9+/=\s:,-]/g;
      body.lastIndex = from;
      end = body.exec(text)?.index ?? text.length;
    }
    found.push({ kind: "key", start: match.index, end });
  }
  return found;
}
