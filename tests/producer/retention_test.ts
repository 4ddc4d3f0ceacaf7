// Which earlier pairs stay, on a real folder: hard links are what it is about.

import assert from "node:assert/strict";
import { join } from "node:path";
import { toHex } from "../../lib/bytes.ts";
import { NotEnoughSpace } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { findCurrent, findRetained, listRetained, OutputPaths } from "../../lib/producer/pairs.ts";
import { isNoRetention, prune, retain } from "../../lib/producer/retention.ts";
import { encodeTorrent } from "../../lib/torrent/metainfo.ts";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";

/** Puts a pair of that size into the folder, over the one before, as the pipeline does. */
function produce(folder: string, size: number): string {
  const torrent = new FixtureTorrent("v2", 16_384, [size]);
  const { info } = torrent;
  const v2 = toHex(info.infoHashV2!);
  const archive = join(folder, "a.7z");
  Deno.writeTextFileSync(`${archive}.new`, `content of ${size}`);
  Deno.renameSync(`${archive}.new`, archive);
  const pieceLayers = torrent.layers()?.layersByRoot() ?? new Map();
  Deno.writeFileSync(
    `${archive}.torrent`,
    encodeTorrent({ infoBytes: info.bytes, pieceLayers, trackers: [] }),
  );
  Deno.writeTextFileSync(join(folder, "snapshot-meta.json"), JSON.stringify({ torrent_info_hash: v2 }));
  return v2;
}

Deno.test("retain() and prune() keep the newest earlier pairs under other names of the same files", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const paths = new OutputPaths(folder);
    const hashes = [100_000, 200_000, 300_000, 400_000].map((size, i) => {
      const v2 = produce(folder, size);
      const pair = findCurrent(systemFiles, paths);
      assert.equal(pair.v2, v2);
      retain(systemFiles, paths, pair);
      retain(systemFiles, paths, pair);
      const time = new Date(1_700_000_000_000 + i * 1000);
      Deno.utimeSync(join(folder, "retained", v2, "a.7z.torrent"), time, time);
      return v2;
    });
    const [oldest, older, old, current] = hashes as [string, string, string, string];
    assert.deepEqual(listRetained(systemFiles, paths), [current, old, older, oldest]);
    assert.equal(Deno.statSync(join(folder, "retained", current, "a.7z")).nlink, 2);
    systemFiles.makeDir(paths.checkedFolder);
    for (const v2 of hashes) Deno.writeTextFileSync(paths.checked(v2), "{}");

    assert.deepEqual(prune(systemFiles, paths, { current, keep: 2 }), [old, older]);
    assert.deepEqual(listRetained(systemFiles, paths), [current, old, older]);
    assert.deepEqual(
      systemFiles.list(paths.checkedFolder),
      [current, old, older].map((v2) => `${v2}.json`).sort(),
    );
    assert.equal(
      Deno.readTextFileSync(findRetained(systemFiles, paths, older).archivePath),
      "content of 200000",
    );
    assert.deepEqual(prune(systemFiles, paths, { current, keep: 0 }), []);
    assert.deepEqual(listRetained(systemFiles, paths), []);
    assert.equal(Deno.readTextFileSync(join(folder, "a.7z")), "content of 400000", "what is current stays");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("retain() whose torrent found no room means only no retention, and is made good by the next", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const v2 = produce(folder, 100_000);
    const paths = new OutputPaths(folder);
    const files = {
      ...systemFiles,
      writeAtomic: () => {
        throw new NotEnoughSpace("full");
      },
    };
    assert.throws(() => retain(files, paths, findCurrent(files, paths)), isNoRetention);
    assert.throws(() => findRetained(systemFiles, paths, v2), /nothing is whole there/);
    retain(systemFiles, paths, findCurrent(systemFiles, paths));
    assert.equal(findRetained(systemFiles, paths, v2).v2, v2);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
