import assert from "node:assert/strict";
import { concatBytes, parseHex, toHex } from "../../lib/bytes.ts";
import { InvariantBroken } from "../../lib/errors.ts";
import { blockHashes, MerkleTree } from "../../lib/torrent/merkle.ts";
import { ID, WireWriter } from "../../lib/torrent/wire.ts";
import { fixtureBytes } from "./fixtures.ts";

/** What the calls write. */
function written(write: (out: WireWriter) => void): Uint8Array {
  const out = new WireWriter();
  write(out);
  return out.take()?.slice() ?? new Uint8Array(0);
}

const GOLDEN: readonly [what: string, write: (out: WireWriter) => void, hex: string][] = [
  ["keep-alive", (out) => out.keepAlive(), "00000000"],
  ["choke", (out) => out.bare(ID.choke), "0000000100"],
  ["unchoke", (out) => out.bare(ID.unchoke), "0000000101"],
  ["interested", (out) => out.bare(ID.interested), "0000000102"],
  ["not interested", (out) => out.bare(ID.notInterested), "0000000103"],
  ["have", (out) => out.piecewise(ID.have, 0x01020304), "000000050401020304"],
  ["bitfield", (out) => out.bitfield(Uint8Array.of(0xff, 0x80)), "0000000305ff80"],
  ["request", (out) => out.blockwise(ID.request, 1, 0x4000, 0x4000), "0000000d06000000010000400000004000"],
  ["cancel", (out) => out.blockwise(ID.cancel, 1, 0x4000, 0x4000), "0000000d08000000010000400000004000"],
  ["port", (out) => out.port(6881), "00000003091ae1"],
  ["suggest", (out) => out.piecewise(ID.suggest, 7), "000000050d00000007"],
  ["have all", (out) => out.bare(ID.haveAll), "000000010e"],
  ["have none", (out) => out.bare(ID.haveNone), "000000010f"],
  ["reject", (out) => out.blockwise(ID.reject, 1, 0, 5), "0000000d10000000010000000000000005"],
  ["allowed fast", (out) => out.piecewise(ID.allowedFast, 7), "000000051100000007"],
  [
    "piece",
    (out) => out.block(2, 0x8000, 3, (into) => into.set([1, 2, 3])),
    "0000000c070000000200008000010203",
  ],
  [
    "extended",
    (out) => out.extended(3, Uint8Array.of(0x64), Uint8Array.of(0x65)),
    "00000004" + "14" + "03" + "6465",
  ],
];

for (const [what, write, hex] of GOLDEN) {
  Deno.test(`WireWriter writes ${what} as BEP 3, 5, 6 and 10 lay it out`, () => {
    assert.equal(toHex(written(write)), hex);
  });
}

const ROOT = "7e51d1c08811359e6b6473abd4565d3fdff48ef372bf2ca3444d50efe8fff5ed";

Deno.test("WireWriter writes the hash request for the whole piece layer of the fixture of 100000 bytes", () => {
  const span = { root: parseHex(ROOT)!, base: 1, index: 0, count: 4, proofLayers: 1 };
  const fields = "00000001" + "00000000" + "00000004" + "00000001";
  assert.equal(toHex(written((out) => out.hashSpan(ID.hashRequest, span))), "0000003115" + ROOT + fields);
  assert.equal(toHex(written((out) => out.hashSpan(ID.hashReject, span))), "0000003117" + ROOT + fields);
});

/** Nodes of that file's tree, as libtorrent gives them. */
const NODES: Readonly<Record<string, string>> = {
  "L1[0]": "abae7acbff7f2317d64e0ebd1b52da894d06421cca59caea56e72435c8e74fa2",
  "L1[1]": "f4c86813a9cd377f5e7bcb72fae2e8d81af2ebfa5efd01573e3e218929d4e003",
  "L1[2]": "26ec7cf1db7d26feba5f273ac2f08db1febac80905108da13ceaf7bfc4e46c4d",
  "L1[3]": "41b95742b735ced73269005ef3e66d926e14f589b420491f7b997efdef48c47e",
  "L2[0]": "ff68aebb48bc3e3dbd4763ff1c4568ad183e0a3777f6c3395cb9fcf15f561d8e",
  "L2[1]": "76158414744c1a1689f68b751b0db2b8cc3ac1a7c62a3a1b73582ca0e7b43e71",
};
/** The first bytes of its leaves. */
const LEAVES = [
  "127c52d4",
  "9bde480e",
  "56ccce1b",
  "3b8aef46",
  "353238d1",
  "ee075ec3",
  "01dad1a5",
  "00000000",
];

