/**
 * What the customers of the pictures write. This file is data; shops, people and numbers in it do not exist. `#` stands for a
 * digit that differs from query to query.
 */

/** A query with the answer that the model of the pictures gives. */
export interface Told {
  readonly text: string;
  /** What the agent answered, and what the customer said then; both or none. */
  readonly after?: readonly [agent: string, customer: string];
  readonly category: string;
  readonly sentiment: string;
  readonly urgency: string;
  readonly language: string;
  readonly summary: string;
  /** Another category that is nearly as likely. */
  readonly nearly?: string;
}

type Row = readonly [
  category: string,
  sentiment: string,
  urgency: string,
  language: string,
  text: string,
  summary: string,
  more?: Pick<Told, "after" | "nearly">,
];

const ROWS: readonly Row[] = [
  [
    "shipping_delivery",
    "negative",
    "normal",
    "en",
    "Parcel LM-4##### was to arrive on Tuesday and the tracking has not moved since Sunday.",
    "Parcel overdue, tracking has not moved for days",
  ],
  [
    "shipping_delivery",
    "very_negative",
    "high",
    "en",
    "Third time the courier writes 'nobody at home' for order ####. I was at home. All three times.",
    "Courier reports failed deliveries though the customer was at home",
    {
      after: [
        "I am sorry to hear that. Shall we send it to a shop near you?",
        "No. I want it brought to the door I paid for.",
      ],
    },
  ],
  [
    "shipping_delivery",
    "neutral",
    "normal",
    "de",
    "Guten Tag, wann kommt meine Bestellung B-8####? Auf der Karte steht seit Freitag derselbe Ort.",
    "Asks when the order will arrive; tracking stands still",
  ],
  [
    "shipping_delivery",
    "neutral",
    "low",
    "fr",
    "Bonjour, livrez-vous la commande C-4#### aussi en point relais ?",
    "Asks for delivery to a pick-up point",
  ],
  [
    "billing_payment",
    "negative",
    "high",
    "en",
    "I moved to the yearly plan last night and my card was charged twice, 118.80 each time. My rent goes out tomorrow. Account 7#####.",
    "Charged twice for one yearly plan; wants one charge back before tomorrow",
    {
      after: [
        "Thanks for writing. I see one order on your account. Which card was the second charge made to?",
        "The same one, it ends in 42. This is the second time I have to write about this!",
      ],
    },
  ],
  [
    "billing_payment",
    "neutral",
    "low",
    "en",
    "Could you send me the invoice for order ##### with our VAT number on it?",
    "Wants an invoice with a VAT number",
  ],
  [
    "billing_payment",
    "negative",
    "normal",
    "de",
    "Auf der Rechnung RE-##### stehen Versandkosten, obwohl ich im Laden abgeholt habe.",
    "Shipping was charged though the order was picked up",
  ],
  [
    "billing_payment",
    "negative",
    "normal",
    "es",
    "Me cobraron dos veces el pedido P-#####, ¿pueden devolver un pago?",
    "Charged twice for one order, wants one payment back",
    { nearly: "refund_return" },
  ],
  [
    "account_access",
    "negative",
    "high",
    "en",
    "New phone, and now the codes go to the old one. How do I get back into my account? User id 5####.",
    "Locked out after changing phones; codes go to the old one",
  ],
  [
    "account_access",
    "negative",
    "high",
    "de",
    "Seit dem Update gestern komme ich nicht mehr in mein Konto, Kundennummer 31####. Der Code per SMS kommt einfach nicht an, auch nach dem dritten Versuch. Ich muss heute noch eine Rechnung herunterladen.",
    "Locked out since the update because the SMS code does not arrive; needs an invoice today",
    {
      nearly: "technical_issue",
      after: [
        "Danke für Ihre Nachricht. Ist die hinterlegte Telefonnummer noch aktuell?",
        "Ja, dieselbe wie immer. Bitte schnell, es ist wirklich dringend.",
      ],
    },
  ],
  [
    "account_access",
    "neutral",
    "normal",
    "en",
    "The link to set a new password says it has expired, even ten seconds after the mail arrives (ticket ####).",
    "Password reset link expires at once",
  ],
  [
    "order_management",
    "neutral",
    "normal",
    "en",
    "Can you change the size of order ##### from M to L before it is packed?",
    "Wants another size before the order is packed",
  ],
  [
    "order_management",
    "negative",
    "high",
    "en",
    "I ordered two by mistake, please take one off order ##### today.",
    "Wants one of two items taken off the order",
    { nearly: "refund_return" },
  ],
  [
    "order_management",
    "neutral",
    "normal",
    "fr",
    "Je voudrais ajouter un article à la commande ##### avant l'envoi, est-ce possible ?",
    "Wants to add an item before dispatch",
  ],
  [
    "technical_issue",
    "negative",
    "normal",
    "en",
    "The app closes as soon as I open the basket. Version 8.3.#, phone is two years old.",
    "App closes when the basket is opened",
  ],
  [
    "technical_issue",
    "very_negative",
    "critical",
    "en",
    "Since 8:1# nobody of our 40 people can open the dashboard: error AUTH-5##. We are standing still.",
    "Whole company cannot open the dashboard since the morning",
    { nearly: "account_access" },
  ],
  [
    "technical_issue",
    "neutral",
    "low",
    "de",
    "In der App wird der Knopf zum Teilen auf dem Tablet abgeschnitten (Modell T##).",
    "Share button is cut off on a tablet",
  ],
  [
    "refund_return",
    "negative",
    "normal",
    "en",
    "You people keep saying 3 to 5 days. It is day 1#. Where is the money for return RT-####?",
    "Refund overdue by many days",
    {
      after: [
        "I understand. The parcel reached us on the 4th, so the money is on its way.",
        "That is what your colleague said last week.",
      ],
    },
  ],
  [
    "refund_return",
    "neutral",
    "normal",
    "en",
    "How do I send back a lamp that does not fit? Order #####, never used.",
    "Asks how to return an unused lamp",
  ],
  [
    "refund_return",
    "negative",
    "normal",
    "es",
    "Devolví el pedido ##### hace dos semanas y todavía no veo el dinero.",
    "Return sent two weeks ago, no refund yet",
  ],
  [
    "product_question",
    "neutral",
    "low",
    "en",
    "Is the Brask D## drill fit for concrete, and are the bits in the box?",
    "Asks whether a drill is fit for concrete",
  ],
  [
    "product_question",
    "positive",
    "low",
    "en",
    "Lovely chair! Does the oak match the table of series ##?",
    "Likes a chair, asks whether it matches a table",
  ],
  [
    "subscription_plan",
    "neutral",
    "normal",
    "en",
    "What happens to our files when we go from team plan to basic next month? Workspace ####.",
    "Asks what a downgrade does to files",
  ],
  [
    "subscription_plan",
    "negative",
    "normal",
    "de",
    "Ich möchte das Abo Nr. ##### zum Monatsende kündigen und finde den Knopf nicht.",
    "Wants to cancel the subscription, cannot find how",
  ],
  [
    "account_management",
    "neutral",
    "normal",
    "en",
    "We got married: which papers do you need to change my last name on account ####?",
    "Wants the last name changed after a wedding",
  ],
  [
    "feedback_complaint",
    "very_positive",
    "low",
    "en",
    "Noor from your chat saved my week, please tell her. Case ####.",
    "Praises an agent by name",
  ],
  [
    "feedback_complaint",
    "very_negative",
    "normal",
    "en",
    "Forty minutes of music, then cut off. Twice. Is anybody working there? Call ####.",
    "Complains about being cut off twice on the phone",
    { nearly: "contact_request" },
  ],
  [
    "contact_request",
    "neutral",
    "normal",
    "en",
    "Please call me back about case #####, writing takes too long.",
    "Wants to be called back",
  ],
  [
    "security_fraud",
    "very_negative",
    "critical",
    "en",
    "Somebody took 6## from my card in a city that I have never been to. Block it, please!",
    "Unknown charge in another city, wants the card blocked",
  ],
  [
    "security_fraud",
    "neutral",
    "high",
    "en",
    "Is the mail 'your parcel waits, pay 1.9#' from you? I did not open it.",
    "Asks whether a mail is phishing",
  ],
  [
    "other",
    "positive",
    "low",
    "en",
    "Do you have work for students in the summer? I am 1# and quick.",
    "Asks for a summer job",
  ],
];

export const TOLD: readonly Told[] = ROWS.map(([category, sentiment, urgency, language, text, summary, more]) => ({
  category,
  sentiment,
  urgency,
  language,
  text,
  summary,
  ...more,
}));
/** The part of a text that has no digits of its own, by which the model of the pictures knows it. */
const MARKS = TOLD.map((told) => ({
  told,
  mark: told.text.split("#").reduce((a, b) => (b.length > a.length ? b : a)),
}));

/** @returns what the model has to say about a text; null for one that is none of these */
export function toldOf(text: string): Told | null {
  return MARKS.find(({ mark }) => text.includes(mark))?.told ?? null;
}
