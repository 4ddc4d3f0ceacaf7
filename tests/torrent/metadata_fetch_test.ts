import assert from "node:assert/strict";
import { WireFault } from "../../lib/errors.ts";
import { sha1, sha256 } from "../../lib/hash.ts";
import { MAX_METADATA_BYTES, MAX_METADATA_REQUESTS_SENT } from "../../lib/torrent/limits.ts";
import { isWanted, MetadataFetch, type MetadataPeer } from "../../lib/torrent/metadata_fetch.ts";
import { fixtureBytes } from "./fixtures.ts";

const INFO = fixtureBytes(100_000); // seven pieces
const WANTED = { infoHashV2: sha256(INFO) };
const PIECE = 16_384;

/** A peer that notes what it is asked. */
class Peer implements MetadataPeer {
  readonly asked: number[] = [];
  constructor(readonly number: number) {}
  request(piece: number): void {
    this.asked.push(piece);
  }
}

function data(piece: number, bytes = INFO, totalSize = bytes.length) {
  return { kind: "data", piece, totalSize, data: bytes.slice(piece * PIECE, (piece + 1) * PIECE) } as const;
}

/** The peer answers whatever it is asked until nothing more is. @returns What the fetch made of it. */
function answerAll(
  fetch: MetadataFetch,
  peer: Peer,
  bytes: Uint8Array,
  nowMs: number,
): Uint8Array | undefined {
  for (let piece = peer.asked.shift(); piece !== undefined; piece = peer.asked.shift()) {
    const whole = fetch.receive(peer.number, data(piece, bytes), nowMs);
    if (whole !== undefined) return whole;
  }
  return undefined;
}

Deno.test("MetadataFetch puts the pieces of one peer together, a few on the way at a time", () => {
  const fetch = new MetadataFetch(WANTED);
  const peer = new Peer(1);
  fetch.addPeer(peer, INFO.length, 0);
  assert.deepEqual(peer.asked, [0, 1, 2, 3]);
  assert.equal(peer.asked.length, MAX_METADATA_REQUESTS_SENT);
  assert.deepEqual(answerAll(fetch, peer, INFO, 10), INFO);
});

Deno.test("MetadataFetch learns the size from the first piece when the handshake did not say", () => {
  const fetch = new MetadataFetch(WANTED);
  const peer = new Peer(1);
  fetch.addPeer(peer, undefined, 0);
  assert.deepEqual(peer.asked, [0]);
  assert.deepEqual(answerAll(fetch, peer, INFO, 10), INFO);
});

Deno.test("MetadataFetch takes pieces in any order and one of them twice", () => {
  const fetch = new MetadataFetch(WANTED);
  fetch.addPeer(new Peer(1), INFO.length, 0);
  for (const piece of [6, 2, 0, 2, 5, 1, 4]) assert.equal(fetch.receive(1, data(piece), 10), undefined);
  assert.deepEqual(fetch.receive(1, data(3), 10), INFO);
});

Deno.test("MetadataFetch copies what comes: the views are overwritten after the call", () => {
  const fetch = new MetadataFetch(WANTED);
  fetch.addPeer(new Peer(1), INFO.length, 0);
  let whole: Uint8Array | undefined;
  for (let piece = 0; piece < 7; piece++) {
    const message = data(piece);
    whole = fetch.receive(1, message, 10);
    message.data.fill(0);
  }
  assert.deepEqual(whole, INFO);
});

Deno.test("MetadataFetch faults the peer whose copy is wrong, and an honest one wins", () => {
  const fetch = new MetadataFetch(WANTED);
  const [liar, honest] = [new Peer(1), new Peer(2)];
  fetch.addPeer(liar, INFO.length, 0);
  fetch.addPeer(honest, INFO.length, 0);
  const lie = INFO.slice();
  lie[50_000]! ^= 1;
  assert.throws(() => answerAll(fetch, liar, lie, 10), WireFault);
  fetch.removePeer(1);
  assert.deepEqual(answerAll(fetch, honest, INFO, 20), INFO);
});

Deno.test("MetadataFetch never mixes peers: a liar cannot spoil an honest peer's copy", () => {
  const fetch = new MetadataFetch(WANTED);
  fetch.addPeer(new Peer(1), INFO.length, 0);
  fetch.addPeer(new Peer(2), INFO.length, 0);
  const lie = new Uint8Array(INFO.length);
  for (let piece = 0; piece < 6; piece++) {
    fetch.receive(1, data(piece, lie), 10);
    fetch.receive(2, data(piece), 10);
  }
  assert.deepEqual(fetch.receive(2, data(6), 10), INFO);
  assert.throws(() => fetch.receive(1, data(6, lie), 10), WireFault);
});

