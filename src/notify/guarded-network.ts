import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import { refusedAddress } from "./address-guard.ts";

/** Which hosts may be asked, and how names become addresses. */
export interface Network {
  /** Names or addresses of hosts inside of a network of one's own, in lower case. */
  readonly allowPrivate: ReadonlySet<string>;
  /** @default the resolver of this machine, `/etc/hosts` included */
  readonly resolve?: (host: string) => Promise<readonly LookupAddress[]>;
}

/** A host that must not be asked. `message` says which and why. */
export class RefusedHost extends Error {
  override readonly name = "RefusedHost";
  readonly advice: string;
  constructor(message: string, advice: string) {
    super(message);
    this.advice = advice;
  }
}

/**
 * The addresses of a host, each of them fine to connect to. One that is not refuses the host: whoever runs the name
 * chooses which of them is used.
 * @param host a name or an address, as in a URL
 * @throws RefusedHost; the reason of the signal; errors of the resolver as they are
 */
export async function checkedAddresses(
  host: string,
  { allowPrivate, resolve = resolveHere }: Network,
  signal: AbortSignal,
): Promise<readonly LookupAddress[]> {
  const name = bareHost(host);
  const addresses = await untilAborted(resolve(name), signal);
  for (const { address } of addresses) {
    const why = refusedAddress(address, allowPrivate.has(name));
    if (why === null) continue;
    const shown = address === name ? name : `${name} (${address})`;
    throw new RefusedHost(
      `${shown} is ${why}, and notifications go to public hosts only`,
      refusedAddress(address, true) === null
        ? `If it is your own receiver, add ${name} to notify.allowPrivate.`
        : "Name another host.",
    );
  }
  return addresses;
}

/** A resolver for a connection that knows these addresses and no others, so that a name cannot change its mind. */
export function fixedLookup(addresses: readonly LookupAddress[]): LookupFunction {
  return (_host, { all }, done) => {
    const [first] = addresses;
    if (first === undefined) done(Object.assign(new Error("the name has no address"), { code: "ENOTFOUND" }), "", 0);
    else if (all) done(null, [...addresses]);
    else done(null, first.address, first.family);
  };
}

/** A host as it is compared: lower case, without the brackets of IPv6 and the dot of a full name. */
export function bareHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}

function resolveHere(host: string): Promise<readonly LookupAddress[]> {
  return lookup(host, { all: true });
}

/** Node's resolver cannot be stopped: nobody waits for it any longer. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
