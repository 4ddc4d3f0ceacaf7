// The two sides of a connection's first 68 bytes; what follows them is peer_core_test.ts's.

import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { WireFault } from "../../lib/errors.ts";
import { Greeting } from "../../lib/torrent/greeting.ts";
import {
  encodeHandshake,
  type Handshake,
  parseHandshake,
  type SwarmHashes,
} from "../../lib/torrent/handshake.ts";
import type { Introduction, PeerSource } from "../../lib/torrent/peer_owner.ts";

const HASHES = { v1: new Uint8Array(20).fill(1), v2Short: new Uint8Array(20).fill(2) };

function torrent(name: string, hashes: SwarmHashes = HASHES, dhtPort?: number): Introduction {
  return {
    hashes,
    peerId: utf8(`-XX0000-${name.padEnd(12, ".")}`),
    client: name,
    listenPort: undefined,
    dhtPort,
    torrent: undefined,
    here: undefined,
  };
}

const US = torrent("us");
const STRANGER: Handshake = {
  extended: true,
  fast: true,
  dht: true,
  upgrade: false,
  infoHash: HASHES.v2Short,
  peerId: utf8("-LT2080-stranger...."),
};

/** A connection that we dialed, and that was answered so. */
function answered(source: PeerSource, theirs: Partial<Handshake>): Greeting {
  const greeting = new Greeting();
  greeting.dial(US, source);
  greeting.receive(US, { ...STRANGER, ...theirs });
  return greeting;
}

Deno.test("dial() opens with v1 and the upgrade bit where the source may know no other hash, else with v2", () => {
  for (const source of ["dht-v1", "tracker-v1", "pex"] as const) {
    const hello = parseHandshake(new Greeting().dial(US, source));
    assert.deepEqual([hello.infoHash, hello.upgrade], [HASHES.v1, true]);
    assert.equal(answered(source, { infoHash: HASHES.v1 }).isV2, false);
    assert.equal(answered(source, { infoHash: HASHES.v2Short }).isV2, true, "upgraded");
  }
  for (const source of ["user", "dht-v2", "tracker-v2", "incoming"] as const) {
    const hello = parseHandshake(new Greeting().dial(US, source));
    assert.deepEqual([hello.infoHash, hello.upgrade], [HASHES.v2Short, false]);
    assert.equal(answered(source, {}).isV2, true);
  }
});

Deno.test("dial() names what we speak, and the DHT only where we have a node", () => {
  for (const dhtPort of [undefined, 6881]) {
    const hello = parseHandshake(new Greeting().dial(torrent("us", HASHES, dhtPort), "user"));
    assert.deepEqual([hello.extended, hello.fast, hello.dht], [true, true, dhtPort !== undefined]);
    assert.deepEqual(hello.peerId, US.peerId);
  }
});

Deno.test("receive() refuses an answer with another hash: v1 to a v2 dial, or a stranger's", () => {
  assert.throws(() => answered("dht-v2", { infoHash: HASHES.v1 }), WireFault);
  assert.throws(() => answered("dht-v2", { infoHash: new Uint8Array(20) }), WireFault);
  assert.throws(() => answered("dht-v1", { infoHash: new Uint8Array(20) }), WireFault);
});

Deno.test("answer() says v2 to a v1 dial with the bit, v1 and the bit to one without, nothing to another torrent's", () => {
  for (const upgrade of [true, false]) {
    const greeting = new Greeting();
    const theirs = { ...STRANGER, infoHash: HASHES.v1, upgrade };
    const hello = parseHandshake(greeting.answer(US, theirs)!);
    assert.deepEqual([hello.infoHash, hello.upgrade], [upgrade ? HASHES.v2Short : HASHES.v1, !upgrade]);
    assert.equal(greeting.isDone, false, "ours is not said yet");
    greeting.receive(US, theirs);
    assert.deepEqual([greeting.isDone, greeting.isV2], [true, upgrade]);
  }
  const other = { ...STRANGER, infoHash: new Uint8Array(20) };
  assert.equal(new Greeting().answer(US, other), undefined);
});

Deno.test("receive() refuses ourselves, and still says whose that handshake was", () => {
  const greeting = new Greeting();
  const ours = parseHandshake(greeting.dial(US, "user"));
  assert.throws(() => greeting.receive(US, ours), WireFault);
  assert.equal(greeting.isDone, false);
  assert.deepEqual(greeting.theirs?.peerId, US.peerId);
});

Deno.test("learn() makes a connection v2 when the hash of unknown kind that it goes by turns out to be that", () => {
  const unknown = torrent("us", { v1: HASHES.v2Short, v2Short: undefined });
  const greeting = new Greeting();
  greeting.dial(unknown, "user");
  greeting.learn(HASHES);
  assert.equal(greeting.isV2, false, "nothing was answered yet");
  greeting.receive(unknown, parseHandshake(encodeHandshake(STRANGER)));
  assert.equal(greeting.isV2, false);
  greeting.learn({ v1: undefined, v2Short: HASHES.v2Short });
  assert.equal(greeting.isV2, true);
});
