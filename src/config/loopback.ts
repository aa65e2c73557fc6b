import { isIP } from "node:net";

/** @param host a name, or an address without brackets @returns whether only this machine can reach it */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** @param host as in a URL: an IPv6 address in brackets @returns the same, also for names under `localhost` */
export function isLoopbackUrlHost(host: string): boolean {
  return isLoopback(host.replace(/^\[(.*)\]$/, "$1")) || host.endsWith(".localhost");
}
