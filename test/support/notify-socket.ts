import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { afterEach } from "vitest";

/** What a service manager was told, in order: each message with its assignments. */
export type Message = Readonly<Record<string, string>>;

/** A socket as a service manager has it: datagrams of the notification protocol, barriers answered. */
export interface NotifySocket {
  readonly messages: readonly Message[];
  /** Resolves with the first message that fits, also one that has come already. */
  told(fits: (message: Message) => boolean): Promise<Message>;
}

const RECEIVER = `
import array, json, os, socket, sys
path = sys.argv[1]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind("\\0" + path[1:] if path.startswith("@") else path)
print("[]", flush=True)
while True:
    data, extra, _, _ = receiver.recvmsg(8192, 1024)
    for _, kind, value in extra:
        if kind == socket.SCM_RIGHTS:
            files = array.array("i")
            files.frombytes(value[: len(value) // files.itemsize * files.itemsize])
            for file in files:
                os.close(file)
    print(json.dumps(data.decode().split("\\n")), flush=True)
`;
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Opens a real one, in Python, since Node has no datagrams over unix sockets. @param path `@name` is an abstract one */
export async function openNotifySocket(path: string): Promise<NotifySocket> {
  const child = spawn("python3", ["-c", RECEIVER, path], { stdio: ["ignore", "pipe", "inherit"] });
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  closing.push(async () => {
    child.kill();
    await gone;
  });
  const messages: Message[] = [];
  const waiters = new Set<() => void>();
  const opened = Promise.withResolvers<void>();
  child.once("error", opened.reject);
  createInterface({ input: child.stdout }).on("line", (line) => {
    opened.resolve();
    const words = (JSON.parse(line) as string[]).filter((word) => word !== "" && word !== "BARRIER=1");
    if (words.length === 0) return;
    messages.push(Object.fromEntries(words.map((word) => word.split(/=(.*)/s).slice(0, 2))));
    for (const look of waiters) look();
  });
  await opened.promise;
  return {
    messages,
    told: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = messages.find(fits);
          if (found === undefined) return;
          waiters.delete(look);
          resolve(found);
        };
        waiters.add(look);
        look();
      }),
  };
}
