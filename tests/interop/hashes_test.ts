// Hash requests against a libtorrent seed: it answers every request that PieceLayers makes, and what it answers
// proves every piece and every block.

import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { encodeHandshake } from "../../lib/torrent/handshake.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { answerRequest, blockHashes, MerkleTree } from "../../lib/torrent/merkle.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { PieceLayers } from "../../lib/torrent/piece_layers.ts";
import { type HashSpan, ID, WireWriter } from "../../lib/torrent/wire.ts";
import { WireReader } from "../../lib/torrent/wire_reader.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { need, tempDir, within } from "./support.ts";
import { LibtorrentSwarm, type SwarmSession } from "./swarm.ts";

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

/** A connection that does nothing but ask for hashes. */
class Asker implements AsyncDisposable {
  readonly #conn: Deno.TcpConn;
  readonly #waiting = new Map<string, (hashes: Uint8Array | undefined) => void>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #reading: Promise<void>;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.#reading = this.#read();
  }

  /** Connects and waits until the seed has said that it has everything. */
  static async dial(seed: SwarmSession, infoHash: Uint8Array): Promise<Asker> {
    const asker = new Asker(await Deno.connect({ hostname: "127.0.0.1", port: seed.port }));
    const peerId = new TextEncoder().encode("-NS0001-hashes-test-");
    await asker.#conn.write(encodeHandshake({
      extended: false,
      fast: true,
      dht: false,
      upgrade: false,
      infoHash: infoHash.subarray(0, 20),
      peerId,
    }));
    await within(asker.#ready.promise, 10_000, "have all from the seed");
    return asker;
  }

  async ask(request: HashSpan): Promise<Uint8Array> {
    const answer = Promise.withResolvers<Uint8Array | undefined>();
    this.#waiting.set(nameOf(request), answer.resolve);
    const out = new WireWriter();
    out.hashSpan(ID.hashRequest, request);
    await this.#conn.write(out.take()!);
    const hashes = await within(answer.promise, 10_000, `hashes for ${nameOf(request)}`);
    assert.ok(hashes !== undefined, `${nameOf(request)} is rejected`);
    return hashes;
  }

  async #read(): Promise<void> {
    const nothing = () => {};
    const handler = {
      onHaveAll: () => this.#ready.resolve(),
      onHashes: (span: HashSpan, hashes: Uint8Array) => this.#waiting.get(nameOf(span))?.(hashes.slice()),
      onHashReject: (span: HashSpan) => this.#waiting.get(nameOf(span))?.(undefined),
    };
    const reader = new WireReader({
      onHandshake: nothing,
      onKeepAlive: nothing,
      onChoke: nothing,
      onUnchoke: nothing,
      onInterested: nothing,
      onNotInterested: nothing,
      onHave: nothing,
      onBitfield: nothing,
      onRequest: nothing,
      onPiece: nothing,
      onCancel: nothing,
      onPort: nothing,
      onSuggest: nothing,
      onHaveNone: nothing,
      onReject: nothing,
      onAllowedFast: nothing,
      onExtended: nothing,
      onHashRequest: nothing,
      ...handler,
    });
    for (;;) {
      const count = await this.#conn.read(reader.space).catch(() => null);
      if (count === null) return;
      reader.advance(count);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#conn.close();
    await this.#reading;
  }
}

function nameOf({ root, base, index, count, proofLayers }: HashSpan): string {
  return `${toHex(root.subarray(0, 4))} base ${base} index ${index} count ${count} layers ${proofLayers}`;
}
