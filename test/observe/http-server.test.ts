import { request } from "node:http";
import { createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { isAllowedHost } from "../../src/observe/allowed-host.ts";
import { type HttpServer, mount, openHttpServer } from "../../src/observe/http-server.ts";

it.each([
  ["127.0.0.1:9464", true],
  ["localhost", true],
  ["[::1]:9464", true],
  ["evil.example", false],
  ["127.0.0.1.evil.example", false],
  ["localhost.evil.example:9464", false],
  ["querymill", false],
  ["10.0.0.7:9464", false],
  ["", false],
  ["a b", false],
  ["metrics.example", true],
  ["METRICS.example.:443", true],
])("on the loopback address, Host: %s is ours: %s", (host, allowed) => {
  expect(isAllowedHost(host, ["metrics.example"], "127.0.0.1")).toBe(allowed);
});

it.each([
  ["10.0.0.7:9464", true],
  ["[fd00::7]:9464", true],
  ["querymill:9464", true],
  ["querymill.support.svc", true],
  ["querymill.support.svc.cluster.local:9464", true],
  ["evil.example:9464", false],
  ["10.0.0.7.evil.example", false],
])("on every address, Host: %s is ours: %s", (host, allowed) => {
  expect(isAllowedHost(host, [], "0.0.0.0")).toBe(allowed);
});

async function open(changes: Partial<Parameters<typeof openHttpServer>[0]> = {}): Promise<HttpServer> {
  const server = await openHttpServer({ host: "127.0.0.1", port: 0, hosts: [], shown: "0", ...changes });
  onTestFinished(() => server.close());
  mount(server.app, "/metrics", (context) => context.text("querymill 1\n"));
  return server;
}

it("answers GET and HEAD of what is mounted, and says what is wrong with anything else", async () => {
  const { url } = await open();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const got = await fetch(`${url}/metrics`);
  expect([got.status, await got.text()]).toEqual([200, "querymill 1\n"]);
  expect(got.headers.get("cache-control")).toBe("no-store");
  const head = await fetch(`${url}/metrics`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  const post = await fetch(`${url}/metrics`, { method: "POST", body: "x" });
  expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  expect((await fetch(`${url}/nothing`)).status).toBe(404);
  expect(await statusUnder(url, "evil.example")).toBe(403);
});

it("refuses a port that is taken and an address of another machine, with what to do", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void taken.close());
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as { port: number };
  await expect(open({ port, shown: String(port) })).rejects.toThrow(
    `--metrics ${port}: the port is taken, perhaps by another run. Choose another one; 0 takes a free one.`,
  );
  await expect(open({ host: "192.0.2.1", shown: "192.0.2.1:0" })).rejects.toThrow("does not have that address");
});

it("closes although somebody holds a connection and says nothing", async () => {
  const server = await openHttpServer({ host: "127.0.0.1", port: 0, hosts: [], shown: "0" });
  const { connect } = await import("node:net");
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  await server.close();
  await closed;
});

function statusUnder(url: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(`${url}/metrics`, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    })
      .once("error", reject)
      .end();
  });
}
