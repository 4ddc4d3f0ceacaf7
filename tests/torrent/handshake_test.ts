import assert from "node:assert/strict";
import { concatBytes, parseHex, toHex, utf8 } from "../../lib/bytes.ts";
import { WireFault } from "../../lib/errors.ts";
import {
  answerTo,
  dialWith,
  encodeHandshake,
  type Handshake,
  HANDSHAKE_BYTES,
  hashesOf,
  parseHandshake,
  speaksV2,
  type SwarmHashes,
} from "../../lib/torrent/handshake.ts";
import { parseInfo } from "../../lib/torrent/metainfo.ts";
import { buildTorrent } from "./torrent_builder.ts";
import { fixtureBytes } from "./fixtures.ts";

const V1 = new Uint8Array(20).fill(1);
const V2 = new Uint8Array(20).fill(2);
const OTHER = new Uint8Array(20).fill(3);
const HYBRID: SwarmHashes = { v1: V1, v2Short: V2 };
const ONLY_V1: SwarmHashes = { v1: V1, v2Short: undefined };
const ONLY_V2: SwarmHashes = { v1: undefined, v2Short: V2 };

const PEER_ID = utf8("-LT2080-abcdefghijkl");

Deno.test("encodeHandshake() lays out what libtorrent sends for a v2 torrent", () => {
  const ours: Handshake = {
    extended: true,
    dht: true,
    fast: true,
    upgrade: false,
    infoHash: V2,
    peerId: PEER_ID,
  };
  const expected = concatBytes(
    Uint8Array.of(19),
    utf8("BitTorrent protocol"),
    parseHex("0000000000100005")!,
    V2,
    PEER_ID,
  );
  assert.equal(expected.length, HANDSHAKE_BYTES);
  assert.equal(toHex(encodeHandshake(ours)), toHex(expected));
  assert.deepEqual(parseHandshake(expected), ours);
});

Deno.test("parseHandshake() reads each reserved bit by itself and no other", () => {
  const bits = [
    ["extended", 5, 0x10],
    ["dht", 7, 0x01],
    ["fast", 7, 0x04],
    ["upgrade", 7, 0x10],
  ] as const;
  const none = { extended: false, dht: false, fast: false, upgrade: false, infoHash: V1, peerId: PEER_ID };
  for (const [name, at, bit] of bits) {
    const bytes = encodeHandshake(none);
    bytes[20 + at]! |= bit;
    assert.deepEqual(parseHandshake(bytes), { ...none, [name]: true });
    assert.deepEqual(encodeHandshake({ ...none, [name]: true }), bytes);
  }
  const noisy = encodeHandshake(none).fill(0xff, 20, 28);
  noisy[25] = 0xef;
  noisy[27] = 0xea;
  assert.deepEqual(parseHandshake(noisy), none);
});

Deno.test("parseHandshake() copies the hash and the peer id out, and refuses another protocol or a short one", () => {
  const bytes = encodeHandshake({
    extended: true,
    dht: false,
    fast: true,
    upgrade: true,
    infoHash: V1,
    peerId: PEER_ID,
  });
  const handshake = parseHandshake(bytes);
  bytes.fill(0);
  assert.deepEqual(handshake.infoHash, V1);
  assert.deepEqual(handshake.peerId, PEER_ID);
  assert.throws(() => parseHandshake(bytes), WireFault);
  assert.throws(() => parseHandshake(encodeHandshake(handshake).subarray(0, 67)), WireFault);
});

/** Who they dial with, what a torrent of each kind answers (undefined: hangs up), and whether that is v2. */
const ANSWERS: readonly [
  what: string,
  hashes: SwarmHashes,
  theirs: { infoHash: Uint8Array; upgrade: boolean },
  answer: { infoHash: Uint8Array; upgrade: boolean } | undefined,
  v2: boolean,
][] = [
  [
    "hybrid, v1 without the bit",
    HYBRID,
    { infoHash: V1, upgrade: false },
    { infoHash: V1, upgrade: true },
    false,
  ],
  [
    "hybrid, v1 with the bit",
    HYBRID,
    { infoHash: V1, upgrade: true },
    { infoHash: V2, upgrade: false },
    true,
  ],
  ["hybrid, v2", HYBRID, { infoHash: V2, upgrade: false }, { infoHash: V2, upgrade: false }, true],
  [
    "hybrid, v2 with the bit",
    HYBRID,
    { infoHash: V2, upgrade: true },
    { infoHash: V2, upgrade: false },
    true,
  ],
  ["v1 only, v1", ONLY_V1, { infoHash: V1, upgrade: false }, { infoHash: V1, upgrade: false }, false],
  // libtorrent with a v1-only torrent hangs up on a peer that sets the bit.
  [
    "v1 only, v1 with the bit",
    ONLY_V1,
    { infoHash: V1, upgrade: true },
    { infoHash: V1, upgrade: false },
    false,
  ],
  ["v1 only, v2", ONLY_V1, { infoHash: V2, upgrade: false }, undefined, false],
  ["v2 only, v2", ONLY_V2, { infoHash: V2, upgrade: false }, { infoHash: V2, upgrade: false }, true],
  ["v2 only, v1", ONLY_V2, { infoHash: V1, upgrade: false }, undefined, false],
  ["v2 only, v1 with the bit", ONLY_V2, { infoHash: V1, upgrade: true }, undefined, false],
  ["hybrid, another torrent", HYBRID, { infoHash: OTHER, upgrade: true }, undefined, false],
];

for (const [what, hashes, theirs, answer, v2] of ANSWERS) {
  Deno.test(`answerTo() as an acceptor: ${what}`, () => {
    assert.deepEqual(answerTo(hashes, theirs), answer);
    if (answer !== undefined) assert.equal(speaksV2(hashes, answer.infoHash), v2);
  });
}

Deno.test("dialWith() gives a hybrid's peers v1 and the bit from v1 sources, v2 from others", () => {
  assert.deepEqual(dialWith(HYBRID, "v1"), { infoHash: V1, upgrade: true });
  assert.deepEqual(dialWith(HYBRID, "v2"), { infoHash: V2, upgrade: false });
  assert.deepEqual(dialWith(HYBRID, "any"), { infoHash: V2, upgrade: false });
});

Deno.test("dialWith() uses the only hash there is, without the bit", () => {
  for (const source of ["v1", "v2", "any"] as const) {
    assert.deepEqual(dialWith(ONLY_V1, source), { infoHash: V1, upgrade: false });
    assert.deepEqual(dialWith(ONLY_V2, source), { infoHash: V2, upgrade: false });
  }
  assert.throws(() => dialWith({ v1: undefined, v2Short: undefined }, "any"), RangeError);
});

Deno.test("hashesOf() names a torrent as handshakes do: v2 cut to 20 bytes", () => {
  const plan = {
    name: "f100000.bin",
    pieceLength: 32_768,
    files: [{ path: [], data: fixtureBytes(100_000) }],
  };
  const named = (kind: "v1" | "v2" | "hybrid") => {
    const { v1, v2Short } = hashesOf(parseInfo(buildTorrent({ ...plan, kind }).infoBytes));
    return [v1 && toHex(v1), v2Short && toHex(v2Short)];
  };
  // libtorrent's hashes of the hybrid.
  assert.deepEqual(named("hybrid"), [
    "cfde253c21b76c6be878fce02d25cf7ea36adc21",
    "c5c6512842a495026ce6362f14d801002a226d45",
  ]);
  assert.equal(named("v1")[1], undefined);
  assert.equal(named("v2")[0], undefined);
});
