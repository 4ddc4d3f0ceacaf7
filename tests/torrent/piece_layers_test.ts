import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { InvariantBroken, VerificationFailed } from "../../lib/errors.ts";
import { sha256 } from "../../lib/hash.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { blockHashes, MerkleTree, rootOf, zeroHash } from "../../lib/torrent/merkle.ts";
import { PieceLayers } from "../../lib/torrent/piece_layers.ts";
import type { HashSpan } from "../../lib/torrent/wire.ts";
import { fixtureBytes, layoutOf } from "./fixtures.ts";

/** `piece layers` of the fixture of 49152 bytes as libtorrent writes it, at 32 KiB pieces. */
const LAYER_49152 = "abae7acbff7f2317d64e0ebd1b52da894d06421cca59caea56e72435c8e74fa2" +
  "f0d6087f053880f5a01c378c504236f3f0f5871fb9463c7e7d77391f556d3b44";

/** A torrent of files with these leaves, and each file's whole tree. */
function world(pieceLength: number, lengths: readonly number[]) {
  const trees = lengths.map((length) => new MerkleTree({ hashes: blockHashes(fixtureBytes(length)) }));
  return { layout: withRoots(layoutOf("v2", pieceLength, lengths), trees.map((tree) => tree.root)), trees };
}

/** A file of so many blocks of 16 KiB, of which only the leaves exist. */
function largeWorld(blocks: number, blocksPerPiece: number) {
  const hashes = new Uint8Array(blocks * 32);
  for (let i = 0; i < blocks; i++) hashes.set(sha256(Uint8Array.of(i >> 8, i)), i * 32);
  const tree = new MerkleTree({ hashes });
  const layout = layoutOf("hybrid", blocksPerPiece * 16384, [blocks * 16384]);
  return { layout: withRoots(layout, [tree.root]), tree };
}

function withRoots(layout: Layout, roots: readonly Uint8Array[]): Layout {
  const { kind, pieceLength, pieceCount } = layout;
  const files = layout.files.map((file, i) => ({ ...file, piecesRoot: roots[i] }));
  return Layout.of({ kind, pieceLength, pieceCount, files });
}

function fields({ base, index, count, proofLayers }: HashSpan): readonly number[] {
  return [base, index, count, proofLayers];
}

/** As an answer has it: other objects with the same content. */
function echo(request: HashSpan): HashSpan {
  return { ...request, root: request.root.slice() };
}

Deno.test("PieceLayers knows the hash of a file of one piece at once: its root", () => {
  const { layout, trees } = world(32768, [16384, 32768]);
  const layers = new PieceLayers(layout);
  assert.equal(layers.isComplete, true);
  assert.deepEqual(layers.nextRequests(9), []);
  assert.deepEqual(layers.hashOf(layout.piece(0)!), trees[0]!.root);
  assert.deepEqual(layers.hashOf(layout.piece(1)!), trees[1]!.root);
  assert.deepEqual(layers.layersByRoot(), new Map());
  assert.equal(new PieceLayers(layoutOf("v2", 32768, [0, 5, 0])).isComplete, true);
});

Deno.test("PieceLayers fetches, proves and gives back the layer that libtorrent writes", () => {
  const { layout, trees } = world(32768, [49152]);
  const layers = new PieceLayers(layout);
  const [request] = layers.nextRequests(9);
  assert.deepEqual(fields(request!), [1, 0, 2, 0]);
  assert.equal(layers.hashOf(layout.piece(0)!), undefined);
  assert.equal(layers.isComplete, false);
  assert.equal(layers.onHashes(echo(request!), trees[0]!.answer(request!)!), true);
  assert.equal(layers.isComplete, true);
  assert.equal(toHex(layers.layersByRoot().get(toHex(trees[0]!.root))!), LAYER_49152);
  assert.equal(toHex(layers.hashOf(layout.piece(1)!)!), LAYER_49152.slice(64));
});

Deno.test("PieceLayers starts whole from saved layers, and ignores one of a wrong length", () => {
  const { layout, trees } = world(32768, [49152]);
  const root = toHex(trees[0]!.root);
  const saved = Uint8Array.from(LAYER_49152.match(/../g)!, (hex) => Number.parseInt(hex, 16));
  const layers = new PieceLayers(layout, new Map([[root, saved]]));
  assert.equal(layers.isComplete, true);
  assert.equal(toHex(layers.hashOf(layout.piece(1)!)!), LAYER_49152.slice(64));
  assert.deepEqual(layers.layersByRoot(), new Map([[root, saved]]));
  assert.equal(new PieceLayers(layout, new Map([[root, saved.slice(32)]])).isComplete, false);
});

