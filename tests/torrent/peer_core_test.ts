// Two peers joined back to back in memory, and one against hand-written bytes.

import assert from "node:assert/strict";
import { encode } from "../../lib/bencode.ts";
import { concatBytes, utf8 } from "../../lib/bytes.ts";
import { WireFault } from "../../lib/errors.ts";
import { encodeHandshake, type Handshake, hashesOf } from "../../lib/torrent/handshake.ts";
import {
  HANDSHAKE_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_PEX_PER_MINUTE,
  SILENCE_TIMEOUT_MS,
} from "../../lib/torrent/limits.ts";
import { PeerCore } from "../../lib/torrent/peer_core.ts";
import type { Introduction, PeerOwner, PeerSource, PiecesChange } from "../../lib/torrent/peer_owner.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import { ID, WireWriter } from "../../lib/torrent/wire.ts";
import { FixtureTorrent } from "./fixture_torrent.ts";

const TORRENT = new FixtureTorrent("hybrid", 32_768, [200_000]); // seven pieces
const HASHES = hashesOf(TORRENT.info);
const PIECES = TORRENT.layout.pieceCount;
const AT = { host: "10.0.0.1", port: 6881 };

/** A torrent that notes what its peer tells it. */
class Owner implements PeerOwner<PeerCore> {
  introduction: Introduction;
  readonly told: string[] = [];
  readonly blocks: Uint8Array[] = [];

  constructor(name: string, options: Partial<Introduction> = {}) {
    this.introduction = {
      hashes: HASHES,
      peerId: utf8(`-XX0000-${name.padEnd(12, ".")}`),
      client: name,
      listenPort: undefined,
      dhtPort: undefined,
      torrent: { pieceCount: PIECES, blocksPerPiece: 2, metadataSize: TORRENT.info.bytes.length },
      here: new PieceSet(PIECES),
      ...options,
    };
  }

  onGreeted(): void {
    this.told.push("greeted");
  }
  onExtensions(peer: PeerCore): void {
    this.told.push(`extensions of ${peer.client}`);
  }
  onUploadOnly(peer: PeerCore): void {
    this.told.push(`upload only: ${peer.uploadOnly}`);
  }
  onPieces(peer: PeerCore, change: PiecesChange): void {
    const what = change.kind === "all"
      ? `all ${peer.pieces?.count ?? "pieces"}`
      : `${change.kind} ${change.piece}`;
    this.told.push(what);
  }
  onChoked(): void {
    this.told.push("choked");
  }
  onUnchoked(): void {
    this.told.push("unchoked");
  }
  onInterest(peer: PeerCore): void {
    this.told.push(peer.wanted ? "wanted" : "not wanted");
  }
  onBlock(_: PeerCore, piece: number, begin: number, block: Uint8Array): void {
    this.told.push(`block ${piece}/${begin}`);
    this.blocks.push(block.slice());
  }
  onRejected(_: PeerCore, piece: number, begin: number): void {
    this.told.push(`rejected ${piece}/${begin}`);
  }
  onRequest(peer: PeerCore, piece: number, begin: number, length: number): void {
    this.told.push(`request ${piece}/${begin}/${length}`);
    const index = TORRENT.layout.piece(piece)!;
    peer.out.block(piece, begin, length, (into) => into.set(TORRENT.bytes(index, begin, length)));
  }
  onCancel(_: PeerCore, piece: number, begin: number): void {
    this.told.push(`cancel ${piece}/${begin}`);
  }
  onMetadata(peer: PeerCore, message: Parameters<PeerOwner<PeerCore>["onMetadata"]>[1]): void {
    this.told.push(`metadata ${message.kind}`);
    if (message.kind !== "request") return;
    const { bytes } = TORRENT.info;
    peer.sendMetadata({ kind: "data", piece: 0, totalSize: bytes.length, data: bytes });
  }
  onPex(_: PeerCore, peers: readonly unknown[]): void {
    this.told.push(`pex ${peers.length}`);
  }
  onDhtPort(_: PeerCore, port: number): void {
    this.told.push(`dht ${port}`);
  }
  onHashRequest(): void {
    this.told.push("hash request");
  }
  onHashes(): void {
    this.told.push("hashes");
  }
  onHashReject(): void {
    this.told.push("hash reject");
  }
}

const SEED = new PieceSet(PIECES);
SEED.fill();

function dialer(owner: Owner, source: PeerSource = "dht-v2"): PeerCore {
  return new PeerCore({ number: 1, endpoint: AT, source, nowMs: 0, owner });
}

