// A snapshot on its way into the output directory, killed at every step.

import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import { systemFiles } from "../../lib/io/files.ts";
import type { Files } from "../../lib/ports.ts";
import { OutputPaths } from "../../lib/producer/pairs.ts";
import { isAbout, markOf, readMeta, writeMeta } from "../../lib/producer/snapshot_meta.ts";
import { SOURCE_KEY, Staging } from "../../lib/producer/staging.ts";

const ARCHIVE = "nano-ledger-snapshot.7z";
const SOURCE = { kind: "index", etag: '"2"' };

class Killed extends Error {}

/** Files that stop working at the n-th rename or removal. */
function dyingFiles(steps: number): Files {
  const live = <A extends unknown[]>(work: (...args: A) => void) => (...args: A): void => {
    if (steps-- <= 0) throw new Killed();
    work(...args);
  };
  return { ...systemFiles, rename: live(systemFiles.rename), removeAll: live(systemFiles.removeAll) };
}

/** An old snapshot in its place, a new one made. */
function scene(): { output: OutputPaths; [Symbol.dispose](): void } {
  const root = Deno.makeTempDirSync({ prefix: "nano-snap-test-" });
  const output = new OutputPaths(root);
  systemFiles.writeNew(join(root, ARCHIVE), utf8("old"));
  systemFiles.writeNew(join(root, `${ARCHIVE}.torrent`), utf8("old torrent"));
  systemFiles.writeNew(output.meta, utf8('{"torrent_info_hash":"old","theirs":1}'));
  const staging = new Staging(systemFiles, output);
  staging.begin(SOURCE);
  systemFiles.writeNew(staging.archive(ARCHIVE), utf8("new"));
  systemFiles.writeNew(staging.archive(`${ARCHIVE}.torrent`), utf8("new torrent"));
  const mark = markOf(systemFiles.stat(staging.archive(ARCHIVE))!);
  writeMeta(systemFiles, join(staging.folder, "snapshot-meta.json"), { torrent_info_hash: "new" }, { mark });
  return { output, [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }) };
}

Deno.test("holds() only the whole archive of the very source", () => {
  using there = scene();
  const staging = new Staging(systemFiles, there.output);
  assert.equal(staging.holds(SOURCE, ARCHIVE), true);
  assert.equal(staging.holds({ ...SOURCE, etag: '"3"' }, ARCHIVE), false);
  assert.equal(staging.holds(SOURCE, "data.ldb"), false);
  staging.begin(SOURCE);
  assert.equal(staging.holds(SOURCE, ARCHIVE), false);
});

Deno.test("commit() moves nothing before it is finished", () => {
  using there = scene();
  assert.equal(new Staging(systemFiles, there.output).commit(), undefined);
  assert.equal(Deno.readTextFileSync(join(there.output.root, ARCHIVE)), "old");
});

Deno.test("commit() is gone on with by the next run, wherever it was killed", () => {
  for (let steps = 0; steps < 4; steps++) {
    using there = scene();
    const { root, meta: metaPath } = there.output;
    new Staging(systemFiles, there.output).finish(SOURCE);
    assert.throws(() => new Staging(dyingFiles(steps), there.output).commit(), Killed);
    const path = new Staging(systemFiles, there.output).commit();
    // Killed after the last move there is nothing left to do.
    assert.equal(path, steps < 3 ? join(root, ARCHIVE) : undefined);
    assert.equal(Deno.readTextFileSync(join(root, ARCHIVE)), "new", `killed at ${steps}`);
    assert.equal(Deno.readTextFileSync(join(root, `${ARCHIVE}.torrent`)), "new torrent");
    const { value: meta } = readMeta(systemFiles, metaPath);
    assert.deepEqual([meta["torrent_info_hash"], meta["theirs"], meta[SOURCE_KEY]], ["new", 1, SOURCE]);
    assert.ok(
      isAbout(meta, systemFiles.stat(join(root, ARCHIVE))!),
      "it is still known what it was found to be",
    );
  }
});
