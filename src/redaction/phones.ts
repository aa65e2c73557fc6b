import type { Found } from "./kinds.ts";

/** Before a number: not within a word, a longer number, a code or an address. */
const BEFORE = String.raw`(?<![\p{L}\p{N}_#№=&+]|[\p{L}\p{N}][.,\-/])`;
const AFTER = String.raw`(?![\p{L}\p{N}_]|[.,\-/:]\d)`;
const EXTENSION = String.raw`(?:\s?(?:ext\.?|extension|x|durchwahl|dw|poste)\s?\d{1,5})?`;
const SEP = "(?: ?[-./] ?| )";

/** Forms that stand for themselves, wherever they are. */
const STRONG: readonly RegExp[] = [
  // +49 (0) 30 123456, +1-415-555-2671
  String.raw`${BEFORE}\(?\+ ?[1-9](?:[ ().\/-]{0,3}\d){7,14}(?!\d)${EXTENSION}`,
  // (415) 555-2671, 1 (415) 555-2671
  String.raw`${BEFORE}(?:1[ .-]?)?\([2-9]\d{2}\)[ .-]?[2-9]\d{2}[ .-]?\d{4}${AFTER}${EXTENSION}`,
  // 8 (912) 345-67-89
  String.raw`${BEFORE}8[ -]?\(\d{3,5}\)[ -]?\d{1,3}[ -]?\d{2}[ -]?\d{2}${AFTER}`,
  // (030) 1234567, (11) 91234-5678
  String.raw`${BEFORE}\(0?\d{2,4}\)[ -]?\d{3,5}[ .-]?\d{3,5}${AFTER}`,
].map((source) => new RegExp(source, "giu"));

/** Forms that other numbers have too: not behind a word such as "order", not before a currency. */
const USUAL: readonly RegExp[] = [
  // 415-555-2671, 1-800-555-0199
  String.raw`${BEFORE}(?:1[ .-])?[2-9]\d{2}(?:([ .-])[2-9]\d{2}\1|[ /] ?[2-9]\d{2}-)\d{4}${AFTER}${EXTENSION}`,
  // 0049 30 123456
  String.raw`${BEFORE}00 ?[1-9]\d{0,2}[ ().\/-](?:[ ().\/-]{0,3}\d){6,12}(?!\d)`,
  // 138 1234 5678
  String.raw`${BEFORE}1[3-9]\d([ -])\d{4}\1\d{4}${AFTER}`,
  // 612 345 678, 612 34 56 78
  String.raw`${BEFORE}[5-9]\d{2}([ -])(?:\d{3}\1\d{3}|\d{2}\1\d{2}\1\d{2})${AFTER}`,
  // 8 912 345-67-89
  String.raw`${BEFORE}8[ -]9\d{2}[ -]\d{3}[ -]\d{2}[ -]\d{2}${AFTER}`,
  // 1300 123 456
  String.raw`${BEFORE}1[38]00[ -]\d{3}[ -]\d{3}${AFTER}`,
].map((source) => new RegExp(source, "giu"));

