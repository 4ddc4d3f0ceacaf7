import assert from "node:assert/strict";
import { NotEnoughSpace } from "../../lib/errors.ts";
import type { Download, Verdict } from "../../lib/torrent/download.ts";
import type { PieceIndex } from "../../lib/torrent/layout.ts";
import { FakePeer } from "./fake_peer.ts";
import { FixtureTorrent, MemoryStorage } from "./fixture_torrent.ts";

/** One block, and what that leads to. */
function take(
  download: Download,
  ...[piece, block, data, sender]: Parameters<Download["receive"]>
): { isNews: boolean; verdict: Verdict | undefined } {
  const isNews = download.receive(piece, block, data, sender);
  const verdicts: Verdict[] = [];
  download.collect((verdict) => verdicts.push(verdict));
  assert.ok(verdicts.length <= 1);
  return { isNews, verdict: verdicts[0] };
}

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
        const { isNews, verdict } = take(download, piece, block, torrent.block(piece, block), 1);
        assert.equal(isNews, true);
        if (verdict === undefined) continue;
        assert.equal(verdict.isGood, true);
        good++;
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
    let bad: Verdict | undefined;
    const peer = new FakePeer(7);
    while (bad === undefined) {
      const [piece, block] = peer.pick(download.picker, 1)[0]!;
      const data = torrent.block(piece, block);
      data[data.length - 1]! ^= 0x80;
      spoiled.add(piece);
      const { isNews, verdict } = take(download, piece, block, data, 7);
      assert.equal(isNews, true);
      bad = verdict;
    }
    const [piece] = [...spoiled];
    assert.deepEqual(bad, { isGood: false, piece, guilty: new Set([7]), lastSender: 7 });
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
    const first = take(download, piece, 3, wrong, 2);
    assert.deepEqual(first.verdict, { isGood: false, piece, guilty: new Set(), lastSender: 2 });
    assert.equal(new FakePeer(3).pick(download.picker, 9).length, 4);
    const verdicts = [0, 1, 2, 3].map((block) => {
      const { isNews, verdict } = take(download, piece, block, torrent.block(piece, block), 3);
      assert.equal(isNews, true);
      return verdict;
    });
    assert.deepEqual(verdicts.slice(0, 3), [undefined, undefined, undefined]);
    assert.deepEqual(verdicts[3], { isGood: true, piece, guilty: new Set([2]), lastSender: 3 });
  });
}

Deno.test("Download counts a block that came twice as waste, and keeps the first", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [65_536]);
  const storage = new MemoryStorage(torrent.layout);
  const download = torrent.download({ storage });
  const [[piece, block]] = new FakePeer(1).pick(download.picker, 1) as [[PieceIndex, number]];
  assert.equal(take(download, piece, block, torrent.block(piece, block), 1).isNews, true);
  const wrong = new Uint8Array(torrent.layout.blockSize(piece, block));
  assert.equal(take(download, piece, block, wrong, 2).isNews, false);
  assert.equal(storage.writes, 1);
  assert.equal(download.wastedBytes, wrong.length);
});

Deno.test("Download takes no block of a piece that nobody was asked for, or that is here", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [100_000]);
  const download = torrent.download({ here: [0] });
  const pieceOf = (n: number) => torrent.layout.piece(n)!;
  assert.equal(take(download, pieceOf(0), 0, torrent.block(pieceOf(0), 0), 1).isNews, false);
  assert.equal(take(download, pieceOf(1), 0, torrent.block(pieceOf(1), 0), 1).isNews, false);
  assert.equal(download.wastedBytes, 32_768);
});

Deno.test("Download takes a block that was given back meanwhile: late is not wrong", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [32_768]);
  const download = torrent.download();
  const [[piece, block]] = new FakePeer(1).pick(download.picker, 1) as [[PieceIndex, number]];
  download.picker.release(piece, block);
  assert.equal(take(download, piece, block, torrent.block(piece, block), 1).isNews, true);
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

Deno.test("Download keeps what was whole before the disk was full, says so once, and leaves the rest wanted", () => {
  const torrent = new FixtureTorrent("v2", 32_768, [65_536]);
  const storage = new MemoryStorage(torrent.layout);
  const download = torrent.download({ storage });
  const [first, second, third, fourth] = new FakePeer(1).pick(download.picker, 4) as [PieceIndex, number][];
  for (const [piece, block] of [first!, second!]) {
    download.receive(piece, block, torrent.block(piece, block), 1);
  }
  const write = storage.write;
  storage.write = (piece, ...rest) => {
    if (piece !== first![0]) throw new NotEnoughSpace("Cannot write: the disk is full");
    write.call(storage, piece, ...rest);
  };
  for (const [piece, block] of [third!, fourth!]) {
    download.receive(piece, block, torrent.block(piece, block), 1);
  }
  const good: PieceIndex[] = [];
  assert.throws(() => download.collect(({ piece }) => good.push(piece)), NotEnoughSpace);
  assert.deepEqual(good, [first![0]]);
  assert.deepEqual([...download.here], [first![0]]);
  download.collect(() => assert.fail("nothing is said twice"));

  storage.write = write;
  const next = torrent.download({ storage, here: download.here });
  const left = new FakePeer(1).pick(next.picker, 9);
  assert.deepEqual(left, [third!, fourth!]);
  for (const [piece, block] of left) take(next, piece, block, torrent.block(piece, block), 1);
  assert.equal(next.isComplete, true);
});
