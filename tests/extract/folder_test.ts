import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { VerificationFailed } from "../../lib/errors.ts";
import { findArchive } from "../../lib/extract/folder.ts";
import { systemFiles as files } from "../../lib/io/files.ts";
import { ledgerBytes } from "./fakes.ts";
import { slashed } from "../windows.ts";

const SEVEN_ZIP = new Uint8Array([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4]);
const ZSTD = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0]);
const TEXT = new TextEncoder().encode("read me\n");
const LEDGER = ledgerBytes(4096);

/** Makes a folder of these files and finds the archive in it: its path below the folder. */
function find(members: Record<string, Uint8Array>): string {
  const path = Deno.makeTempDirSync();
  try {
    for (const [name, bytes] of Object.entries(members)) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), bytes);
    }
    const names = Object.keys(members).map((name) => name.split("/"));
    return slashed(findArchive(files, { name: "snap", path, members: names }).slice(path.length + 1));
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

const found: [string, Record<string, Uint8Array>, string][] = [
  ["data.ldb at the top, whatever is beside it", { "a.7z": SEVEN_ZIP, "data.ldb": LEDGER }, "data.ldb"],
  [
    "the only archive by its content",
    { "README.7z": TEXT, "sub/x.bin": ZSTD, "empty": new Uint8Array() },
    "sub/x.bin",
  ],
  ["a ledger that lies deeper", { "readme": TEXT, "deep/data.ldb": LEDGER }, "deep/data.ldb"],
  ["the ledger, never wallets.ldb", { "live/data.ldb": LEDGER, "live/wallets.ldb": LEDGER }, "live/data.ldb"],
];
for (const [what, members, path] of found) {
  Deno.test(`findArchive() takes ${what}`, () => assert.equal(find(members), path));
}

const refused: [string, Record<string, Uint8Array>, RegExp][] = [
  [
    "no archive, naming what is there",
    { "a.txt": TEXT, "b/c": TEXT },
    /none of its files .* holds "a.txt", "b\/c"$/,
  ],
  [
    "two archives, naming both",
    { "a.7z": SEVEN_ZIP, "b.zst": ZSTD, "c": TEXT },
    /nobody can tell: "a.7z", "b.zst"$/,
  ],
  ["wallets.ldb alone", { "wallets.ldb": LEDGER }, /none of its files/],
  [
    "a crowd, naming some",
    Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`${i}`, TEXT])),
    /and 12 more$/,
  ],
];
for (const [what, members, why] of refused) {
  Deno.test(`findArchive() refuses ${what}`, () => {
    assert.throws(() => find(members), (error: unknown) => {
      assert.ok(error instanceof VerificationFailed);
      assert.match(error.message, /^Cannot extract snap: /);
      assert.match(error.message, why);
      return true;
    });
  });
}