function acceptor(owner: Owner | undefined): PeerCore {
  return new PeerCore({ number: 2, endpoint: AT, source: "incoming", nowMs: 0, findOwner: () => owner });
}

/** Gives the peer bytes, a few at a time. */
function give(peer: PeerCore, bytes: Uint8Array, nowMs = 10, step = 50): void {
  for (let at = 0; at < bytes.length; at += step) {
    const part = bytes.subarray(at, at + step);
    peer.space.set(part);
    peer.received(part.length, nowMs);
  }
}

/** Carries bytes both ways until neither has anything to say. */
function talk(a: PeerCore, b: PeerCore, nowMs = 10): void {
  for (let isQuiet = false; !isQuiet;) {
    isQuiet = true;
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const bytes = from.out.take();
      if (bytes === undefined) continue;
      isQuiet = false;
      give(to, bytes, nowMs);
      from.out.sent();
    }
  }
}

Deno.test("PeerCore: a leech and a seed greet, name their extensions and say what they have", () => {
  const [leech, seed] = [new Owner("leech"), new Owner("seed", { here: SEED, dhtPort: 7000 })];
  const [a, b] = [dialer(leech), acceptor(seed)];
  talk(a, b);
  assert.deepEqual(leech.told, ["greeted", "extensions of seed", "all pieces"]);
  assert.deepEqual(seed.told, ["greeted", "extensions of leech", "all 0"]);
  assert.equal(a.isSeed, true);
  assert.equal(b.isSeed, false);
  assert.equal(a.uploadOnly, true);
  assert.equal(b.uploadOnly, false);
  assert.equal(a.isV2 && b.isV2 && a.isFast && b.isFast, true);
  assert.equal(a.theirs?.metadataSize, TORRENT.info.bytes.length);
  assert.equal(a.has(PIECES - 1), true);
});

Deno.test("PeerCore: a block is asked for, sent and read where it was received", () => {
  const [leech, seed] = [new Owner("leech"), new Owner("seed", { here: SEED })];
  const [a, b] = [dialer(leech), acceptor(seed)];
  talk(a, b);
  a.setInterested(true);
  a.setInterested(true);
  b.setChoking(false);
  a.out.blockwise(ID.request, 6, 0, 3392);
  talk(a, b);
  assert.deepEqual(seed.told.slice(-2), ["wanted", "request 6/0/3392"]);
  assert.deepEqual(leech.told.slice(-2), ["unchoked", "block 6/0"]);
  assert.deepEqual(leech.blocks[0], TORRENT.bytes(TORRENT.layout.piece(6)!, 0, 3392));
  assert.equal(a.choked, false);
  b.setChoking(true);
  a.setInterested(false);
  talk(a, b);
  assert.equal(a.choked, true);
  assert.equal(b.wanted, false);
});

const NO_TORRENT = { torrent: undefined, here: undefined };

Deno.test("PeerCore remembers what was said of pieces until the metadata is known", () => {
  const [leech, seed] = [new Owner("leech", NO_TORRENT), new Owner("seed", { here: SEED })];
  const [a, b] = [dialer(leech), acceptor(seed)];
  talk(a, b);
  assert.deepEqual(leech.told, ["greeted", "extensions of seed"]);
  assert.equal(a.isSeed, false);
  assert.equal(a.sendMetadata({ kind: "request", piece: 0 }), true);
  talk(a, b);
  assert.equal(leech.told.at(-1), "metadata data");
  leech.introduction = { ...leech.introduction, torrent: seed.introduction.torrent };
  a.learnTorrent();
  a.learnTorrent();
  assert.deepEqual(leech.told.slice(3), ["all pieces"]);
  assert.equal(a.isSeed, true);
  // What we have is said once we know it ourselves.
  const before = seed.told.length;
  talk(a, b);
  leech.introduction = { ...leech.introduction, here: new PieceSet(PIECES) };
  a.sayPieces();
  a.sayPieces();
  talk(a, b);
  assert.deepEqual(seed.told.slice(before), ["all 0"]);
});

const HELLO: Handshake = {
  extended: true,
  fast: true,
  dht: true,
  upgrade: false,
  infoHash: HASHES.v2Short!,
  peerId: utf8("-LT2080-stranger...."),
};

