import { join } from "node:path";
import { expect, test } from "vitest";
import { commandsHere, programName } from "../../src/cli/program.ts";

const source = join(process.cwd(), "src", "bin.ts");

test("a command is shown as it can be typed here: installed, through npm, or through node", () => {
  expect(programName("/usr/lib/node_modules/querymill/dist/bin.js", {})).toBe("querymill");
  expect(programName("/usr/bin/querymill", { npm_lifecycle_event: "npx" })).toBe("querymill");
  expect(programName(source, { npm_lifecycle_event: "start" })).toBe("npm run -s querymill --");
  expect(programName(source, {})).toBe("node src/bin.ts");
  expect(programName("/elsewhere/src/bin.ts", {})).toBe("node /elsewhere/src/bin.ts");
});

test("a command in a message gets the flags that were typed, but no password and nothing of one run only", () => {
  const message = "Go on:   querymill run --job inbox --recover\nSee querymill run --help, or querymill demo.";
  const typed = ["run", "--store", "mongodb://me:secret@h/db", "--job=inbox", "--model", "a/b", "--fresh", "--no-wait"];
  expect(commandsHere(message, typed)).toBe(
    "Go on:   querymill run --model a/b --no-wait --job inbox --recover\nSee querymill run --help, or querymill demo.",
  );
  expect(commandsHere("querymill run --model offline", ["--base-url", "http://h/v1", "--limit", "3"])).toBe(
    "querymill run --limit 3 --model offline",
  );
  expect(commandsHere("querymill run --model openai/x", ["demo", "--store", "a b"])).toBe(
    "querymill demo --store 'a b' --model openai/x",
  );
});

test("a review and an estimate in a message get the flags that lead to the same job, and no others", () => {
  const typed = ["evaluate", "--reviewed", "--input", "t.csv", "--json", "--taxonomy", "shop.yaml", "--limit", "3"];
  expect(commandsHere("querymill export --review 200 --output s.csv, querymill import --reviewed s.csv.", typed)).toBe(
    "querymill export --input t.csv --taxonomy shop.yaml --review 200 --output s.csv, querymill import --input t.csv --taxonomy shop.yaml --reviewed s.csv.",
  );
  expect(commandsHere("querymill import FILE --store URI", typed)).toBe("querymill import FILE --store URI");
  expect(commandsHere("querymill estimate --pilot 100", ["run", "--model", "a/b", "--input", "t.csv", "-q"])).toBe(
    "querymill estimate --model a/b --input t.csv --pilot 100",
  );
  expect(commandsHere("querymill export --review 9", ["evaluate", "--reviewed", "--demo"])).toBe(
    "querymill export --demo --review 9",
  );
});