Deno.test("MetadataFetch faults two sizes of one metadata, wrong piece lengths and pieces past the end", () => {
  const bad = [
    [INFO.length, data(0, INFO, INFO.length + 1)],
    [undefined, { ...data(0), data: INFO.slice(0, PIECE - 1) }],
    [INFO.length, { ...data(6), data: INFO.slice(0, PIECE) }],
    [INFO.length, { ...data(0), piece: 7 }],
    [INFO.length, { ...data(0), piece: 2047 }],
    [undefined, { ...data(0), data: new Uint8Array(0) }],
  ] as const;
  for (const [size, message] of bad) {
    const fetch = new MetadataFetch(WANTED);
    fetch.addPeer(new Peer(1), size, 0);
    assert.throws(() => fetch.receive(1, message, 10), WireFault, JSON.stringify([size, message.piece]));
  }
  const fetch = new MetadataFetch(WANTED);
  fetch.addPeer(new Peer(1), undefined, 0);
  fetch.receive(1, data(0), 10);
  assert.throws(() => fetch.receive(1, data(1, INFO, INFO.length - 1), 10), WireFault, "changed its mind");
  const huge = { ...data(0), totalSize: MAX_METADATA_BYTES + 1 };
  fetch.addPeer(new Peer(2), undefined, 0);
  assert.throws(() => fetch.receive(2, huge, 10), WireFault, "too large");
});

Deno.test("MetadataFetch leaves a peer that refuses alone for a minute, and gives its place away", () => {
  const fetch = new MetadataFetch(WANTED);
  const peers = [1, 2, 3, 4].map((number) => new Peer(number));
  for (const peer of peers) fetch.addPeer(peer, INFO.length, 0);
  assert.deepEqual(peers.map(({ asked }) => asked.length), [4, 4, 4, 0], "three copies at a time");
  fetch.receive(1, { kind: "reject", piece: 0 }, 100);
  fetch.tick(500);
  assert.equal(peers[3]!.asked.length, 4);
  for (const number of [2, 3, 4]) fetch.removePeer(number);
  fetch.tick(60_099);
  assert.equal(peers[0]!.asked.length, 4, "asked once");
  fetch.tick(60_100);
  assert.equal(peers[0]!.asked.length, 8, "and again a minute later");
});

Deno.test("MetadataFetch gives a silent peer's place to another after a second", () => {
  const fetch = new MetadataFetch(WANTED);
  for (const number of [1, 2, 3]) fetch.addPeer(new Peer(number), INFO.length, 0);
  const honest = new Peer(4);
  fetch.addPeer(honest, INFO.length, 0);
  fetch.tick(999);
  assert.deepEqual(honest.asked, []);
  fetch.tick(1000);
  assert.equal(honest.asked.length, 4);
});

Deno.test("MetadataFetch does not ask ever more peers while those that it asks send", () => {
  const fetch = new MetadataFetch(WANTED);
  const slow = [1, 2, 3].map((number) => new Peer(number));
  for (const peer of slow) fetch.addPeer(peer, INFO.length, 0);
  const other = new Peer(4);
  fetch.addPeer(other, INFO.length, 0);
  for (let piece = 0; piece < 6; piece++) {
    for (const { number } of slow) fetch.receive(number, data(piece), 900 * (piece + 1));
    fetch.tick(900 * (piece + 1));
  }
  assert.deepEqual(other.asked, []);
});

Deno.test("MetadataFetch faults a peer that sends the same piece without end, or goes on unasked", () => {
  const fetch = new MetadataFetch(WANTED);
  fetch.addPeer(new Peer(1), INFO.length, 0);
  fetch.receive(1, data(0), 10);
  const send = () => fetch.receive(1, data(0), 10);
  for (let i = 0; i < 64; i++) assert.equal(send(), undefined);
  assert.throws(send, WireFault);
  fetch.addPeer(new Peer(2), INFO.length, 0);
  fetch.receive(2, { kind: "reject", piece: 0 }, 10);
  for (let i = 0; i < 64; i++) assert.equal(fetch.receive(2, data(1), 10), undefined);
  assert.throws(() => fetch.receive(2, data(1), 10), WireFault);
});

Deno.test("MetadataFetch holds no more than two of the longest, and an honest copy survives it", () => {
  const fetch = new MetadataFetch(WANTED);
  const filler = new Uint8Array(PIECE);
  const send = (number: number, piece: number) =>
    fetch.receive(number, { kind: "data", piece, totalSize: MAX_METADATA_BYTES, data: filler }, 10);
  const honest = new Peer(1);
  fetch.addPeer(honest, INFO.length, 0);
  fetch.receive(1, data(honest.asked.shift()!), 10);
  const greedy = [2, 3, 4].map((number) => new Peer(number));
  for (const peer of greedy) fetch.addPeer(peer, MAX_METADATA_BYTES, 0);
  fetch.tick(2000);
  const all = MAX_METADATA_BYTES / PIECE;
  for (let piece = 0; piece < all - 1; piece++) {
    for (const peer of greedy) if (peer.asked.length > piece) send(peer.number, piece);
  }
  assert.deepEqual(greedy.map(({ asked }) => asked.length === all).sort(), [false, true, true]);
  assert.deepEqual(answerAll(fetch, honest, INFO, 20), INFO);
});

