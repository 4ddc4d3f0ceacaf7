import assert from "node:assert/strict";
import fc from "fast-check";
import { InvariantBroken } from "../../lib/errors.ts";
import {
  BLOCK_BYTES,
  blocksIn,
  Layout,
  type LayoutSource,
  type PieceIndex,
  type Span,
} from "../../lib/torrent/layout.ts";
import { layoutOf } from "./fixtures.ts";

const GIB = 2 ** 30;

Deno.test("Layout has the six pieces of libtorrent's hybrid `multi`", () => {
  const layout = layoutOf("hybrid", 32768, [16384, 40000, 0, 70000]);
  assert.equal(layout.pieceCount, 6);
  assert.equal(layout.totalLength, 126384);
  assert.equal(layout.single, false);
  const pieces = [...layout.pieces()];
  assert.deepEqual(pieces.map((p) => layout.pieceSize(p)), [16384, 32768, 7232, 32768, 32768, 4464]);
  assert.deepEqual(pieces.map((p) => layout.fileIndexOf(p)), [0, 1, 1, 3, 3, 3]);
  assert.deepEqual(pieces.map((p) => layout.pieceInFile(p)), [0, 0, 1, 0, 1, 2]);
  assert.deepEqual(pieces.map((p) => layout.blockCount(p)), [1, 2, 1, 2, 2, 1]);
  assert.deepEqual([0, 1, 2, 3].map((f) => layout.pieceCountOf(f)), [1, 2, 0, 3]);
  assert.deepEqual([0, 1, 3].map((f) => layout.firstPieceOf(f)), [0, 1, 3]);
  assert.equal(layout.blockSize(pieces[5]!, 0), 4464);
});

Deno.test("Layout has the four pieces of libtorrent's v1 `multi` without padding", () => {
  const layout = layoutOf("v1", 32768, [16384, 40000, 0, 70000]);
  assert.equal(layout.pieceCount, 4);
  const pieces = [...layout.pieces()];
  assert.deepEqual(pieces.map((p) => layout.pieceSize(p)), [32768, 32768, 32768, 28080]);
  assert.deepEqual(layout.spans(pieces[1]!, 0, 32768), [
    { file: 1, at: 16384, length: 23616 },
    { file: 3, at: 0, length: 9152 },
  ]);
  assert.throws(() => layout.fileIndexOf(pieces[1]!), InvariantBroken);
});

Deno.test("Layout counts padding into a v1 torrent's pieces, also after the last file", () => {
  const files = layoutOf("hybrid", 32768, [16384, 40000, 0, 70000]).files;
  const source = { kind: "v1", pieceLength: 32768, pieceCount: 6, files, paddedLength: 6 * 32768 } as const;
  const layout = Layout.of(source);
  const pieces = [...layout.pieces()];
  assert.deepEqual(pieces.map((p) => layout.pieceSize(p)), Array(6).fill(32768));
  assert.deepEqual(pieces.map((p) => layout.dataSize(p)), [16384, 32768, 7232, 32768, 32768, 4464]);
  assert.deepEqual(layout.spans(pieces[5]!, 0, 32768), [
    { file: 3, at: 65536, length: 4464 },
    { file: undefined, at: 0, length: 28304 },
  ]);
  const untailed = Layout.of({ kind: "v1", pieceLength: 32768, pieceCount: 6, files });
  assert.equal(untailed.pieceSize(pieces[5]!), 4464);
});

Deno.test("Layout stays exact above 2^32", () => {
  const length = 121 * GIB + 5;
  const layout = layoutOf("hybrid", 32 << 20, [length]);
  assert.equal(layout.pieceCount, 3873);
  assert.equal(layout.single, true);
  const last = layout.piece(3872)!;
  assert.equal(layout.offset(last, 0), 121 * GIB);
  assert.equal(layout.pieceSize(last), 5);
  const before = layout.piece(3871)!;
  assert.deepEqual(layout.spans(before, 16384, 16384), [
    { file: 0, at: 121 * GIB - (32 << 20) + 16384, length: 16384 },
  ]);
  const large = layoutOf("v2", 16384, [2 ** 31, 2 ** 34]);
  const piece = large.piece(large.pieceCount - 1)!;
  assert.deepEqual(large.spans(piece, 0, 16384), [{ file: 1, at: 2 ** 34 - 16384, length: 16384 }]);
});

