// Hash requests against a libtorrent seed: it answers every request that PieceLayers makes, and what it answers
// proves every piece and every block.

import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { answerRequest, blockHashes, MerkleTree } from "../../lib/torrent/merkle.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { PieceLayers } from "../../lib/torrent/piece_layers.ts";
import type { HashSpan } from "../../lib/torrent/wire.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { Asker } from "./hash_asker.ts";
import { SeedHost } from "./seed_host.ts";
import { need, tempDir } from "./support.ts";
import { LibtorrentSwarm } from "./swarm.ts";

/** Length, piece length, kind: one piece, few, odd, short last ones; and 513 pieces, where one hash is left over. */
const TORRENTS = [
  [100000, 32768, "hybrid"],
  [100000, 65536, "v2"],
  [100000, 131072, "v2"],
  [20000, 65536, "hybrid"],
  [700001, 32768, "v2"],
  [513 * 16384, 16384, "v2"],
  [600 * 32768 + 1, 32768, "v2"],
] as const;

Deno.test({
  name: "PieceLayers' requests get from a libtorrent seed what proves every piece and block",
  ignore: need("libtorrent"),
}, async (t) => {
  await using dir = await tempDir();
  await using swarm = await LibtorrentSwarm.start();
  for (const [length, pieceSize, kind] of TORRENTS) {
    await t.step(`${kind} of ${length} bytes in pieces of ${pieceSize}`, async () => {
      const folder = dir.join(`${length}-${pieceSize}`);
      await Deno.mkdir(folder);
      const content = fixtureBytes(length);
      await Deno.writeFile(`${folder}/f.bin`, content);
      const torrent = `${folder}/f.torrent`;
      await swarm.createTorrent({ path: `${folder}/f.bin`, torrent, kind, pieceSize });
      const seed = await swarm.addSeed({ dir: folder, torrent });
      const { info } = parseTorrent(await Deno.readFile(torrent));
      const layout = Layout.of(info);
      const layers = new PieceLayers(layout);
      await using asker = await Asker.dial(seed, info.infoHashV2!);
      const tree = new MerkleTree({ hashes: blockHashes(content) });

      // One piece while its hash is unknown: proven by the root. The others by their own hash.
      for (const piece of layout.pieces()) {
        if (piece === 1) {
          for (const request of layers.nextRequests(99)) {
            assert.equal(layers.onHashes(request, await asker.ask(request)), true);
          }
          assert.equal(layers.isComplete, true);
        }
        const request = layers.leafRequest(piece);
        if (request === undefined || piece > 1 && piece < layout.pieceCount - 2) continue;
        const answer = await asker.ask(request);
        const from = piece * pieceSize;
        const leaves = layers.verifyLeaves(piece, request, answer);
        assert.deepEqual(leaves, blockHashes(content.subarray(from, from + layout.pieceSize(piece))));
        assert.deepEqual(answer, answerRequest(request, tree.rootLevel, (level, at) => tree.node(level, at)));
      }
      for (const piece of layout.pieces()) {
        if (layout.pieceCount === 1) break;
        assert.equal(
          toHex(layers.hashOf(piece)!),
          toHex(tree.node(Math.log2(layout.blocksPerPiece), piece)!),
        );
      }
      await swarm.close(seed);
    });
  }
});

/** Lengths, piece lengths and kinds for which both seeds are asked everything that has an answer. */
const COMPARED = [
  [100000, 32768, "hybrid"],
  [100000, 131072, "v2"],
  [700001, 32768, "v2"],
  [40 * 65536 - 7, 65536, "hybrid"],
] as const;

Deno.test({
  name: "our seed answers each hash request as a libtorrent seed does, byte for byte",
  ignore: need("libtorrent"),
}, async (t) => {
  await using dir = await tempDir();
  await using swarm = await LibtorrentSwarm.start();
  await using host = await SeedHost.open(dir.path);
  for (const [length, pieceSize, kind] of COMPARED) {
    await t.step(`${kind} of ${length} bytes in pieces of ${pieceSize}`, async () => {
      const folder = dir.join(`both-${length}-${pieceSize}`);
      await Deno.mkdir(folder);
      await Deno.writeFile(`${folder}/f.bin`, fixtureBytes(length));
      const torrent = `${folder}/f.torrent`;
      await swarm.createTorrent({ path: `${folder}/f.bin`, torrent, kind, pieceSize });
      const seed = await swarm.addSeed({ dir: folder, torrent });
      await host.seed(`${folder}/f.bin`, torrent);
      const { info } = parseTorrent(await Deno.readFile(torrent));
      const layout = Layout.of(info);
      await using theirs = await Asker.dial(seed, info.infoHashV2!);
      await using ours = await Asker.dial(host, info.infoHashV2!);
      let count = 0;
      for (const request of requestsFor(layout, info.files[0]!.piecesRoot!)) {
        assert.deepEqual(await ours.ask(request), await theirs.ask(request), JSON.stringify(request));
        count++;
      }
      assert.ok(count > 10, `${count}`);
      await swarm.close(seed);
    });
  }
});

/** Every aligned span of two hashes and more with every proof: of leaves and the like in the first and last piece, above them all. */
function* requestsFor(layout: Layout, root: Uint8Array): Iterable<HashSpan> {
  const level = Math.log2(layout.blocksPerPiece);
  const leaves = 2 ** Math.ceil(Math.log2(layout.totalLength / 16_384));
  const top = Math.log2(leaves);
  const lastPiece = layout.pieceCount - 1;
  for (let base = 0; base < top; base++) {
    for (let count = 2; count <= 2 ** (top - base) && count <= 64; count *= 2) {
      for (let index = 0; index + count <= 2 ** (top - base); index += count) {
        const piece = Math.floor(index * 2 ** base / layout.blocksPerPiece);
        const isInside = base < level && count <= 2 ** (level - base);
        if (base < level && (!isInside || (piece !== 0 && piece !== lastPiece))) continue;
        for (let proofLayers = 0; proofLayers < top - base; proofLayers++) {
          yield { root, base, index, count, proofLayers };
        }
      }
    }
  }
}
