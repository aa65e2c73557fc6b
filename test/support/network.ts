import { execFile } from "node:child_process";
import { createServer, connect as dial, type Server } from "node:net";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A network of one's own, for processes that can be cut off from this one as by a pulled cable. Linux, as root. */
export interface Network {
  /** What goes before a command so that it runs inside. */
  readonly inside: readonly string[];
  /** A URL's server on this machine under a host and port that are reached from inside too, and from here whatever is cut. */
  reachable(url: string): Promise<string>;
  /** No packet comes through any more, and nobody is told. */
  cut(): Promise<void>;
  heal(): Promise<void>;
  /** Takes it away; what runs inside should have ended. */
  close(): Promise<void>;
}

let made = 0;

/** Why none can be made here; null: one can. */
export async function missingNetwork(): Promise<string | null> {
  try {
    const network = await makeNetwork();
    await network.close();
    return null;
  } catch (error) {
    return `No network namespaces for the tests: ${String(error).split("\n").at(-1)}`;
  }
}

export async function makeNetwork(): Promise<Network> {
  made += 1;
  const id = (process.pid * 4 + (made % 4)) % 2 ** 20;
  const [name, here, there] = [`querymill-${id}`, `qm${id}a`, `qm${id}b`];
  // One of 2^13 networks: a link of four addresses, and beside them the one where servers are.
  const place = (id % 2 ** 13) * 8;
  const address = (host: number): string => `10.213.${(place >> 8) & 255}.${(place & 255) + host}`;
  const ip = (...words: string[]) => run("ip", words);
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    for (const server of servers) server.close();
    await ip("link", "del", here).catch(() => {});
    await ip("netns", "del", name).catch(() => {});
    await ip("addr", "del", `${address(5)}/32`, "dev", "lo").catch(() => {});
  };
  try {
    await ip("netns", "add", name);
    await ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name);
    await ip("addr", "add", `${address(1)}/30`, "dev", here);
    await ip("link", "set", here, "up");
    await ip("-n", name, "addr", "add", `${address(2)}/30`, "dev", there);
    await ip("-n", name, "link", "set", there, "up");
    await ip("-n", name, "link", "set", "lo", "up");
    // One that stays where it is when the cable is pulled.
    await ip("addr", "add", `${address(5)}/32`, "dev", "lo");
    await ip("-n", name, "route", "add", "default", "via", address(1));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    inside: ["ip", "netns", "exec", name],
    reachable: async (url) => {
      const to = new URL(url);
      const server = await forward(address(5), Number(to.port));
      servers.push(server);
      to.host = `${address(5)}:${(server.address() as { port: number }).port}`;
      return to.href;
    },
    cut: async () => {
      await ip("link", "set", here, "down");
    },
    heal: async () => {
      await ip("link", "set", here, "up");
    },
    close,
  };
}

/** Takes connections there on to a port of this machine. */
async function forward(host: string, port: number): Promise<Server> {
  const server = createServer((from) => {
    const to = dial(port, "127.0.0.1");
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
  return server;
}
