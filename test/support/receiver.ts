import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** How a receiver answers one request. @param nth 1 for the first */
export type Answer = (response: ServerResponse, nth: number) => void;

/** An HTTP server that notifications are sent to. */
export interface Receiver {
  /** `http://127.0.0.1:PORT`, or `https://localhost:PORT`. */
  readonly url: string;
  readonly received: readonly Received[];
  answer: Answer;
  /** Resolves when so many requests have come. */
  seen(count: number): Promise<void>;
  close(): Promise<void>;
}

export const withStatus =
  (status: number, headers: Record<string, string> = {}, body = ""): Answer =>
  (response) => {
    response.writeHead(status, headers).end(body);
  };

/** Starts one, closed after the test. @param tls key and certificate; plain HTTP without */
export async function startReceiver(
  answer: Answer = withStatus(200),
  tls: { key: string; cert: string } | null = null,
): Promise<Receiver> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  const waiters = new Set<() => void>();
  const server = tls === null ? createHttpServer() : createHttpsServer(tls);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.on("request", async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    received.push({ path: request.url ?? "", headers: request.headers, body });
    receiver.answer(response, received.length);
    for (const check of waiters) check();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: Receiver = {
    url: tls === null ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    received,
    answer,
    seen: (count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (received.length < count) return;
          waiters.delete(check);
          resolve();
        };
        waiters.add(check);
        check();
      }),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  onTestFinished(() => receiver.close());
  return receiver;
}

/** Of the machine: Node makes no certificates. */
const OPENSSL = "openssl";

/** A key and a certificate for `localhost` that signs itself; the certificate's path too, for NODE_EXTRA_CA_CERTS. */
export function makeCertificate(): { key: string; cert: string; path: string } {
  const folder = mkdtempSync(join(tmpdir(), "querymill-tls-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string): string => join(folder, name);
  execFileSync(
    OPENSSL,
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ...["-keyout", path("key.pem"), "-out", path("cert.pem")],
    ],
    { stdio: "ignore" },
  );
  return {
    key: readFileSync(path("key.pem"), "utf8"),
    cert: readFileSync(path("cert.pem"), "utf8"),
    path: path("cert.pem"),
  };
}