Deno.test("PieceLayers.nextRequests() asks what libtorrent asks, by the number of pieces", () => {
  const requests = (pieces: number, pieceLength: number) => {
    const layers = new PieceLayers(layoutOf("v2", pieceLength, [pieces * pieceLength]));
    return layers.nextRequests(99).map(fields);
  };
  assert.deepEqual(requests(4, 32768), [[1, 0, 4, 1]]);
  assert.deepEqual(requests(6, 32768), [[1, 0, 8, 2]]);
  assert.deepEqual(requests(40, 32768), [[1, 0, 64, 5]]);
  assert.deepEqual(requests(3200, 32 << 20), [
    ...[0, 512, 1024, 1536, 2048, 2560].map((index) => [11, index, 512, 11]),
    [11, 3072, 128, 11],
  ]);
});

Deno.test("PieceLayers.nextRequests() asks two hashes where one is left over", () => {
  const { layout, tree } = largeWorld(513, 1);
  const layers = new PieceLayers(layout);
  const requests = layers.nextRequests(9);
  assert.deepEqual(requests.map(fields), [[0, 0, 512, 9], [0, 512, 2, 9]]);
  for (const request of requests) assert.equal(layers.onHashes(echo(request), tree.answer(request)!), true);
  assert.equal(layers.isComplete, true);
  assert.deepEqual(layers.hashOf(layout.piece(512)!), tree.node(0, 512));
});

Deno.test("PieceLayers.nextRequests() leaves out what is under way and what came, in any order", () => {
  const { layout, tree } = largeWorld(3000, 2);
  const layers = new PieceLayers(layout);
  const [first, second, third] = layers.nextRequests(9);
  assert.deepEqual(fields(third!), [1, 1024, 512, 10]);
  const underWay = new Set([first]);
  assert.deepEqual(layers.nextRequests(1, (request) => underWay.has(request)), [second]);
  assert.equal(layers.onHashes(third!, tree.answer(third!)!), true);
  assert.deepEqual(layers.nextRequests(9), [first, second]);
  assert.deepEqual(layers.hashOf(layout.piece(1499)!), tree.node(1, 1499));
  assert.equal(layers.hashOf(layout.piece(1023)!), undefined);
  assert.deepEqual(layers.layersByRoot(), new Map());
  assert.equal(layers.requestOf(echo(second!)), second);
  assert.equal(layers.onHashes(first!, tree.answer(first!)!), true);
  assert.deepEqual(layers.nextRequests(9), [second]);
  assert.equal(layers.onHashes(second!, tree.answer(second!)!), true);
  assert.equal(layers.isComplete, true);
});

Deno.test("PieceLayers.onHashes() refuses every altered answer and changes nothing", () => {
  const { layout, tree } = largeWorld(1200, 2);
  const layers = new PieceLayers(layout);
  const [request] = layers.nextRequests(1);
  const answer = tree.answer(request!)!;
  for (const at of [0, 511 * 32, 512 * 32 - 1, 512 * 32, answer.length - 1]) {
    const altered = answer.slice();
    altered[at]! ^= 0x80;
    assert.equal(layers.onHashes(request!, altered), false, `byte ${at}`);
  }
  assert.equal(layers.onHashes(request!, answer.subarray(0, answer.length - 32)), false);
  assert.equal(layers.onHashes(request!, answer.subarray(0, 32)), false);
  assert.equal(layers.onHashes(request!, new Uint8Array(answer.length + 32)), false);
  assert.equal(layers.onHashes(request!, new Uint8Array(0)), false);
  assert.equal(layers.hashOf(layout.piece(0)!), undefined);
  assert.deepEqual(layers.nextRequests(1), [request]);
});

Deno.test("PieceLayers.onHashes() is not moved by answers that nobody asked for, or twice", () => {
  const { layout, tree } = largeWorld(1200, 2);
  const layers = new PieceLayers(layout);
  const [request] = layers.nextRequests(1);
  const answer = tree.answer(request!)!;
  assert.equal(layers.onHashes({ ...request!, root: zeroHash(4) }, answer), false);
  assert.equal(layers.onHashes({ ...request!, base: 0 }, answer), false);
  assert.equal(layers.onHashes({ ...request!, index: 512 }, answer), false);
  assert.equal(layers.onHashes(request!, answer), true);
  assert.equal(layers.onHashes(request!, new Uint8Array(0)), true);
  assert.deepEqual(layers.hashOf(layout.piece(511)!), tree.node(1, 511));
});

