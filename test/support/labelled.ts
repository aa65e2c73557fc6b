import { makeWorkspace, type Workspace } from "./workspace.ts";

const TAXONOMY = `
name: shop
summary: false
alternatives: false
dimensions:
  category:
    labels:
      - id: billing
        aliases: [Payments]
        examples: ["I was charged twice", "the invoice is wrong", "refund my card charge"]
      - id: shipping
        examples: ["where is my parcel", "the delivery is late", "tracking number does not work"]
      - id: account_access
        examples: ["I forgot my password", "cannot sign in", "two factor code never arrives"]
`;
const ROWS = [
  ["r1", "I was charged twice for the invoice", "billing"],
  ["r2", "my parcel delivery is late", "Shipping"],
  ["r3", "I forgot my password and cannot sign in", "Account access"],
  ["r4", "refund the wrong charge on my card", "payments"],
  ["r5", "the tracking number of my parcel does not work", "billing"],
  ["r6", "", "billing"],
  ["r7", "where is it", ""],
] as const;
export const csv = (rows: readonly (readonly string[])[], head = "id,text,label"): string =>
  [head, ...rows.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(","))].join("\n");

/** A workspace with `shop.yaml`, a taxonomy of three categories, and `labelled.csv`. */
export function labelledSpace(rows: readonly (readonly string[])[] = ROWS): Workspace {
  const made = makeWorkspace();
  made.write("shop.yaml", TAXONOMY);
  made.write("labelled.csv", csv(rows));
  return made;
}
/** Evaluates it without a network. */
export const OFFLINE = [
  "evaluate",
  "labelled.csv",
  "--taxonomy",
  "shop.yaml",
  "--model",
  "offline",
  "--id-column",
  "id",
];
/** Rows that the model server tells apart. */
export const manyRows = (n: number) =>
  Array.from({ length: n }, (_, at) => [
    `q${at}`,
    `[doc:q${at}] where is parcel ${at}`,
    ["billing", "shipping"][at % 2]!,
  ]);