/** base, index, count, proof layers; then what libtorrent answers, first hash to last. */
const ANSWERS: readonly [readonly [number, number, number, number], string][] = [
  [[1, 0, 4, 1], "L1[0] L1[1] L1[2] L1[3]"],
  [[1, 0, 2, 1], "L1[0] L1[1] L2[1]"],
  [[1, 2, 2, 1], "L1[2] L1[3] L2[0]"],
  [[0, 0, 2, 2], "L0[0] L0[1] L1[1] L2[1]"],
  [[0, 2, 2, 2], "L0[2] L0[3] L1[0] L2[1]"],
  [[0, 4, 4, 2], "L0[4] L0[5] L0[6] L0[7] L2[0]"],
  [[0, 6, 2, 2], "L0[6] L0[7] L1[2] L2[0]"],
  [[0, 0, 8, 2], "L0[0] L0[1] L0[2] L0[3] L0[4] L0[5] L0[6] L0[7]"],
  // libtorrent leaves L1[2] out, which proves nothing and makes its asker hang up.
  [[1, 3, 1, 1], "L1[3] L1[2] L2[0]"],
];

for (const [[base, index, count, proofLayers], names] of ANSWERS) {
  Deno.test(`WireWriter carries the hashes that libtorrent answers to (${base},${index},${count},${proofLayers})`, () => {
    const tree = new MerkleTree({ hashes: blockHashes(fixtureBytes(100_000)) });
    const span = { root: parseHex(ROOT)!, base, index, count, proofLayers };
    const hex = toHex(written((out) => out.hashSpan(ID.hashes, span, tree.answer(span)!)));
    const fields = [base, index, count, proofLayers].map((n) => n.toString(16).padStart(8, "0")).join("");
    const wanted = names.split(" ");
    assert.equal(
      hex.slice(0, 106),
      (49 + 32 * wanted.length).toString(16).padStart(8, "0") + "16" + ROOT + fields,
    );
    for (const [i, name] of wanted.entries()) {
      const hash = hex.slice(106 + 64 * i, 106 + 64 * (i + 1));
      if (name.startsWith("L0")) assert.equal(hash.slice(0, 8), LEAVES[Number(name[3])], name);
      else assert.equal(hash, NODES[name], name);
    }
    assert.equal(hex.length, 106 + 64 * wanted.length);
  });
}

Deno.test("WireWriter keeps every byte when a message makes its buffer grow", () => {
  const big = fixtureBytes(20_000);
  const handshake = fixtureBytes(68);
  const bytes = written((out) => {
    out.raw(handshake);
    out.raw(big);
    out.bitfield(big);
    for (let i = 0; i < 2000; i++) out.keepAlive();
    out.extended(1, big, big);
    out.raw(big);
  });
  const header = (length: number, id: number) => Uint8Array.of(0, 0, length >> 8, length, id);
  assert.deepEqual(
    bytes,
    concatBytes(
      handshake,
      big,
      header(20_001, 5),
      big,
      new Uint8Array(8000),
      header(40_002, 20),
      Uint8Array.of(1),
      big,
      big,
      big,
    ),
  );
});

Deno.test("WireWriter writes zeros for a keep-alive into a buffer that was used before", () => {
  const out = new WireWriter();
  for (let round = 0; round < 4; round++) {
    out.bitfield(new Uint8Array(64).fill(0xff));
    out.take();
    out.sent();
  }
  out.keepAlive();
  assert.deepEqual(out.take(), new Uint8Array(4));
});

Deno.test("WireWriter.block() adds nothing when the block cannot be read", () => {
  const out = new WireWriter();
  out.bare(ID.unchoke);
  const fail = () => {
    throw new RangeError("the disk is gone");
  };
  assert.throws(() => out.block(0, 0, 16_384, fail), RangeError);
  assert.equal(out.pending, 5);
  out.bare(ID.choke);
  assert.equal(toHex(out.take()!), "0000000101" + "0000000100");
});

Deno.test("WireWriter.take() leaves what is on its way untouched while the next bytes collect", () => {
  const out = new WireWriter();
  assert.equal(out.take(), undefined);
  out.piecewise(ID.have, 1);
  const first = out.take()!;
  out.piecewise(ID.have, 2);
  assert.equal(out.pending, 9);
  assert.equal(toHex(first), "000000050400000001");
  assert.throws(() => out.take(), InvariantBroken, "two at a time");
  out.sent();
  assert.equal(toHex(out.take()!), "000000050400000002");
});

Deno.test("WireWriter sends any number of messages out of the same two buffers", () => {
  const out = new WireWriter();
  const buffers = new Set<ArrayBufferLike>();
  for (let round = 0; round < 1000; round++) {
    for (let i = 0; i < 100; i++) out.blockwise(ID.request, round, 16_384 * i, 16_384);
    buffers.add(out.take()!.buffer);
    out.sent();
  }
  assert.equal(buffers.size, 2);
});
