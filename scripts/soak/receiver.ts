import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A message as it arrived. */
export interface Arrived {
  readonly id: string;
  readonly rule: string;
  readonly state: string;
  readonly atMs: number;
  /** How often it came: after an answer that was lost it comes again. */
  times: number;
}

/** Takes notifications by webhook; refuses them while it is down. */
export class Receiver {
  down = false;
  refused = 0;
  readonly arrived = new Map<string, Arrived>();
  #server: Server | null = null;

  async open(): Promise<string> {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (this.down) {
        this.refused += 1;
        response.writeHead(503).end();
        return;
      }
      const id = String(request.headers["webhook-id"]);
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { data?: Record<string, unknown> } & Record<
        string,
        unknown
      >;
      const { rule, state } = (body.data ?? body) as { rule?: string; state?: string };
      const known = this.arrived.get(id);
      if (known !== undefined) known.times += 1;
      else this.arrived.set(id, { id, rule: String(rule), state: String(state), atMs: Date.now(), times: 1 });
      response.writeHead(204).end();
    });
    await new Promise<void>((resolve) => this.#server!.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}
