const HIDDEN = "***";
/** Shorter secrets would tear ordinary words apart; the patterns below still catch them where they usually stand. */
const SHORTEST_SECRET = 4;

/**
 * Makes the one function that every log line and error passes last: it takes out the secrets it was given (as they
 * are, percent-encoded, and escaped in JSON) and whatever looks like one.
 */
export function makeRedactor(secrets: readonly string[]): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets.filter((value) => value.length >= SHORTEST_SECRET)) {
    forms.add(secret).add(encodeURIComponent(secret)).add(JSON.stringify(secret).slice(1, -1)).add(decoded(secret));
  }
  const ordered = [...forms].filter((form) => form.length >= SHORTEST_SECRET).sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const form of ordered) clean = clean.replaceAll(form, HIDDEN);
    return withoutPassword(clean)
      .replace(/\b(Bearer|Basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${HIDDEN}`)
      .replace(/\b((sk|pk|gsk|rk|xai)[-_][\w-]{12,}|AIza[\w-]{20,})/g, HIDDEN);
  };
}

/** Takes user and password out of every URI in a text: `mongodb://u:p@host/db` becomes `mongodb://host/db`. */
export function withoutPassword(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s"'<>]*@/gi, "$1");
}

/** @returns the user and password of a URI, decoded and as written; nothing when it has none */
export function secretsOfUri(uri: string): string[] {
  const [, credentials] = /^[a-z][a-z0-9+.-]*:\/\/([^\s]*)@/i.exec(uri) ?? [];
  if (credentials === undefined) return [];
  const colon = credentials.indexOf(":");
  const password = colon < 0 ? credentials : credentials.slice(colon + 1);
  return [...new Set([password, decoded(password)])].filter((secret) => secret !== "");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
