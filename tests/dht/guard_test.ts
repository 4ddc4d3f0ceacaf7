import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeDict, type Encodable, encode } from "../../lib/bencode.ts";
import { toHex, utf8 } from "../../lib/bytes.ts";
import { readPacket } from "../../lib/dht/guard.ts";
import { WireFault } from "../../lib/errors.ts";
import { ITEMS, LIBTORRENT, VALUE } from "./vectors.ts";

const ID = new Uint8Array(20).fill(1);
const TARGET = new Uint8Array(20).fill(2);
const item = ITEMS[2]!;
const PUT = {
  id: ID,
  token: utf8("tttt"),
  k: item.publicKey,
  sig: item.signature,
  salt: item.salt,
  seq: 1,
  v: VALUE.subarray(3),
};

const query = (q: string, a: Encodable, more: Record<string, Encodable> = {}) =>
  encode({ t: "aa", y: "q", q, a, ...more });
const reply = (r: Encodable, t = "aa") => encode({ t, y: "r", r });

/** Everything that is right, once: the seeds of the mutations below. */
const RIGHT = [
  query("ping", { id: ID }),
  query("find_node", { id: ID, target: TARGET }),
  query("get_peers", { id: ID, info_hash: TARGET }),
  query("announce_peer", { id: ID, info_hash: TARGET, port: 6881, token: utf8("tttt"), implied_port: 1 }),
  query("get", { id: ID, target: TARGET }),
  query("put", PUT),
  query("put", { id: ID, token: utf8("tttt"), v: [1, "two", { three: 3 }] }),
  reply({
    id: ID,
    nodes: new Uint8Array(52).fill(7),
    token: utf8("tok"),
    values: [new Uint8Array(6).fill(8)],
  }),
  reply({ id: ID, k: item.publicKey, sig: item.signature, seq: 1, v: item.value }),
  LIBTORRENT.ping,
  LIBTORRENT.getPeers,
  LIBTORRENT.refusal,
];

/** The package's view of a packet, as text. */
function seen(datagram: Uint8Array): string {
  const packet = readPacket(datagram);
  return packet === undefined ? "foreign" : [...decodeDict(packet.forPackage).keys()].join(" ");
}

Deno.test("readPacket() takes every right message, libtorrent's among them", () => {
  assert.deepEqual(RIGHT.map((bytes) => readPacket(bytes)?.kind), [
    ...Array(7).fill("query"),
    ...Array(4).fill("reply"),
    "refusal",
  ]);
  const packet = readPacket(LIBTORRENT.refusal);
  assert.ok(packet?.kind === "refusal" && packet.code === 203 && packet.text === "invalid token");
  const peers = readPacket(LIBTORRENT.getPeers);
  assert.ok(peers?.kind === "reply" && peers.body.bytes("nodes")?.length === 208);
  assert.equal(toHex(peers.body.bytes("token")!), "3c95f065");
});

Deno.test("readPacket() says nothing about what is not KRPC", () => {
  const utpSyn = Uint8Array.from([0x41, 0, ...new Uint8Array(30)]);
  for (const bytes of [new Uint8Array(0), utpSyn, utf8("de"), utf8("hello, this is no bencoding"), VALUE]) {
    assert.equal(readPacket(bytes), undefined);
  }
});

Deno.test("readPacket() hands the package only the fields that were checked", () => {
  const odd = query("find_node", { id: ID, target: TARGET, salt: 5, ["__proto__"]: { k: 1 }, want: ["n6"] }, {
    v: "x",
  });
  const { forPackage } = readPacket(odd)!;
  assert.deepEqual([...decodeDict(forPackage).dict("a")!.keys()], ["id", "target"]);
  assert.equal(seen(odd), "a q t y");
  const answer = readPacket(RIGHT[8]!)!;
  assert.deepEqual([...decodeDict(answer.forPackage).dict("r")!.keys()], ["id"]);
});

Deno.test("readPacket() keeps an item's raw value for whoever verifies it", () => {
  const message = utf8("d1:rd2:id20:" + "a".repeat(20) + "1:vd1:bi1e1:ai2eee1:t2:aa1:y1:re");
  const packet = readPacket(message);
  assert.ok(packet?.kind === "reply");
  assert.deepEqual(packet.body.raw("v"), utf8("d1:bi1e1:ai2ee")); // unsorted, as it came
});

Deno.test("readPacket() notes read-only senders", () => {
  const packet = readPacket(query("ping", { id: ID }, { ro: 1 }));
  assert.ok(packet?.kind === "query" && packet.readOnly);
});

