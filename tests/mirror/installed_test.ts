import assert from "node:assert/strict";
import { rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemFiles as files } from "../../lib/io/files.ts";
import { isCurrent, readInstalled, writeInstalled } from "../../lib/mirror/installed.ts";

function inFolder(run: (folder: string) => void): () => void {
  return () => {
    const folder = Deno.makeTempDirSync();
    try {
      run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

Deno.test(
  "isCurrent() holds for the recorded file until it is touched, replaced, grown or gone",
  inFolder((folder) => {
    const path = join(folder, "data.ldb");
    const record = join(folder, "installed.json");
    const wanted = { v2: "ab".repeat(32), path };
    const current = () => isCurrent(readInstalled(files, record).value, wanted, files.stat(path));
    assert.equal(current(), false);

    writeFileSync(path, "ledger");
    utimesSync(path, 1_700_000_000, 1_700_000_000.25);
    writeInstalled(files, record, { v2: wanted.v2, v1: null, seq: 12, path });
    assert.equal(current(), true);
    assert.equal(isCurrent(readInstalled(files, record).value, { v2: "cd", path }, files.stat(path)), false);
    assert.equal(
      isCurrent(readInstalled(files, record).value, { ...wanted, path: record }, files.stat(path)),
      false,
    );

    utimesSync(path, 1_700_000_000, 1_700_000_001);
    assert.equal(current(), false, "another time");
    utimesSync(path, 1_700_000_000, 1_700_000_000.25);
    assert.equal(current(), true);
    writeFileSync(path, "ledger, longer");
    utimesSync(path, 1_700_000_000, 1_700_000_000.25);
    assert.equal(current(), false, "another size");
    writeFileSync(join(folder, "new"), "ledger");
    utimesSync(join(folder, "new"), 1_700_000_000, 1_700_000_000.25);
    files.rename(join(folder, "new"), path);
    assert.equal(current(), false, "another file of the same size and time");
    rmSync(path);
    assert.equal(current(), false, "nothing there");
  }),
);

Deno.test(
  "readInstalled() sets a record aside that lacks a field",
  inFolder((folder) => {
    const record = join(folder, "installed.json");
    writeFileSync(record, '{"v2": "ab", "path": "/x", "size": 1, "mtime": 1, "inode": 1}');
    const { value, warning } = readInstalled(files, record);
    assert.equal(value, undefined);
    assert.match(warning!, /installed\.json\.bad/);
  }),
);
