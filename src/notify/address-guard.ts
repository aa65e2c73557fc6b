import ipaddr from "ipaddr.js";

/** Ranges inside of a network of one's own, which `notify.allowPrivate` can open for a host by its name. */
const OWN: ReadonlySet<string> = new Set(["private", "loopback", "carrierGradeNat", "uniqueLocal"]);

/** In words, for people. */
const NAMES: Readonly<Record<string, string>> = {
  private: "a private address",
  loopback: "this machine itself",
  carrierGradeNat: "an address behind a provider's NAT",
  uniqueLocal: "a private address",
  linkLocal: "a link-local address, where clouds keep their credentials",
  multicast: "a multicast address",
};

/**
 * Judges an address before anything connects to it. An IPv4 address inside of an IPv6 one (mapped, NAT64) is judged as
 * what it is.
 * @param address as a resolver gives it
 * @param ownAllowed true for a host of `notify.allowPrivate`: private, loopback, NAT and unique local addresses are fine then
 * @returns null when it may be asked, else what it is: `a private address`
 */
export function refusedAddress(address: string, ownAllowed: boolean): string | null {
  const bare = address.replace(/%.*$/, "");
  if (!ipaddr.isValid(bare)) return "no address";
  const range = rangeOf(ipaddr.process(bare));
  if (range === "unicast" || (ownAllowed && OWN.has(range))) return null;
  return NAMES[range] ?? `an address that is not public (${range})`;
}

function rangeOf(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  if (address instanceof ipaddr.IPv4) return address.range();
  const bytes = address.toByteArray();
  if (address.match(ipaddr.parseCIDR("64:ff9b::/96") as [ipaddr.IPv6, number]))
    return new ipaddr.IPv4(bytes.slice(12)).range();
  const range = address.range();
  // Only 2000::/3 is given out: what lies outside, such as ::7f00:1, is reached by nobody on purpose.
  return range === "unicast" && bytes[0]! >> 5 !== 1 ? "reserved" : range;
}