const WRONG: readonly (readonly [string, Uint8Array])[] = [
  ["no transaction id", encode({ y: "q", q: "ping", a: { id: ID } })],
  ["an endless transaction id", encode({ t: new Uint8Array(21), y: "q", q: "ping", a: { id: ID } })],
  ["a reply to a transaction id that is not ours", reply({ id: ID }, "abcd")],
  ["an unknown kind", encode({ t: "aa", y: "x", a: { id: ID } })],
  ["a kind that is a number", encode({ t: "aa", y: 1, a: { id: ID } })],
  ["an unknown method", query("vote", { id: ID })],
  ["a method that is a list", encode({ t: "aa", y: "q", q: ["ping"], a: { id: ID } })],
  ["arguments that are a list", query("ping", [ID])],
  ["an id of 19 bytes", query("ping", { id: ID.subarray(1) })],
  ["an id that is a number", query("ping", { id: 12345678901234 })],
  ["a target of 32 bytes", query("get", { id: ID, target: new Uint8Array(32) })],
  ["an info-hash that is a dict", query("get_peers", { id: ID, info_hash: {} })],
  ["a port of 65536", query("announce_peer", { id: ID, info_hash: TARGET, port: 65536, token: "t" })],
  ["a port that is text", query("announce_peer", { id: ID, info_hash: TARGET, port: "80", token: "t" })],
  ["a token that is a number", query("announce_peer", { id: ID, info_hash: TARGET, port: 80, token: 7 })],
  ["an endless token", query("put", { ...PUT, token: new Uint8Array(65) })],
  ["a put without a value", query("put", { ...PUT, v: undefined })],
  ["a value of 1001 bytes", query("put", { ...PUT, v: new Uint8Array(997) })],
  ["a value with an integer of 2^60", query("put", { id: ID, token: "t", v: [2n ** 60n] })],
  ["a key without a signature", query("put", { ...PUT, sig: undefined })],
  ["a signature without a key", query("put", { ...PUT, k: undefined })],
  ["a key of 31 bytes", query("put", { ...PUT, k: new Uint8Array(31) })],
  ["a signature of 65 bytes", query("put", { ...PUT, sig: new Uint8Array(65) })],
  ["a negative seq", query("put", { ...PUT, seq: -1 })],
  ["a seq of 2^53", query("put", { ...PUT, seq: 2n ** 53n })],
  ["a seq that is text", query("put", { ...PUT, seq: "1" })],
  ["a salt of 65 bytes", query("put", { ...PUT, salt: new Uint8Array(65) })],
  ["a salt that is a number", query("put", { ...PUT, salt: 3 })],
  ["a cas that is text", query("put", { ...PUT, cas: "1" })],
  ["a reply without a body", encode({ t: "aa", y: "r", x: new Uint8Array(20) })],
  ["nodes of 27 bytes", reply({ id: ID, nodes: new Uint8Array(27) })],
  ["nodes that are a list", reply({ id: ID, nodes: [] })],
  ["values of 5 bytes", reply({ id: ID, values: [new Uint8Array(5)] })],
  ["values that are numbers", reply({ id: ID, values: [1, 2, 3] })],
  ["values that are a dict", reply({ id: ID, values: {} })],
  ["an error that is a dict", encode({ t: "aa", y: "e", e: { code: new Uint8Array(20) } })],
  ["an error without a number", encode({ t: "aa", y: "e", e: ["no number here at all"] })],
  ["an oversize message", reply({ id: ID, x: new Uint8Array(2048) })],
  ["nesting of 11", query("ping", { id: ID, x: [[[[[[[[[[[1]]]]]]]]]]] })],
  ["501 values", query("ping", { id: ID, x: Array(500).fill(0) })],
  ["trailing bytes", Uint8Array.from([...query("ping", { id: ID }), 0x65])],
];

for (const [what, bytes] of WRONG) {
  Deno.test(`readPacket() refuses ${what}`, () => {
    assert.throws(() => readPacket(bytes), WireFault);
  });
}

Deno.test("readPacket() takes an unsorted value in a get reply but not in a put", () => {
  const start = "d1:ad2:id20:" + "a".repeat(20) + "5:token1:t1:vd1:bi1e1:ai2eee";
  assert.throws(() => readPacket(utf8(start + "1:q3:put1:t2:aa1:y1:qe")), WireFault);
});

Deno.test("readPacket() ends in a packet, undefined or a WireFault for any bytes at all", () => {
  const mutated = fc.tuple(
    fc.constantFrom(...RIGHT),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
    fc.option(fc.nat()),
  ).map(([right, changes, cut]) => {
    const bytes = cut === null ? right.slice() : right.slice(0, cut % right.length);
    for (const [at, byte] of changes) bytes[at % Math.max(bytes.length, 1)] = byte;
    if (bytes.length > 0) bytes[bytes.length - 1] = 0x65; // past the first look, whatever was cut
    return bytes;
  });
  const noise = fc.uint8Array({ maxLength: 200 }).map((bytes) => Uint8Array.from([0x64, ...bytes, 0x65]));
  fc.assert(
    fc.property(fc.oneof(mutated, noise), (bytes) => {
      try {
        const packet = readPacket(bytes);
        if (packet !== undefined) decodeDict(packet.forPackage); // strict: canonical, nothing left over
      } catch (error) {
        assert.ok(error instanceof WireFault, String(error));
      }
    }),
    { numRuns: 5000 },
  );
});
