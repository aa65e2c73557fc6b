/** Answers are some hundred characters; far longer ones are not searched. */
const LONGEST = 256 * 1_024;
/** Opening braces without an end are passed over this often. */
const STRAY_BRACES = 8;

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Finds the one JSON object in a model's answer. Code fences, prose around it and a leading `<think>` part are passed
 * over; the same object twice counts as one.
 * @param belongs tells an answer from other objects in the text
 * @returns the object, or the problem in words for the model
 */
export function findJsonObject(text: string, belongs: (object: JsonObject) => boolean): JsonObject | string {
  if (text.length > LONGEST) return `the answer has ${text.length} characters instead of one short JSON object`;
  const whole = parsed(text);
  if (whole !== null) return whole;
  const start = text.trimStart().startsWith("<think>") ? text.lastIndexOf("</think>") + 1 : 0;
  const found = new Map<string, JsonObject>();
  for (const object of balancedObjects(text, start)) if (belongs(object)) found.set(JSON.stringify(object), object);
  if (found.size > 1) return `the answer holds ${found.size} different JSON objects instead of one`;
  return found.values().next().value ?? "the answer is not a JSON object with the fields asked for";
}

function* balancedObjects(text: string, from: number): Generator<JsonObject> {
  let at = from;
  for (let strays = 0; strays <= STRAY_BRACES; ) {
    const open = text.indexOf("{", at);
    if (open < 0) return;
    const close = endOfObject(text, open);
    if (close < 0) {
      strays++;
      at = open + 1;
      continue;
    }
    const object = parsed(text.slice(open, close));
    if (object !== null) yield object;
    at = close;
  }
}

/** @returns the index behind the brace that closes the one at `open`; -1 when there is none */
function endOfObject(text: string, open: number): number {
  let depth = 0;
  let inString = false;
  for (let i = open; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b) depth++;
    else if (char === 0x7d && --depth === 0) return i + 1;
  }
  return -1;
}

function parsed(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
  } catch {
    return null;
  }
}
