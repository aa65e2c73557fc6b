import { join } from "node:path";
import { expect, test } from "vitest";
import { programName } from "../../src/cli/program.ts";

const source = join(process.cwd(), "src", "bin.ts");

test("a command is shown as it can be typed here: installed, through npm, or through node", () => {
  expect(programName("/usr/lib/node_modules/querymill/dist/bin.js", {})).toBe("querymill");
  expect(programName("/usr/bin/querymill", { npm_lifecycle_event: "npx" })).toBe("querymill");
  expect(programName(source, { npm_lifecycle_event: "start" })).toBe("npm run -s querymill --");
  expect(programName(source, {})).toBe("node src/bin.ts");
  expect(programName("/elsewhere/src/bin.ts", {})).toBe("node /elsewhere/src/bin.ts");
});