/** A leading zero and groups: 030 1234567, 06 12 34 56 78, 0171/1234567, 0 800 123 456. */
const NATIONAL = new RegExp(
  String.raw`${BEFORE}\(?0(?:[1-9]\d{0,4}| [1-9]\d{2})\)?(?:(?:${SEP}|(?<=\)))\d{2,8}){1,5}(?!\d)`,
  "gu",
);
/** Any number of 7 to 15 digits right behind a word for telephone. */
const NAMED =
  /(?:(?<![\p{L}\p{N}])(?:phone|tel|tél|mobile?|móvil|movil|cell?|cellphone|handy|fax|whats ?app|viber|telegram|gsm|call me(?: back)?|called|calling|call|ring me|text me|reach me|contact me|my (?:new )?number|meine nummer|mit nummer|n[uú]mero|numer|tlf|puh|τηλ|rappelez|appelez|joindre|llame|ll[aá]m[ae]\p{L}{0,4}|tel[eé]fon\p{L}{0,3}|telefon\p{L}{0,6}|t[eé]l[eé]phone|celular|cellulare|telefoon\p{L}{0,7}|erreichbar|erreichen|anrufen|ruf\p{L}{0,3}|тел|телефон\p{L}{0,2}|номер телефона|звоните)|电话|手机|電話|携帯|전화|휴대폰|هاتف|फ़ोन|फोन)[^\d\n+(]{0,24}((?:\(?\+ ?)?\(?\d(?:[ ()./-]{0,3}\d){6,14})(?!\d)/giu;

const OTHER_NUMBER =
  /(?:order|invoice|bill|receipt|ticket|tracking|track|parcel|package|shipment|consignment|ref|reference|case|claim|account|acct|customer|client|member(?:ship)?|policy|serial|sku|item|article|product|part|model|imei|isbn|ean|upc|gtin|vat|tax|transaction|txn|payment|confirmation|booking|reservation|coupon|voucher|code|id|zip|postcode|postal|version|auftrag|bestell\p{L}*|rechnung\p{L}*|sendung\p{L}*|kunden?\p{L}*|vertrag\p{L}*|artikel\p{L}*|aktenzeichen|steuer\p{L}*|commande|facture|colis|suivi|dossier|cuenta|compte|conto|serie|pedido|factura|env[ií]o|rastreo|ordine|fattura|spedizione|encomenda|fatura|bestelling|factuur|zam[oó]wieni\p{L}*|faktur\p{L}*|заказ\p{L}*|счет\p{L}*|订单|单号|注文)(?:\s?(?:number|no|nr|num|n[ºo°]|nummer|numéro|número|numero|номер|id|code|#))?[\s.:#№=-]{0,4}(?:is |was |ist |est |es |è |é |lautet )?[a-z]{0,3}-?$/iu;
const MONEY_BEFORE = /(?:[$€£¥₹]|\b(?:usd|eur|gbp|chf|inr|kr|rs))\.? ?$/i;
const MONEY_AFTER =
  /^ ?(?:[€£¥₹%]|\$|(?:usd|eur|euros?|gbp|chf|inr|kr|sek|nok|dkk|zł|pln|руб|kč|ft|jpy|units?|pcs|stück|km|kg)\b)/i;
const DATE = /^(?:(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})|(\d{4})([./-])(\d{1,2})\6(\d{1,2}))(?!\d)/;
const HOURS = /^\d{1,2}[.:]\d{2} ?- ?\d{1,2}[.:]\d{2}/;
/** Order numbers of large shops: 04-12345-67890, 028-1234567-1234567. */
const SHOP_ORDER = /^\d{2}-\d{5}-\d{5}(?!\d)|^\d{3}-\d{7}-\d{7}(?!\d)/;

/** International and national numbers; not order numbers, dates, prices, versions or codes. */
export function findPhones(text: string): Found[] {
  if (!/\d{2}/.test(text)) return [];
  const found: Found[] = [];
  const add = (start: number, end: number): void => {
    found.push({ kind: "phone", start, end });
  };
  for (const form of STRONG)
    for (const match of text.matchAll(form))
      if (!isAmount(text, match.index, match.index + match[0].length) && !/^\+ ?\d\.\d+$/.test(match[0]))
        add(match.index, match.index + match[0].length);
  for (const form of USUAL)
    for (const match of text.matchAll(form)) {
      const end = match.index + match[0].length;
      if (!isOther(text, match.index, end)) add(match.index, end);
    }
  for (const match of text.matchAll(NATIONAL)) {
    const end = match.index + nationalLength(match[0]);
    if (end > match.index && !isOther(text, match.index, end) && !/^[.\-/:]\d/.test(text.slice(end, end + 2)))
      add(match.index, end);
  }
  for (const match of text.matchAll(NAMED)) {
    const [whole, number = ""] = match;
    const start = match.index + whole.length - number.length;
    const between = whole.slice(0, -number.length);
    if (
      !OTHER_NUMBER.test(between) &&
      !isCalendar(text.slice(start, start + 24)) &&
      !isAmount(text, start, start + number.length)
    )
      add(start, start + number.length);
  }
  return found;
}

/** The groups of a number with a leading zero, without what follows behind a blank. @returns 0 for no phone number */
function nationalLength(match: string): number {
  if (isCalendar(match) || SHOP_ORDER.test(match)) return 0;
  let candidate = match;
  for (;;) {
    const digits = candidate.replace(/\D/g, "");
    const groups = candidate.split(/\D+/).filter((group) => group !== "");
    const isReference = groups.length === 3 && groups.every((group) => group.length === 4);
    if (digits.length >= 9 && digits.length <= 12) return isReference ? 0 : candidate.length;
    const blank = candidate.lastIndexOf(" ");
    if (digits.length < 9 || blank < 0 || /[-./] ?$/.test(candidate.slice(0, blank))) return 0;
    candidate = candidate.slice(0, blank);
  }
}

function isOther(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - 40), start);
  // `1Z 999 AA1 01 2345 6784`: a group of a code.
  const isCode = /(?:^|\s)(?=[A-Z\d]*[A-Z])(?=[A-Z\d]*\d)[A-Z\d]{2,12} $/.test(before);
  return isCode || OTHER_NUMBER.test(before) || isAmount(text, start, end) || isCalendar(text.slice(start, start + 24));
}

function isAmount(text: string, start: number, end: number): boolean {
  return MONEY_BEFORE.test(text.slice(Math.max(0, start - 6), start)) || MONEY_AFTER.test(text.slice(end, end + 8));
}

/** A date or opening hours; `06.12.34.56.78` is neither, since it goes on. */
function isCalendar(text: string): boolean {
  if (HOURS.test(text)) return true;
  const match = DATE.exec(text);
  if (match === null) return false;
  const separator = match[2] ?? match[6]!;
  const rest = text.slice(match[0].length);
  if (rest.startsWith(separator) && /^.\d/.test(rest)) return false;
  const [first, second] = (match[5] === undefined ? [match[1], match[3]] : [match[7], match[8]]).map(Number);
  return Math.min(first!, second!) <= 12 && Math.max(first!, second!) <= 31 && Math.min(first!, second!) > 0;
}
