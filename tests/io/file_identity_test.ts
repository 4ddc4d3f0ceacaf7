// Which file an inode number means, with numbers as the runtime tells them; on a real file system that has such numbers:
// tests/interop/inode_test.ts.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { inodeOf, inodeOfOpen } from "../../lib/io/file_identity.ts";

/** As of a file whose number was rounded. */
const ROUNDED = { ino: 2 ** 63, dev: 42, birthtimeMs: 1_700_000_000_123 };

Deno.test("inodeOf() and inodeOfOpen() take a number that is exact as it is", () => {
  const path = Deno.makeTempFileSync();
  const stats = statSync(path);
  assert.equal(inodeOf(stats, path), stats.ino);
  assert.equal(inodeOfOpen(stats, path), stats.ino);
  Deno.removeSync(path);
});

Deno.test("inodeOf() and inodeOfOpen() take no number for one where all files have 0", () => {
  const path = Deno.makeTempFileSync();
  for (const ask of [inodeOf, inodeOfOpen]) {
    const nameless = { ...ROUNDED, ino: 0 };
    assert.notEqual(ask(nameless, path), ask({ ...nameless, birthtimeMs: nameless.birthtimeMs + 1 }, path));
  }
  Deno.removeSync(path);
});

Deno.test("inodeOf() tells files of one rounded number apart by their birth, where it is not told in full", () => {
  const path = Deno.makeTempFileSync();
  // What has the path now is another file.
  for (const ask of [inodeOf, inodeOfOpen]) {
    const one = ask(ROUNDED, path);
    assert.equal(typeof one, "string");
    assert.equal(ask(ROUNDED, `${path}-gone`), one);
    assert.notEqual(ask({ ...ROUNDED, birthtimeMs: ROUNDED.birthtimeMs + 1 }, path), one);
    assert.equal(JSON.parse(JSON.stringify({ one })).one, one);
  }
  Deno.removeSync(path);
});
