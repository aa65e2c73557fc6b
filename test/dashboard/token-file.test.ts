import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Sessions } from "../../src/dashboard/session.ts";
import { TokenFile } from "../../src/dashboard/token-file.ts";

const READER = { tenant: null, role: "reader" } as const;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "querymill-tokens-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

it("keeps every token that is made and brings none back, however many change the file at once", async () => {
  const path = await folder();
  const old = await Promise.all(
    Array.from({ length: 6 }, (_, at) => new TokenFile(path).add({ ...READER, name: `old ${at}` })),
  );
  await Promise.all([
    ...old.map(({ made }) => new TokenFile(path).remove(({ id }) => id === made.id)),
    ...Array.from({ length: 6 }, (_, at) => new TokenFile(path).add({ ...READER, name: `new ${at}` })),
  ]);
  const names = new TokenFile(path).list().map(({ name }) => name);
  expect(names.sort()).toEqual(["new 0", "new 1", "new 2", "new 3", "new 4", "new 5"]);
});

it("none holds while the file cannot be read, and who looks at a stream meets no error", async () => {
  const path = await folder();
  const file = new TokenFile(path);
  const { token } = await file.add({ ...READER, name: null });
  const options = { listen: null, hosts: [], readOnly: false, token: null, readerToken: null };
  const sessions = new Sessions(options, Date.now, { file, hasTenant: () => true });
  const { session } = sessions.login(token)!;
  expect(sessions.holds(session)).toBe(true);
  await writeFile(file.path, "{");
  expect(sessions.holds(session)).toBe(false);
  expect(() => sessions.login(token)).toThrow(/cannot be read, so none of them is taken/);
});