Deno.test("PieceLayers.onHashes() refuses a tree that is not padded as BEP 52 wants", () => {
  const pieces = Array.from({ length: 4 }, (_, i) => sha256(Uint8Array.of(i)));
  const tree = new MerkleTree({ hashes: new Uint8Array(pieces.flatMap((hash) => [...hash])), level: 1 });
  const layout = withRoots(layoutOf("v2", 32768, [3 * 32768]), [tree.root]);
  const layers = new PieceLayers(layout);
  const [request] = layers.nextRequests(1);
  assert.equal(layers.onHashes(request!, tree.answer(request!)!), false);
  assert.equal(layers.isComplete, false);
});

Deno.test("PieceLayers shares one layer between files of one content", () => {
  const { layout, trees } = world(32768, [100000, 100000]);
  const layers = new PieceLayers(layout);
  const requests = layers.nextRequests(9);
  assert.equal(requests.length, 1);
  layers.onHashes(requests[0]!, trees[0]!.answer(requests[0]!)!);
  assert.equal(layers.isComplete, true);
  assert.deepEqual(layers.hashOf(layout.piece(5)!), trees[0]!.node(1, 1));
});

Deno.test("PieceLayers refuses one root for two lengths, and a v1 torrent", () => {
  const { layout, trees } = world(32768, [100000, 200000]);
  const liar = withRoots(layout, [trees[0]!.root, trees[0]!.root]);
  assert.throws(() => new PieceLayers(liar), VerificationFailed);
  assert.throws(() => new PieceLayers(layoutOf("v1", 32768, [5])), InvariantBroken);
});

Deno.test("PieceLayers.leafRequest() asks a piece's blocks with the whole proof", () => {
  const leaf = (pieceLength: number, length: number, piece: number) => {
    const layout = layoutOf("v2", pieceLength, [length]);
    const request = new PieceLayers(layout).leafRequest(layout.piece(piece)!);
    return request && fields(request);
  };
  assert.deepEqual(leaf(32768, 100000, 3), [0, 6, 2, 2]);
  assert.deepEqual(leaf(65536, 100000, 1), [0, 4, 4, 2]);
  assert.deepEqual(leaf(32 << 20, 3200 * (32 << 20), 3199), [0, 3199 * 2048, 2048, 22]);
  assert.deepEqual(leaf(131072, 100000, 0), [0, 0, 8, 2], "a file within one piece is as high as its length");
  assert.deepEqual(leaf(131072, 20000, 0), [0, 0, 2, 0]);
  assert.equal(leaf(131072, 16384, 0), undefined, "the root is the block's hash");
  assert.equal(leaf(16384, 100000, 3), undefined, "the piece's hash is the block's hash");
  assert.deepEqual(leaf(128 << 20, 1 << 30, 0), [0, 0, 8192, 15]);
  assert.equal(leaf(256 << 20, 1 << 30, 0), undefined, "more than one answer may carry");
});

Deno.test("PieceLayers.verifyLeaves() gives the leaves with and without the piece's hash at hand", () => {
  for (const [pieceLength, length] of [[32768, 100000], [65536, 100000], [131072, 100000]] as const) {
    const { layout, trees } = world(pieceLength, [length]);
    const all = blockHashes(fixtureBytes(length));
    for (const isKnown of [false, true]) {
      const layers = new PieceLayers(layout);
      if (isKnown) { for (const r of layers.nextRequests(9)) layers.onHashes(r, trees[0]!.answer(r)!); }
      for (const piece of layout.pieces()) {
        const request = layers.leafRequest(piece)!;
        const answer = trees[0]!.answer(request)!;
        const from = piece * layout.blocksPerPiece * 32;
        const expected = all.slice(from, from + layout.blockCount(piece) * 32);
        assert.deepEqual(layers.verifyLeaves(piece, echo(request), answer), expected);
        const altered = answer.slice();
        altered[33]! ^= 1;
        assert.equal(layers.verifyLeaves(piece, request, altered), undefined);
        assert.equal(layers.verifyLeaves(piece, request, answer.subarray(32)), undefined);
        assert.equal(layers.verifyLeaves(piece, { ...request, index: request.index + 1 }, answer), undefined);
      }
    }
  }
});

Deno.test("PieceLayers.verifyLeaves() agrees with the piece's hash over a short last piece", () => {
  const { layout, trees } = world(65536, [100000]);
  const last = layout.piece(1)!;
  const layers = new PieceLayers(layout);
  const leaves = layers.verifyLeaves(
    last,
    layers.leafRequest(last)!,
    trees[0]!.answer(layers.leafRequest(last)!)!,
  )!;
  assert.equal(leaves.length, 3 * 32);
  assert.deepEqual(rootOf(leaves, 4, zeroHash(0)), trees[0]!.node(2, 1));
});
