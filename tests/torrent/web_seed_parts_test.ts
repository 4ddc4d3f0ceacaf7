import assert from "node:assert/strict";
import { concatBytes } from "../../lib/bytes.ts";
import { BLOCK_BYTES, type Layout } from "../../lib/torrent/layout.ts";
import { BlockCutter, fileUrl, type PickedBlock, stretchesOf } from "../../lib/torrent/web_seed_parts.ts";
import { FixtureTorrent } from "./fixture_torrent.ts";
import { layoutOf } from "./fixtures.ts";

function block(layout: Layout, piece: number, block: number): PickedBlock {
  return { piece: layout.piece(piece)!, block };
}

Deno.test("stretchesOf() asks for blocks that lie side by side together, across pieces too", () => {
  const layout = layoutOf("v2", 32_768, [100_000]);
  const picked = [[1, 0], [0, 1], [3, 0], [0, 0]].map(([piece, at]) => block(layout, piece!, at!));
  const stretches = stretchesOf(layout, picked);
  assert.deepEqual(stretches.map(({ parts }) => parts), [
    [{ file: 0, at: 0, length: 3 * BLOCK_BYTES }],
    [{ file: 0, at: 98_304, length: 1696 }],
  ]);
  assert.deepEqual(stretches[0]!.blocks, [[0, 0], [0, 1], [1, 0]].map(([p, b]) => block(layout, p!, b!)));
});

Deno.test("stretchesOf() asks each file of a v1 torrent for its own, and nobody for padding", () => {
  const torrent = new FixtureTorrent("v1", 32_768, [10_000, 0, 30_000]);
  const { layout } = torrent;
  const all = [...layout.pieces()].flatMap((piece) =>
    Array.from({ length: layout.blockCount(piece) }, (_, at) => ({ piece, block: at }))
  );
  const [only, ...others] = stretchesOf(layout, all);
  assert.equal(others.length, 0);
  assert.deepEqual(only!.parts, [{ file: 0, at: 0, length: 10_000 }, { file: 2, at: 0, length: 30_000 }]);
});

Deno.test("fileUrl() follows BEP 19: a name below a folder, a path for each of several files", () => {
  const single = { rawName: "a file.7z", isSingleFile: true, files: [] };
  assert.equal(fileUrl("http://h/x.7z?k=1", single, 0), "http://h/x.7z?k=1");
  assert.equal(fileUrl("http://h/d/?k=1", single, 0), "http://h/d/a%20file.7z?k=1");
  const files = [{ path: ["b", "c#?.x"], length: 1, offset: 0, piecesRoot: undefined }];
  const several = { rawName: "name", isSingleFile: false, files };
  assert.equal(fileUrl("http://h/d/", several, 0), "http://h/d/name/b/c%23%3F.x");
  assert.equal(fileUrl("http://h/d", several, 0), "http://h/d/name/b/c%23%3F.x");
});

for (const step of [1, 16_383, 16_384, 16_385, 70_000]) {
  Deno.test(`BlockCutter gives every block whole when ${step} bytes come at a time`, () => {
    const torrent = new FixtureTorrent("v2", 32_768, [70_001]);
    const { layout } = torrent;
    const all = [...layout.pieces()].flatMap((piece) =>
      Array.from({ length: layout.blockCount(piece) }, (_, at) => ({ piece, block: at }))
    );
    const [stretch] = stretchesOf(layout, all);
    let given = 0;
    const cutter = new BlockCutter(layout, stretch!, (at, data) => {
      assert.deepEqual(at, all[given++]);
      assert.deepEqual(data.slice(), torrent.block(at.piece, at.block));
    });
    const bytes = concatBytes(...all.map((at) => torrent.block(at.piece, at.block)));
    for (let at = 0; at < bytes.length; at += step) cutter.push(bytes.subarray(at, at + step));
    assert.equal(given, all.length);
    assert.throws(() => cutter.push(new Uint8Array(1)), RangeError);
  });
}
