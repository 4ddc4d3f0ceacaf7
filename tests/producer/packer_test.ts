import assert from "node:assert/strict";
import { ARCHIVE_NAMES, fetchedName, isArchiveName } from "../../lib/producer/packer.ts";

Deno.test("fetchedName() goes by what the archive is, and by its source's name for what is inside", () => {
  const named = (kind: Parameters<typeof fetchedName>[0], given: string) => {
    const name = fetchedName(kind, given);
    assert.ok(isArchiveName(name), name);
    return name.replace("nano-ledger-snapshot", "*");
  };
  assert.equal(named("7z", "Nano_64_2026_04_23_09.7z"), "*.7z");
  assert.equal(named("7z", "Nano.tar.zst"), "*.7z");
  assert.equal(named("zst", "Nano_64.tar.zst"), "*.tar.zst");
  assert.equal(named("zst", "Nano_64.LDB.ZST"), "*.ldb.zst");
  assert.equal(named("zst", "Nano.7z"), "*.zst");
  assert.equal(named("gz", "Nano.tgz"), "*.tar.gz");
  assert.equal(named("gz", "data.ldb.gz"), "*.ldb.gz");
  assert.equal(named("tar", "Nano.tar"), "*.tar");
  assert.equal(named("ldb", "Nano.ldb"), "data.ldb");
});

Deno.test("isArchiveName() knows the producer's own names and no other", () => {
  for (const name of Object.values(ARCHIVE_NAMES)) assert.ok(isArchiveName(name), name);
  for (
    const name of ["data.ldb.bak", "nano-ledger-snapshot.7z.torrent", "my.7z", "nano-ledger-snapshot.tar.7z"]
  ) {
    assert.ok(!isArchiveName(name), name);
  }
});
