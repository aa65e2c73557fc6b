import { isIP } from "node:net";
import { isLoopback } from "../config/loopback.ts";

/** Ends of names that no public name server answers for: those of clusters and private networks. */
const PRIVATE_ENDS = /\.(local|internal|localhost|home\.arpa|lan|svc)$/;

/**
 * Whether a request under this `Host` header can be meant for us. A page of somebody else in a browser of this network can
 * make its own public name point to our address ("DNS rebinding"), but neither to an address nor to a private name.
 * @param names under which we are known
 * @param listening where we listen: on the loopback address only its names will do
 */
export function isAllowedHost(header: string, names: readonly string[], listening: string): boolean {
  const host = hostOf(header);
  if (host === null) return false;
  if (isLoopback(host) || names.some((name) => hostOf(name) === host)) return true;
  if (isLoopback(listening)) return false;
  return isIP(host) !== 0 || !host.includes(".") || PRIVATE_ENDS.test(host);
}

/** @returns the name or address without port, in lower case; null for what is none */
function hostOf(header: string): string | null {
  if (isIP(header) !== 0) return header.toLowerCase();
  const [, bracketed, plain] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(header) ?? [];
  return (bracketed ?? plain)?.toLowerCase().replace(/\.$/, "") ?? null;
}
