/** The token in an address's fragment (`#token=…`); null when there is none. */
export function tokenOf(hash: string): string | null {
  const written = /^#token=([^&]+)/.exec(hash)?.[1];
  if (written === undefined) return null;
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
}

/** The token in what somebody pasted: itself, or the whole link. */
export function tokenIn(pasted: string): string {
  const text = pasted.trim();
  const at = text.indexOf("#token=");
  return at < 0 ? text : (tokenOf(text.slice(at)) ?? "");
}