Deno.test("Layout.piece() takes only whole numbers inside the torrent", () => {
  const layout = layoutOf("v2", 16384, [40000]);
  assert.equal(layout.piece(2), 2);
  for (const n of [3, -1, 0.5, NaN, 0xffffffff]) assert.equal(layout.piece(n), undefined);
});

Deno.test("Layout.single is false for one file with padding before or after it", () => {
  const files = [{ path: ["a"], length: 10, offset: 16384, piecesRoot: undefined }];
  const layout = Layout.of({ kind: "v1", pieceLength: 16384, pieceCount: 2, files });
  assert.equal(layout.single, false);
  assert.deepEqual(layout.spans(layout.piece(0)!, 0, 16384), [{ file: undefined, at: 0, length: 16384 }]);
  assert.deepEqual(layout.spans(layout.piece(1)!, 2, 8), [{ file: 0, at: 2, length: 8 }]);
  const tail = [{ path: ["a"], length: 10, offset: 0, piecesRoot: undefined }];
  const source = { kind: "v1", pieceLength: 16384, pieceCount: 1, files: tail } as const;
  assert.equal(Layout.of(source).single, true);
  assert.equal(Layout.of({ ...source, paddedLength: 16384 }).single, false);
  assert.equal(Layout.of({ ...source, kind: "hybrid", paddedLength: 16384 }).single, true);
});

Deno.test("Layout.single holds when all other files are empty", () => {
  const layout = layoutOf("hybrid", 16384, [0, 40000, 0]);
  assert.equal(layout.single, true);
  assert.equal(layout.singleFile, 1);
  assert.equal(layout.fileIndexOf(layout.piece(2)!), 1);
});

Deno.test("Layout.blockAt() knows a block by its exact begin and length", () => {
  const layout = layoutOf("hybrid", 32768, [40000]);
  const [first, last] = [layout.piece(0)!, layout.piece(1)!];
  assert.equal(layout.blockAt(first, 16384, 16384), 1);
  assert.equal(layout.blockAt(last, 0, 7232), 0);
  for (
    const [begin, length] of [[1, 16383], [0, 16383], [32768, 16384], [-16384, 16384], [32768, 0]] as const
  ) {
    assert.equal(layout.blockAt(first, begin, length), undefined, `${begin}+${length}`);
  }
  assert.equal(layout.blockAt(last, 0, 16384), undefined);
  assert.equal(layout.blockAt(last, 16384, -9152), undefined);
});

Deno.test("Layout.checkRequest() refuses what is outside the piece or above a block", () => {
  const layout = layoutOf("hybrid", 32768, [40000]);
  assert.equal(layout.checkRequest(0, 100, 20), 0);
  assert.equal(layout.checkRequest(0, 16384, 16384), 0);
  for (
    const [piece, begin, length] of [
      [2, 0, 1],
      [0, 0, 16385],
      [0, 0, 0],
      [0, 16385, 16384],
      [0, 0xffffffff, 16384],
      [0, -1, 2],
      [0xffffffff, 0, 1],
    ] as const
  ) assert.equal(layout.checkRequest(piece, begin, length), undefined, `${piece}:${begin}+${length}`);
});

Deno.test("Layout.checkRequest() lets v2 requests reach into the padding, v1 ones not past the end", () => {
  const v2 = layoutOf("v2", 32768, [40000]);
  assert.equal(v2.checkRequest(1, 0, 16384), 1);
  assert.deepEqual(v2.spans(v2.piece(1)!, 0, 16384), [
    { file: 0, at: 32768, length: 7232 },
    { file: undefined, at: 0, length: 9152 },
  ]);
  const v1 = layoutOf("v1", 32768, [40000]);
  assert.equal(v1.checkRequest(1, 0, 7232), 1);
  assert.equal(v1.checkRequest(1, 0, 7233), undefined);
  assert.throws(() => v1.spans(v1.piece(1)!, 0, 7233), RangeError);
});

Deno.test("Layout.piecesAt() names the pieces that a part of a file touches", () => {
  const layout = layoutOf("hybrid", 32768, [16384, 40000, 0, 70000]);
  assert.deepEqual(layout.piecesAt(3, 0, 70000), { first: 3, count: 3 });
  assert.deepEqual(layout.piecesAt(3, 32767, 2), { first: 3, count: 2 });
  assert.deepEqual(layout.piecesAt(3, 65536, 1), { first: 5, count: 1 });
  assert.deepEqual(layout.piecesAt(1, 0, 0), { first: 1, count: 0 });
});

