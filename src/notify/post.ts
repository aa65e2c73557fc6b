import { isIP } from "node:net";
import { refusedAddress } from "./address-guard.ts";
import type { HttpMessage } from "./channel.ts";
import { bareHost, checkedAddresses, fixedLookup, type Network, RefusedHost } from "./guarded-network.ts";

/** What a receiver said. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Its beginning. */
  readonly body: string;
}

const MOST_BYTES = 64 * 1_024;

/**
 * Sends a message to exactly the address that was checked: https only (http to hosts of `allowPrivate`), no redirects, no
 * connection kept. The status is what counts: a body that is too long, drips or breaks off is left.
 * @param signal also ends it; the caller's deadline
 * @throws RefusedHost, or the error of resolver or connection
 */
export async function post({ url, headers, body }: HttpMessage, network: Network, signal: AbortSignal): Promise<Reply> {
  const target = new URL(url);
  const host = bareHost(target.hostname);
  if (target.protocol !== "https:" && !(target.protocol === "http:" && network.allowPrivate.has(host)))
    throw new RefusedHost(
      `${target.protocol}//${host} would send it readable for everybody on the way`,
      isIP(host) !== 0 && refusedAddress(host, true) !== null
        ? "Name another host: that address is not asked by https either."
        : `Use https, or add ${host} to notify.allowPrivate if it is your own receiver.`,
    );
  const addresses = await checkedAddresses(host, network, signal);
  const { Client } = await import("undici");
  const client = new Client(target.origin, {
    pipelining: 1,
    allowH2: false,
    connect: { lookup: fixedLookup(addresses) },
  });
  try {
    const answer = await client.request({
      method: "POST",
      path: target.pathname + target.search,
      headers: { "user-agent": "querymill", ...headers },
      body,
      signal,
    });
    return { status: answer.statusCode, headers: answer.headers, body: await beginning(answer.body) };
  } finally {
    // Nothing of it is needed any more, whatever state it is in.
    client.destroy().catch(() => {});
  }
}

async function beginning(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= MOST_BYTES) break;
    }
  } catch {
    // The status is known.
  }
  return Buffer.concat(chunks).subarray(0, MOST_BYTES).toString("utf8");
}
