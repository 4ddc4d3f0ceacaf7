import assert from "node:assert/strict";
import { NotEnoughSpace } from "../../lib/errors.ts";
import type { BlockOutcome } from "../../lib/torrent/download.ts";
import type { PieceIndex } from "../../lib/torrent/layout.ts";
import { FakePeer } from "./fake_peer.ts";
import { FixtureTorrent, MemoryStorage } from "./fixture_torrent.ts";

const SHAPES = [
  ["v1", 32_768, [100_000]],
  ["v1", 49_152, [30_000, 0, 70_000, 5]],
  ["v2", 32_768, [100_000]],
  ["v2", 16_384, [16_384, 1, 40_000]],
  ["v2", 65_536, [40_000, 0, 70_000, 65_536]],
  ["hybrid", 32_768, [100_000]],
  ["hybrid", 32_768, [16_384, 40_000, 0, 70_000]],
] as const;

for (const [kind, pieceLength, lengths] of SHAPES) {
  Deno.test(`Download finds every piece of a ${kind} torrent of ${lengths.join(" + ")} bytes good`, () => {
    const torrent = new FixtureTorrent(kind, pieceLength, lengths);
    const storage = new MemoryStorage(torrent.layout);
    const download = torrent.download({ storage });
    const peer = new FakePeer(1);
    let good = 0;
    for (
      let blocks = peer.pick(download.picker, 3);
      blocks.length > 0;
      blocks = peer.pick(download.picker, 3)
    ) {
      for (const [piece, block] of blocks) {
        const outcome = download.receive(piece, block, torrent.block(piece, block), 1);
        if (outcome.kind === "good") good++;
        else assert.equal(outcome.kind, "taken");
      }
    }
    assert.equal(good, torrent.layout.pieceCount);
    assert.equal(download.isComplete, true);
    assert.equal(download.wastedBytes, 0);
    for (const piece of torrent.layout.pieces()) {
      assert.deepEqual(storage.piece(piece), torrent.bytes(piece, 0, torrent.layout.pieceSize(piece)));
    }
  });

  Deno.test(`Download names the single sender of a bad block of a ${kind} torrent of ${lengths.length} files`, () => {
    const torrent = new FixtureTorrent(kind, pieceLength, lengths);
    const download = torrent.download();
    const spoiled = new Set<number>();
    let bad: BlockOutcome | undefined;
    const peer = new FakePeer(7);
    while (bad === undefined) {
      const [piece, block] = peer.pick(download.picker, 1)[0]!;
      const data = torrent.block(piece, block);
      data[data.length - 1]! ^= 0x80;
      spoiled.add(piece);
      const outcome = download.receive(piece, block, data, 7);
      if (outcome.kind === "bad") bad = outcome;
      else assert.equal(outcome.kind, "taken");
    }
    const [piece] = [...spoiled];
    assert.deepEqual(bad, { kind: "bad", piece, guilty: new Set([7]) });
    assert.equal(download.here.count, 0);
    assert.equal(download.wastedBytes, torrent.layout.pieceSize(piece as PieceIndex));
    assert.equal(download.picker.missing, torrent.layout.pieceCount, "it is wanted again");
  });
}

for (const kind of ["v1", "v2", "hybrid"] as const) {
  Deno.test(`Download finds out which of two senders spoiled a piece of a ${kind} torrent once it is good`, () => {
    const torrent = new FixtureTorrent(kind, 65_536, [65_536]);
    const download = torrent.download();
    const piece = torrent.layout.piece(0)!;
    assert.equal(new FakePeer(1).pick(download.picker, 9).length, 4);
    for (const block of [0, 1, 2]) download.receive(piece, block, torrent.block(piece, block), 1);
    const wrong = torrent.block(piece, 3);
    wrong[0]! ^= 1;
    const first = download.receive(piece, 3, wrong, 2);
    assert.deepEqual(first, { kind: "bad", piece, guilty: new Set() });
    assert.equal(new FakePeer(3).pick(download.picker, 9).length, 4);
    const outcomes = [0, 1, 2, 3].map((block) =>
      download.receive(piece, block, torrent.block(piece, block), 3)
    );
    assert.deepEqual(outcomes.map(({ kind }) => kind), ["taken", "taken", "taken", "good"]);
    assert.deepEqual(outcomes[3], { kind: "good", piece, guilty: new Set([2]) });
  });
}

Deno.test("Download counts a block that came twice as waste, and keeps the first", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [65_536]);
  const storage = new MemoryStorage(torrent.layout);
  const download = torrent.download({ storage });
  const [[piece, block]] = new FakePeer(1).pick(download.picker, 1) as [[PieceIndex, number]];
  assert.equal(download.receive(piece, block, torrent.block(piece, block), 1).kind, "taken");
  const wrong = new Uint8Array(torrent.layout.blockSize(piece, block));
  assert.equal(download.receive(piece, block, wrong, 2).kind, "duplicate");
  assert.equal(storage.writes, 1);
  assert.equal(download.wastedBytes, wrong.length);
});

Deno.test("Download takes no block of a piece that nobody was asked for, or that is here", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [100_000]);
  const download = torrent.download({ here: [0] });
  const pieceOf = (n: number) => torrent.layout.piece(n)!;
  assert.equal(download.receive(pieceOf(0), 0, torrent.block(pieceOf(0), 0), 1).kind, "duplicate");
  assert.equal(download.receive(pieceOf(1), 0, torrent.block(pieceOf(1), 0), 1).kind, "duplicate");
  assert.equal(download.wastedBytes, 32_768);
});

Deno.test("Download takes a block that was given back meanwhile: late is not wrong", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [32_768]);
  const download = torrent.download();
  const [[piece, block]] = new FakePeer(1).pick(download.picker, 1) as [[PieceIndex, number]];
  download.picker.release(piece, block);
  assert.equal(download.receive(piece, block, torrent.block(piece, block), 1).kind, "taken");
  assert.deepEqual(new FakePeer(2).pick(download.picker, 9), [[piece, 1]], "and does not ask for it again");
});

Deno.test("Download asks only for pieces whose hash is known", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [100_000, 20_000]);
  const download = torrent.download({ layers: torrent.layers("unknown")! });
  const pieces = new Set(new FakePeer(1).pick(download.picker, 99).map(([piece]) => piece as number));
  assert.deepEqual(pieces, new Set([4]), "the file of one piece");
});

Deno.test("Download counts as done what was there from the start, short pieces at their size", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [100_000]);
  const download = torrent.download({ here: [1, 3] });
  assert.equal(download.doneBytes, 32_768 + 1696);
  assert.equal(download.isComplete, false);
  assert.equal(torrent.download({ here: [0, 1, 2, 3] }).isComplete, true);
});

Deno.test("Download keeps a block wanted that the disk had no room for", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [32_768]);
  const storage = new MemoryStorage(torrent.layout);
  const download = torrent.download({ storage });
  const [[piece, block]] = new FakePeer(1).pick(download.picker, 1) as [[PieceIndex, number]];
  const write = storage.write;
  storage.write = () => {
    throw new NotEnoughSpace("Cannot write: the disk is full");
  };
  assert.throws(() => download.receive(piece, block, torrent.block(piece, block), 1), NotEnoughSpace);
  storage.write = write;
  assert.equal(download.receive(piece, block, torrent.block(piece, block), 1).kind, "taken");
});
