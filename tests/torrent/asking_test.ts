// What a peer can make us ask for. Whom we ask for what over a line is tests/sim's.

import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { encodeHandshake, hashesOf } from "../../lib/torrent/handshake.ts";
import { MAX_REQUESTS_SENT, SEND_HIGH_WATER_BYTES } from "../../lib/torrent/limits.ts";
import { PeerCore } from "../../lib/torrent/peer_core.ts";
import { Swarm } from "../../lib/torrent/swarm.ts";
import { ID, WireWriter } from "../../lib/torrent/wire.ts";
import { FixtureTorrent } from "./fixture_torrent.ts";

/** Twenty pieces of four blocks. */
const TORRENT = new FixtureTorrent("v2", 65_536, [20 * 65_536]);
const REQUEST_BYTES = 17;

/** A download, and a peer without the fast extension that has everything. */
function world() {
  const nothing = () => {};
  const swarm = new Swarm({
    hashes: hashesOf(TORRENT.info),
    wanted: undefined,
    peerId: utf8("-NS0100-asking......"),
    client: "nano-snap",
    listenPort: undefined,
    dhtPort: undefined,
    random: () => 0.5,
    upLimit: undefined,
    listener: {
      onInfo: nothing,
      onLayers: nothing,
      onGoodPiece: nothing,
      onComplete: nothing,
      onFault: nothing,
      onDhtNode: nothing,
    },
  });
  const download = TORRENT.download();
  swarm.learnInfo(TORRENT.info, TORRENT.layout, download.layers);
  swarm.start(download);
  const endpoint = { host: "10.0.0.1", port: 6881 };
  const peer = new PeerCore({ number: 1, endpoint, source: "dht-v2", nowMs: 0, owner: swarm });
  swarm.join(peer);
  const say = (write: (out: WireWriter) => void) => {
    const out = new WireWriter();
    write(out);
    const bytes = out.take()!;
    for (let at = 0; at < bytes.length;) {
      const count = Math.min(peer.space.length, bytes.length - at);
      peer.space.set(bytes.subarray(at, at + count));
      peer.received(count, 10);
      at += count;
    }
  };
  const infoHash = TORRENT.info.infoHashV2!.subarray(0, 20);
  const peerId = utf8("-XX0000-stranger....");
  say((out) => {
    out.raw(encodeHandshake({ extended: false, fast: false, dht: false, upgrade: false, infoHash, peerId }));
    out.bitfield(Uint8Array.of(0xff, 0xff, 0xf0));
  });
  /** The peer reads what waits for it. @returns How much that was. */
  const read = () => {
    const bytes = peer.out.take();
    peer.out.sent();
    return bytes?.length ?? 0;
  };
  return { swarm, peer, say, read };
}

Deno.test("refill() asks a peer that chokes and unchokes again and again for no more than it reads", () => {
  const { swarm, peer, say, read } = world();
  read();
  say((out) => out.bare(ID.unchoke));
  const asked = peer.requests.size;
  assert.equal(read(), asked * REQUEST_BYTES);
  assert.ok(asked > 0);
  // Some 256 KiB: one read.
  say((out) => {
    for (let i = 0; i < 26_000; i++) {
      out.bare(ID.choke);
      out.bare(ID.unchoke);
    }
  });
  assert.ok(peer.out.pending <= SEND_HIGH_WATER_BYTES + MAX_REQUESTS_SENT * REQUEST_BYTES);
  assert.equal(peer.requests.size, 0, "nothing that it would have to wait for");
  read();
  swarm.refill(peer);
  assert.equal(peer.requests.size, asked, "it is asked again once it has read");
});
