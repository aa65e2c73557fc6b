import { connect, type Socket } from "node:net";
import { bareHost, checkedAddresses, fixedLookup, type Network } from "./guarded-network.ts";
import type { Mail } from "./mail.ts";

const SUBMISSION_PORT = 587;
const TLS_PORT = 465;

/**
 * Hands a mail to an SMTP server, over a connection to exactly the address that was checked. TLS from the beginning with
 * `smtps://`, else by STARTTLS, which is a must except without a password at a host of
 * `allowPrivate`.
 * @param url `smtp[s]://[user:password@]host[:port]`
 * @param signal also ends it; the caller's deadline
 * @throws RefusedHost, or nodemailer's error with the server's `responseCode`
 */
export async function sendMail(url: string, mail: Mail, network: Network, signal: AbortSignal): Promise<void> {
  const { hostname, port, protocol, username, password } = new URL(url);
  const host = bareHost(hostname);
  const secure = protocol === "smtps:";
  const addresses = await checkedAddresses(host, network, signal);
  const { createTransport } = await import("nodemailer");
  const socket = await open(host, Number(port) || (secure ? TLS_PORT : SUBMISSION_PORT), addresses, signal);
  const onAbort = (): void => {
    socket.destroy(signal.reason);
  };
  signal.addEventListener("abort", onAbort);
  try {
    const transport = createTransport({
      host,
      connection: socket,
      secure,
      requireTLS: !secure && (username !== "" || !network.allowPrivate.has(host)),
      ...(username === "" ? {} : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    await transport.sendMail({ ...mail, to: [...mail.to], headers: { ...mail.headers } });
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}

function open(
  host: string,
  port: number,
  addresses: Awaited<ReturnType<typeof checkedAddresses>>,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connect({ host, port, lookup: fixedLookup(addresses), signal });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
