import { fileInvalid } from "./file-fault.ts";

const SIGNATURES: readonly {
  readonly bytes: string;
  readonly what: string;
  readonly remedy: (path: string) => string;
}[] = [
  {
    bytes: "504b0304",
    what: "it is an Excel workbook (.xlsx) or another zip archive",
    remedy: () => "In Excel: Save as, CSV UTF-8. A zip: unpack it and name the file in it.",
  },
  {
    bytes: "d0cf11e0a1b11ae1",
    what: "it is an old Excel workbook (.xls)",
    remedy: () => "In Excel: Save as, CSV UTF-8.",
  },
  {
    bytes: "1f8b",
    what: "it is compressed (gzip)",
    remedy: (path) => `Unpack it: gunzip ${path}, or gunzip -c ${path} | querymill … --input -`,
  },
  { bytes: "28b52ffd", what: "it is compressed (zstd)", remedy: (path) => `Unpack it: zstd -d ${path}` },
  { bytes: "425a68", what: "it is compressed (bzip2)", remedy: (path) => `Unpack it: bunzip2 ${path}` },
  { bytes: "fd377a585a00", what: "it is compressed (xz)", remedy: (path) => `Unpack it: unxz ${path}` },
  { bytes: "25504446", what: "it is a PDF", remedy: () => "Export the data as CSV or JSONL." },
  {
    bytes: "53514c69746520666f726d61742033",
    what: "it is an SQLite database",
    remedy: (path) => `Read it with --store ${path}, if Querymill wrote it; else export it as CSV.`,
  },
];

/**
 * What a file is by its name, else by how it begins.
 * @throws QuerymillError FILE_INVALID for what is known and is no table, and for an ending of something else
 */
export function kindOfFile(path: string, head: Buffer): "csv" | "jsonl" | "parquet" {
  const found = SIGNATURES.find(({ bytes }) => head.subarray(0, bytes.length / 2).toString("hex") === bytes);
  if (found !== undefined) throw fileInvalid(path, found.what, found.remedy(path));
  if (head.subarray(0, 4).toString("latin1") === "PAR1") return "parquet";
  const [, ending = ""] = /\.([a-z0-9]+)$/i.exec(path) ?? [];
  switch (ending.toLowerCase()) {
    case "csv":
    case "tsv":
    case "tab":
      return "csv";
    case "jsonl":
    case "ndjson":
      return "jsonl";
    case "parquet":
      throw fileInvalid(
        path,
        "it does not begin as a Parquet file does (PAR1)",
        "Is it another format? Write it again.",
      );
    default:
      return /^[^\p{L}\p{N}"';,]*[{[]/u.test(head.toString("latin1").replaceAll("\0", "")) ? "jsonl" : "csv";
  }
}