Deno.test("MetadataFetch takes a trickle's place away, however large the metadata it claims", () => {
  const fetch = new MetadataFetch(WANTED);
  const claimed = MAX_METADATA_BYTES;
  const trickles = [1, 2, 3].map((number) => new Peer(number));
  for (const peer of trickles) fetch.addPeer(peer, claimed, 0);
  const honest = new Peer(4);
  fetch.addPeer(honest, INFO.length, 0);
  const filler = new Uint8Array(PIECE);
  let nowMs = 0;
  for (let piece = 0; honest.asked.length === 0; piece++) {
    nowMs += 4000; // 4 KB/s
    for (const { number } of trickles) {
      fetch.receive(number, { kind: "data", piece, totalSize: claimed, data: filler }, nowMs);
    }
    fetch.tick(nowMs);
    assert.ok(nowMs < 60_000, "a minute is enough");
  }
  assert.deepEqual(answerAll(fetch, honest, INFO, nowMs), INFO);
});

Deno.test("MetadataFetch waits ten seconds for those who claim the most and keep sending, not half an hour", () => {
  const fetch = new MetadataFetch(WANTED);
  const liars = [1, 2, 3].map((number) => new Peer(number));
  for (const peer of liars) fetch.addPeer(peer, MAX_METADATA_BYTES, 0);
  const honest = new Peer(4);
  fetch.addPeer(honest, INFO.length, 0);
  const message = { kind: "data", totalSize: MAX_METADATA_BYTES, data: new Uint8Array(PIECE) } as const;
  let nowMs = 0;
  for (let piece = 0; honest.asked.length === 0 && nowMs < 60_000; piece++) {
    nowMs += 500;
    for (const { number } of liars) fetch.receive(number, { ...message, piece }, nowMs);
    fetch.tick(nowMs);
  }
  assert.equal(nowMs, 10_000);
  assert.deepEqual(answerAll(fetch, honest, INFO, nowMs), INFO);
});

Deno.test("MetadataFetch lets a slow but honest peer finish", () => {
  const fetch = new MetadataFetch(WANTED);
  const peer = new Peer(1);
  fetch.addPeer(peer, INFO.length, 0);
  let whole: Uint8Array | undefined;
  for (let piece = 0, nowMs = 4000; piece < 7; piece++, nowMs += 4000) {
    fetch.tick(nowMs);
    whole = fetch.receive(1, data(piece), nowMs);
  }
  assert.deepEqual(whole, INFO);
});

Deno.test("MetadataFetch gives everybody a turn: those who let it wait go behind the others", () => {
  const fetch = new MetadataFetch(WANTED);
  for (let number = 1; number <= 40; number++) fetch.addPeer(new Peer(number), INFO.length, 0);
  const honest = new Peer(41);
  fetch.addPeer(honest, INFO.length, 0);
  let nowMs = 0;
  while (honest.asked.length === 0 && nowMs < 600_000) fetch.tick(nowMs += 500);
  assert.ok(nowMs < 90_000, `its turn came after ${nowMs} ms`);
});

Deno.test("MetadataFetch ignores peers that it does not ask, requests and unknown messages", () => {
  const fetch = new MetadataFetch(WANTED);
  assert.equal(fetch.receive(9, data(0), 0), undefined);
  fetch.addPeer(new Peer(1), INFO.length, 0);
  assert.equal(fetch.receive(1, { kind: "unknown" }, 0), undefined);
  assert.equal(fetch.receive(1, { kind: "request", piece: 0 }, 0), undefined);
  fetch.removePeer(1);
  assert.equal(fetch.receive(1, data(0), 0), undefined);
});

Deno.test("isWanted() wants every hash that is known, and either kind where the kind is not", () => {
  const [v1, v2, wrong] = [sha1(INFO), sha256(INFO), new Uint8Array(20)];
  assert.equal(isWanted({ infoHashV2: v2 }, INFO), true);
  assert.equal(isWanted({ infoHashV1: v1 }, INFO), true);
  assert.equal(isWanted({ infoHashV1: v1, infoHashV2: v2 }, INFO), true);
  assert.equal(isWanted({ infoHashV1: wrong, infoHashV2: v2 }, INFO), false);
  assert.equal(isWanted({ infoHashV1: v1, infoHashV2: new Uint8Array(32) }, INFO), false);
  assert.equal(isWanted({ either: v1 }, INFO), true);
  assert.equal(isWanted({ either: v2.slice(0, 20) }, INFO), true);
  assert.equal(isWanted({ either: wrong }, INFO), false);
  assert.equal(isWanted({ either: v1, infoHashV2: new Uint8Array(32) }, INFO), false);
  assert.equal(isWanted({}, INFO), false, "nothing known proves nothing");
});