/** A peer that a stranger has greeted, and a way to give it messages. */
function greeted(hello: Partial<Handshake> = {}, source: PeerSource = "dht-v2") {
  const owner = new Owner("us");
  const peer = dialer(owner, source);
  give(peer, encodeHandshake({ ...HELLO, ...hello }));
  const say = (write: (out: WireWriter) => void, nowMs = 20) => {
    const out = new WireWriter();
    write(out);
    give(peer, out.take()!, nowMs);
  };
  return { owner, peer, say };
}

Deno.test("PeerCore answers a v1 dial with the bit as v2, one without as v1, an unknown torrent not at all", () => {
  for (const upgrade of [true, false]) {
    const peer = acceptor(new Owner("us"));
    give(peer, encodeHandshake({ ...HELLO, infoHash: HASHES.v1!, upgrade }));
    assert.equal(peer.isV2, upgrade);
    const hello = peer.out.take()!;
    assert.deepEqual(hello.slice(28, 48), upgrade ? HASHES.v2Short : HASHES.v1);
    assert.equal((hello[27]! & 0x10) !== 0, !upgrade);
  }
  const unknown = acceptor(undefined);
  assert.throws(() => give(unknown, encodeHandshake(HELLO)), WireFault);
  assert.equal(unknown.out.pending, 0);
  const other = acceptor(new Owner("us"));
  assert.throws(() => give(other, encodeHandshake({ ...HELLO, infoHash: new Uint8Array(20) })), WireFault);
});

Deno.test("PeerCore hangs up when it meets itself", () => {
  const owner = new Owner("us");
  assert.throws(() => talk(dialer(owner), acceptor(owner)), WireFault);
});

Deno.test("PeerCore sends no extension handshake to a peer without extensions", () => {
  const { peer } = greeted({ extended: false });
  const bytes = peer.out.take()!;
  assert.deepEqual([...bytes.subarray(68)], [0, 0, 0, 1, ID.haveNone]);
  assert.equal(peer.sendMetadata({ kind: "request", piece: 0 }), false);
});

Deno.test("PeerCore tells a peer without the fast extension of its pieces by a bitfield or by nothing", () => {
  const here = new PieceSet(PIECES);
  for (
    const [count, expected] of [[0, []], [1, [0, 0, 0, 2, 5, 0x80]], [PIECES, [0, 0, 0, 2, 5, 0xfe]]] as const
  ) {
    for (let piece = 0; piece < count; piece++) here.add(piece);
    const peer = dialer(new Owner("us", { here }));
    give(peer, encodeHandshake({ ...HELLO, fast: false, extended: false }));
    assert.deepEqual([...peer.out.take()!.subarray(68)], expected);
  }
});

const FAULTS: readonly [what: string, hello: Partial<Handshake>, write: (out: WireWriter) => void][] = [
  ["a have past the last piece", {}, (out) => out.piecewise(ID.have, PIECES)],
  ["a bitfield of another length", {}, (out) => out.bitfield(new Uint8Array(2))],
  ["a reject without the fast extension", { fast: false }, (out) => out.blockwise(ID.reject, 0, 0, 1)],
  ["have all without the fast extension", { fast: false }, (out) => out.bare(ID.haveAll)],
  ["have none without the fast extension", { fast: false }, (out) => out.bare(ID.haveNone)],
  ["a suggestion without the fast extension", { fast: false }, (out) => out.piecewise(ID.suggest, 0)],
  ["allowed fast without the fast extension", { fast: false }, (out) => out.piecewise(ID.allowedFast, 0)],
  ["an extension that was not offered", {}, (out) => out.extended(99)],
  ["ut_metadata that is no dictionary", {}, (out) => out.extended(2, utf8("i1e"))],
  ["upload_only of two bytes", {}, (out) => out.extended(3, new Uint8Array(2))],
];

for (const [what, hello, write] of FAULTS) {
  Deno.test(`PeerCore hangs up on ${what}`, () => {
    const { say } = greeted(hello);
    assert.throws(() => say(write), WireFault);
  });
}

Deno.test("PeerCore takes a few PEX messages a minute and hangs up on more", () => {
  const { owner, say } = greeted();
  const pex = (nowMs: number) => say((out) => out.extended(1, utf8("de")), nowMs);
  for (let minute = 1; minute < 4; minute++) {
    for (let i = 0; i < MAX_PEX_PER_MINUTE; i++) pex(minute * 61_000);
  }
  assert.equal(owner.told.filter((what) => what === "pex 0").length, 3 * MAX_PEX_PER_MINUTE);
  assert.throws(() => pex(3 * 61_000), WireFault);
});

