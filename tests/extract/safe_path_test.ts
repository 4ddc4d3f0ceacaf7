import assert from "node:assert/strict";
import { checkEntry, showName } from "../../lib/extract/safe_path.ts";
import { assertRefused } from "./fakes.ts";

Deno.test("checkEntry() passes data.ldb and ./data.ldb", () => {
  for (const name of ["data.ldb", "./data.ldb"]) checkEntry({ name, kind: "file" });
});

Deno.test("checkEntry() refuses absolute names of each system", () => {
  for (const name of ["/data.ldb", "//host/data.ldb", "\\data.ldb", "C:data.ldb", "c:\\data.ldb"]) {
    assertRefused(() => checkEntry({ name, kind: "file" }), /absolute name/);
  }
});

Deno.test("checkEntry() refuses names that climb, with either slash", () => {
  for (const name of ["../data.ldb", "a/../data.ldb", "./../data.ldb", "..\\data.ldb", ".."]) {
    assertRefused(() => checkEntry({ name, kind: "file" }), /leads out of its folder/);
  }
});

Deno.test("checkEntry() refuses every other name", () => {
  const names = [
    "",
    ".",
    "./",
    "Data.ldb",
    "data.ldb ",
    "data.ldb/",
    "a/data.ldb",
    "././data.ldb",
    "wallets.ldb",
  ];
  for (const name of [...names, "data.ldb\0", "data.ldb:stream"]) {
    assertRefused(() => checkEntry({ name, kind: "file" }), /is not data\.ldb/);
  }
});

Deno.test("checkEntry() refuses the right name on what is no plain file", () => {
  for (const kind of ["directory", "link", "special"] as const) {
    assertRefused(() => checkEntry({ name: "data.ldb", kind }), new RegExp(`is a ${kind}, not a plain file`));
  }
});

Deno.test("showName() cuts and escapes what could steer a terminal", () => {
  assert.equal(showName("a\x1b[2Jb"), '"a\\u001b[2Jb"');
  assert.equal(showName("a\x9bb\u202ec"), '"a\\u009bb\\u202ec"');
  assert.equal(showName("x".repeat(500)).length, 83);
});
