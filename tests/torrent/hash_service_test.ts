import assert from "node:assert/strict";
import { HashService } from "../../lib/torrent/hash_service.ts";
import type { HashSpan } from "../../lib/torrent/wire.ts";
import { FixtureTorrent } from "./fixture_torrent.ts";

/** Eight pieces of four blocks. */
const TORRENT = new FixtureTorrent("v2", 65_536, [8 * 65_536 - 100]);

/** As libtorrent asks for the leaves of a piece, with the whole proof. */
function leavesOf(piece: number): HashSpan {
  const root = TORRENT.info.files[0]!.piecesRoot!;
  return { root, base: 0, index: 4 * piece, count: 4, proofLayers: 4 };
}

Deno.test("HashService reads leaves from the disk, some at once and then at a rate, and knows the last few by heart", () => {
  const download = TORRENT.download({ here: TORRENT.layout.pieces() });
  // Four pieces at once, two a second.
  const reading = { bytesPerSecond: 2 * 65_536, bytesAtOnce: 4 * 65_536 };
  const service = new HashService(download.layers!, () => download, reading);
  let reads = 0;
  const read = download.storage.read.bind(download.storage);
  download.storage.read = (piece, begin, into) => {
    reads++;
    read(piece, begin, into);
  };
  for (const piece of [0, 1, 2, 3]) {
    assert.deepEqual(service.answer(leavesOf(piece), 0), TORRENT.answer(leavesOf(piece)));
  }
  assert.equal(service.answer(leavesOf(4), 0), "later");
  const before = reads;
  for (let again = 0; again < 1000; again++) {
    assert.deepEqual(service.answer(leavesOf(1), 0), TORRENT.answer(leavesOf(1)));
  }
  assert.equal(reads, before, "libtorrent up to 2.0.12 asks for the same again and again");
  assert.equal(service.answer(leavesOf(4), 400), "later");
  assert.deepEqual(service.answer(leavesOf(4), 500), TORRENT.answer(leavesOf(4)));
});

Deno.test("HashService has no answer for a piece that is not here, and for no request that makes sense", () => {
  const download = TORRENT.download({ here: [0] });
  const service = new HashService(download.layers!, () => download);
  assert.equal(service.answer(leavesOf(1), 0), undefined);
  assert.equal(service.answer({ ...leavesOf(0), count: 3 }, 0), undefined);
  assert.equal(service.answer({ ...leavesOf(0), index: 2 ** 31 }, 0), undefined);
  assert.equal(service.answer({ ...leavesOf(0), root: new Uint8Array(32) }, 0), undefined);
  assert.equal(service.answer({ ...leavesOf(0), count: 8 }, 0), undefined, "leaves of two pieces");
});