Deno.test("PeerCore tells of one DHT node per connection, however many ports the peer names", () => {
  const { owner, say } = greeted();
  say((out) => {
    for (const port of [0, 7000, 7000, 7001]) out.port(port);
  });
  assert.deepEqual(owner.told.slice(1), ["dht 7000"]);
});

Deno.test("PeerCore ignores an unreadable extension handshake, and adds a later one to the first", () => {
  const { owner, peer, say } = greeted();
  say((out) => out.extended(0, utf8("nonsense")));
  assert.deepEqual(owner.told, ["greeted"]);
  say((out) => out.extended(0, encode({ m: { ut_metadata: 9 }, v: "first", reqq: 5, upload_only: 1 })));
  assert.equal(peer.requests.room, 5);
  assert.equal(peer.uploadOnly, true);
  say((out) => out.extended(0, encode({ m: { ut_pex: 4 } })));
  assert.deepEqual(peer.theirs?.ids, { ut_metadata: 9, ut_pex: 4 });
  assert.equal(peer.client, "first");
  assert.equal(peer.uploadOnly, true);
  say((out) => out.extended(0, encode({ m: { ut_metadata: 0 } })));
  assert.equal(peer.sendMetadata({ kind: "request", piece: 0 }), false, "switched off again");
  say((out) => out.extended(3, Uint8Array.of(0)));
  assert.equal(peer.uploadOnly, false);
});

Deno.test("PeerCore counts pieces that come and go, a seed's too", () => {
  const { owner, peer, say } = greeted();
  say((out) => out.bare(ID.haveAll));
  assert.equal(peer.isSeed, true);
  say((out) => out.piecewise(ID.have, 3));
  say((out) => out.extended(7, Uint8Array.of(0, 0, 0, 3)));
  assert.equal(peer.isSeed, false);
  assert.equal(peer.pieces?.count, PIECES - 1);
  say((out) => out.extended(7, Uint8Array.of(0, 0, 0, 3)));
  say((out) => out.extended(7, Uint8Array.of(0, 0, 0, 4)));
  say((out) => out.extended(7, Uint8Array.of(0, 0, 1, 0)));
  say((out) => out.piecewise(ID.have, 3));
  say((out) => out.piecewise(ID.have, 3));
  assert.deepEqual(owner.told.slice(1), ["all pieces", `all ${PIECES - 1}`, "dont-have 4", "have 3"]);
  say((out) => out.bare(ID.haveNone));
  assert.equal(peer.pieces?.count, 0);
});

Deno.test("PeerCore.tick() hangs up without a handshake in time, and on long silence", () => {
  const waiting = dialer(new Owner("us"));
  waiting.tick(HANDSHAKE_TIMEOUT_MS);
  assert.throws(() => waiting.tick(HANDSHAKE_TIMEOUT_MS + 1), WireFault);
  const { peer, say } = greeted();
  peer.tick(10 + SILENCE_TIMEOUT_MS);
  say((out) => out.keepAlive(), SILENCE_TIMEOUT_MS);
  peer.tick(2 * SILENCE_TIMEOUT_MS);
  assert.throws(() => peer.tick(2 * SILENCE_TIMEOUT_MS + 1), WireFault);
});

Deno.test("PeerCore.tick() keeps a quiet connection alive, once a minute", () => {
  const { peer, say } = greeted();
  const sent: Uint8Array[] = [];
  for (let nowMs = 0; nowMs <= 5 * KEEP_ALIVE_MS; nowMs += 500) {
    if (nowMs % 60_000 === 0) say((out) => out.keepAlive(), nowMs);
    peer.tick(nowMs);
    const bytes = peer.out.take();
    if (bytes !== undefined) sent.push(bytes.slice());
    peer.out.sent();
  }
  assert.deepEqual(sent[0]!.subarray(0, 20), concatBytes(Uint8Array.of(19), utf8("BitTorrent protocol")));
  assert.deepEqual(sent.slice(1), new Array(4).fill(new Uint8Array(4)));
});

Deno.test("PeerCore says have only to whom it has said what it has", () => {
  const unsaid = dialer(new Owner("us", { here: undefined }));
  give(unsaid, encodeHandshake({ ...HELLO, extended: false }));
  unsaid.sayHave(1);
  assert.equal(unsaid.out.take()!.length, 68);
  const { peer } = greeted({ extended: false });
  peer.sayHave(1);
  assert.deepEqual([...peer.out.take()!.subarray(68)], [
    0,
    0,
    0,
    1,
    ID.haveNone,
    0,
    0,
    0,
    5,
    ID.have,
    0,
    0,
    0,
    1,
  ]);
});