Deno.test("Layout.of() refuses files that overlap, lie askew or need another number of pieces", () => {
  const file = (offset: number, length: number) => ({ path: ["f"], length, offset, piecesRoot: undefined });
  const make = (changes: Partial<LayoutSource>) => () =>
    Layout.of({
      kind: "v2",
      pieceLength: 16384,
      pieceCount: 2,
      files: [file(0, 5), file(16384, 5)],
      ...changes,
    });
  make({})();
  assert.throws(make({ pieceCount: 3 }), InvariantBroken);
  assert.throws(make({ files: [file(0, 5), file(16383, 5)] }), InvariantBroken);
  assert.throws(make({ kind: "v1", files: [file(0, 20000), file(16384, 5)] }), InvariantBroken);
});

const torrents = fc.record({
  kind: fc.constantFrom("v1" as const, "v2" as const, "hybrid" as const),
  pieceLength: fc.constantFrom(16384, 32768, 65536),
  lengths: fc.array(
    fc.oneof(fc.constantFrom(0, 1, 16384, 32768, 65536, 65537), fc.integer({ min: 0, max: 200000 })),
    { minLength: 1, maxLength: 6 },
  ).filter((lengths) => lengths.some((length) => length > 0)),
});

Deno.test("Layout's blocks cover every byte of every file exactly once, in order", () => {
  fc.assert(fc.property(torrents, ({ kind, pieceLength, lengths }) => {
    const layout = layoutOf(kind, pieceLength, lengths);
    const reached = lengths.map(() => 0);
    let data = 0;
    for (const piece of layout.pieces()) {
      let size = 0;
      data += layout.dataSize(piece);
      for (let block = 0; block < layout.blockCount(piece); block++) {
        const length = layout.blockSize(piece, block);
        assert.ok(length >= 1 && length <= BLOCK_BYTES);
        assert.equal(layout.blockAt(piece, size, length), block);
        assert.equal(layout.checkRequest(piece, size, length), piece);
        for (const span of layout.spans(piece, size, length)) {
          assert.ok(span.length > 0);
          if (span.file === undefined) continue;
          assert.equal(span.at, reached[span.file], "no byte twice, none left out");
          reached[span.file]! += span.length;
        }
        size += length;
      }
      assert.equal(size, layout.pieceSize(piece));
      assert.equal(layout.blockCount(piece), blocksIn(size));
    }
    assert.deepEqual(reached, lengths);
    assert.equal(data, layout.totalLength);
  }));
});

Deno.test("Layout.spans() agrees with a byte space drawn byte by byte", () => {
  const small = fc.record({
    kind: fc.constantFrom("v1" as const, "v2" as const),
    pieceLength: fc.constantFrom(4, 8, 16),
    lengths: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 6 })
      .filter((lengths) => lengths.some((length) => length > 0)),
    begin: fc.nat(15),
    length: fc.nat(16),
  });
  fc.assert(fc.property(small, ({ kind, pieceLength, lengths, begin, length }) => {
    const layout = layoutOf(kind, pieceLength, lengths);
    const space: string[] = Array(layout.pieceCount * pieceLength).fill(".");
    layout.files.forEach((file, index) => {
      for (let i = 0; i < file.length; i++) space[file.offset + i] = `${index}:${i}`;
    });
    for (const piece of layout.pieces()) {
      const room = kind === "v1" ? layout.pieceSize(piece) : pieceLength;
      const from = Math.min(begin, room);
      const take = Math.min(length, room - from);
      const expected = space.slice(piece * pieceLength + from, piece * pieceLength + from + take);
      assert.deepEqual(drawn(layout.spans(piece, from, take)), expected);
      if (kind === "v2" && take > 0) assert.equal(layout.fileIndexOf(piece), ownerOf(layout, piece));
    }
  }));
});

function drawn(spans: readonly Span[]): string[] {
  return spans.flatMap(({ file, at, length }) =>
    Array.from({ length }, (_, i) => file === undefined ? "." : `${file}:${at + i}`)
  );
}

function ownerOf(layout: Layout, piece: PieceIndex): number {
  const at = layout.offset(piece, 0);
  return layout.files.findIndex((file) => file.offset <= at && at < file.offset + file.length);
}
