import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes, parseHex, toHex } from "../../lib/bytes.ts";
import { sha256 } from "../../lib/hash.ts";
import {
  answerRequest,
  blockHashes,
  ceil2,
  foldProof,
  type HashRequest,
  isAnswerable,
  log2Exact,
  MerkleTree,
  rootOf,
  uncleCount,
  verifyProof,
  zeroHash,
} from "../../lib/torrent/merkle.ts";
import { fixtureBytes } from "./fixtures.ts";

/** Roots that libtorrent gives the fixture file of each length. */
const ROOTS: readonly (readonly [number, string])[] = [
  [1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"],
  [16383, "095da957d179a83905896a0e30dc0ef31ecb8c3e796d899ab647fe6eb42bc5ea"],
  [16384, "127c52d4afc9d4e335b94d914f75fbf75b5dc62e6dbd31c6d71c868fc23e5fe5"],
  [16385, "ed50aa6f263172ac5097e54684d484dd9036bae3d7c729b4ede1bd2a125514fe"],
  [32768, "abae7acbff7f2317d64e0ebd1b52da894d06421cca59caea56e72435c8e74fa2"],
  [32769, "5e17c191acd809f178fb1a56e869fe2270ded1d6ba2a1aa173f6e59fba14a812"],
  [40000, "6097404043e364ed3ff2df1ebd14da101edb3b8cde46e148ecd3a176f5594626"],
  [49152, "4908d995d9e4bcb9ccd830b858b9bdb26d7e884d39e22da8a958c7a23fb0d2bb"],
  [65536, "ff68aebb48bc3e3dbd4763ff1c4568ad183e0a3777f6c3395cb9fcf15f561d8e"],
  [65537, "08516e119767c4e2d0184d5855159b4e415f53bf030a19564b35c7625a99f241"],
  [70000, "954e83d39bfd33dcd2aa71eb73a69780f8412da6bc2c790dd31c92ecd22983b0"],
  [100000, "7e51d1c08811359e6b6473abd4565d3fdff48ef372bf2ca3444d50efe8fff5ed"],
  [200000, "f411079d3fe6b1ae927a955cfdd1e196ce273930714dc2fae41534352dc373bf"],
];

/** zeroHash(1) to zeroHash(13). */
const ZEROS = [
  "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b",
  "db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71",
  "c78009fdf07fc56a11f122370658a353aaa542ed63e44c4bc15ff4cd105ab33c",
  "536d98837f2dd165a55d5eeae91485954472d56f246df256bf3cae19352a123c",
  "9efde052aa15429fae05bad4d0b1d7c64da64d03d7a1854a588c2cb8430c0d30",
  "d88ddfeed400a8755596b21942c1497e114c302e6118290f91e6772976041fa1",
  "87eb0ddba57e35f6d286673802a4af5975e22506c7cf4c64bb6be5ee11527f2c",
  "26846476fd5fc54a5d43385167c95144f2643f533cc85bb9d16b782f8d7db193",
  "506d86582d252405b840018792cad2bf1259f1ef5aa5f887e13cb2f0094f51e1",
  "ffff0ad7e659772f9534c195c815efc4014ef1e1daed4404c06385d11192e92b",
  "6cf04127db05441cd833107a52be852868890e4317e6a02ab47683aa75964220",
  "b7d05f875f140027ef5118a2247bbb84ce8f2f0f1123623085daf7960c329f5f",
  "df6af5f5bbdb6be9ef8aa618e4bf8073960867171e29676f8b284dea6a08a85e",
];

/** Inner nodes of the fixture of 100000 bytes, as libtorrent has them. */
const L1 = [
  "abae7acbff7f2317d64e0ebd1b52da894d06421cca59caea56e72435c8e74fa2",
  "f4c86813a9cd377f5e7bcb72fae2e8d81af2ebfa5efd01573e3e218929d4e003",
  "26ec7cf1db7d26feba5f273ac2f08db1febac80905108da13ceaf7bfc4e46c4d",
  "41b95742b735ced73269005ef3e66d926e14f589b420491f7b997efdef48c47e",
];
const L2 = [
  "ff68aebb48bc3e3dbd4763ff1c4568ad183e0a3777f6c3395cb9fcf15f561d8e",
  "76158414744c1a1689f68b751b0db2b8cc3ac1a7c62a3a1b73582ca0e7b43e71",
];

Deno.test("MerkleTree has libtorrent's root for every fixture length", () => {
  for (const [length, root] of ROOTS) {
    const hashes = blockHashes(fixtureBytes(length));
    assert.equal(toHex(new MerkleTree({ hashes }).root), root, `${length} bytes`);
    assert.equal(toHex(rootOf(hashes, ceil2(hashes.length / 32), zeroHash(0))), root, `${length} bytes`);
  }
});

Deno.test("zeroHash() is the root over zero leaves", () => {
  assert.deepEqual(zeroHash(0), new Uint8Array(32));
  ZEROS.forEach((expected, i) => {
    assert.equal(toHex(zeroHash(i + 1)), expected);
    assert.equal(toHex(rootOf(new Uint8Array(0), 2 ** (i + 1), zeroHash(0))), expected);
  });
});

Deno.test("MerkleTree has libtorrent's nodes of the fixture of 100000 bytes", () => {
  const tree = fixtureTree();
  const leaves = Array.from({ length: 8 }, (_, i) => toHex(tree.node(0, i)!.subarray(0, 4)));
  assert.equal(leaves.join(" "), "127c52d4 9bde480e 56ccce1b 3b8aef46 353238d1 ee075ec3 01dad1a5 00000000");
  assert.deepEqual(L1.map((_, i) => toHex(tree.node(1, i)!)), L1);
  assert.deepEqual(L2.map((_, i) => toHex(tree.node(2, i)!)), L2);
  assert.equal(tree.node(1, 4), undefined);
  assert.equal(tree.node(4, 0), undefined);
});

Deno.test("rootOf() over piece hashes padded with zero pieces is the file's root", () => {
  for (const [length, root] of ROOTS) {
    if (length <= 32768) continue;
    const hashes = blockHashes(fixtureBytes(length));
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < hashes.length; at += 64) {
      pieces.push(rootOf(hashes.subarray(at, at + 64), 2, zeroHash(0)));
    }
    assert.equal(toHex(rootOf(concatBytes(...pieces), ceil2(pieces.length), zeroHash(1))), root);
  }
});

Deno.test("rootOf() leaves its input alone and refuses a width that is too small or no power of two", () => {
  const hashes = blockHashes(fixtureBytes(100000));
  const before = hashes.slice();
  rootOf(hashes, 8, zeroHash(0));
  assert.deepEqual(hashes, before);
  assert.throws(() => rootOf(hashes, 4, zeroHash(0)), RangeError);
  assert.throws(() => rootOf(hashes, 9, zeroHash(0)), RangeError);
});

/** Each row: base, index, count, proofLayers; then the nodes as level and index. From libtorrent 2.0.8. */
const ANSWERS: readonly (readonly [readonly number[], string])[] = [
  [[1, 0, 4, 1], "1.0 1.1 1.2 1.3"],
  [[1, 0, 2, 1], "1.0 1.1 2.1"],
  [[1, 2, 2, 1], "1.2 1.3 2.0"],
  [[0, 0, 2, 2], "0.0 0.1 1.1 2.1"],
  [[0, 2, 2, 2], "0.2 0.3 1.0 2.1"],
  [[0, 4, 4, 2], "0.4 0.5 0.6 0.7 2.0"],
  [[0, 6, 2, 2], "0.6 0.7 1.2 2.0"],
  [[0, 0, 8, 2], "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7"],
  // A lone hash brings its sibling: BEP 52's form, which libtorrent as asker takes and as responder cuts short.
  [[1, 3, 1, 1], "1.3 1.2 2.0"],
  [[0, 5, 1, 2], "0.5 0.4 1.3 2.0"],
  // Shorter proofs end below the root.
  [[1, 2, 2, 0], "1.2 1.3"],
  [[0, 6, 2, 1], "0.6 0.7 1.2"],
  [[1, 3, 1, 0], "1.3 1.2"],
];

Deno.test("MerkleTree.answer() gives the hashes and uncles that libtorrent gives", () => {
  const tree = fixtureTree();
  for (const [fields, nodes] of ANSWERS) {
    const request = requestOf(fields);
    const expected = nodes.split(" ").map((name) => {
      const [level, index] = name.split(".").map(Number);
      return tree.node(level!, index!)!;
    });
    assert.deepEqual(tree.answer(request), concatBytes(...expected), `${fields}`);
    assert.equal(uncleCount(request), expected.length - request.count);
  }
});

Deno.test("isAnswerable() refuses what lies outside the tree, unaligned spans and proofs up to the root", () => {
  const tree = fixtureTree();
  const refused = [
    [3, 0, 1, 0],
    [4, 0, 1, 0],
    [0xffffffff, 0, 1, 0],
    [0, 8, 2, 2],
    [0, 0, 16, 2],
    [0, 0, 0, 2],
    [0, 1, 2, 2],
    [0, 0, 3, 2],
    [0, 0, 8, 3],
    [1, 0, 2, 2],
    [1, 0, 2, 0xffffffff],
    [0, 0xfffffffe, 2, 2],
    [0, 0, 0x80000000, 2],
  ];
  for (const fields of refused) {
    assert.equal(isAnswerable(requestOf(fields), tree.rootLevel), false, `${fields}`);
    assert.equal(tree.answer(requestOf(fields)), undefined, `${fields}`);
  }
  assert.equal(isAnswerable(requestOf([0, 0, 16384, 0]), 20), false);
  assert.equal(isAnswerable(requestOf([0, 0, 8192, 0]), 20), true);
  assert.equal(isAnswerable(requestOf([0, 0, 1, 0]), 0), false);
});

Deno.test("answerRequest() joins a piece's leaves to the layers above, and is silent when a node is missing", () => {
  const whole = fixtureTree();
  const layers = new MerkleTree({ hashes: concatBytes(...L1.map((hex) => parseHex(hex)!)), level: 1 });
  const leaves = new MerkleTree({ hashes: blockHashes(fixtureBytes(100000).subarray(98304)), rootLevel: 1 });
  assert.deepEqual(leaves.root, layers.node(1, 3));
  const request = requestOf([0, 6, 2, 2]);
  const node = (level: number, index: number) =>
    level === 0 ? leaves.node(0, index - 6) : layers.node(level, index);
  assert.deepEqual(answerRequest(request, 3, node), whole.answer(request));
  assert.equal(answerRequest(request, 3, (level, index) => layers.node(level, index)), undefined);
  assert.equal(
    answerRequest(request, 3, (level, index) => whole.node(level === 2 ? 9 : level, index)),
    undefined,
  );
});

Deno.test("verifyProof() takes every full answer of a random tree and no altered one", () => {
  const cases = fc.record({
    leaves: fc.integer({ min: 2, max: 70 }),
    base: fc.nat(),
    span: fc.nat(),
    place: fc.nat(),
    flip: fc.nat(),
  });
  fc.assert(fc.property(cases, ({ leaves, base: baseSeed, span, place, flip }) => {
    const tree = treeOf(leaves);
    const base = baseSeed % tree.rootLevel;
    const layers = tree.rootLevel - base;
    const count = 2 ** (span % (layers + 1));
    const index = (place % (2 ** layers / count)) * count;
    const answer = tree.answer({ base, index, count, proofLayers: layers - 1 })!;
    const check = (bytes: Uint8Array, changes = {}) =>
      verifyProof({
        root: tree.root,
        layers,
        index,
        count,
        hashes: bytes.subarray(0, count * 32),
        uncles: bytes.subarray(count * 32),
        ...changes,
      });
    assert.equal(check(answer), true);
    const altered = answer.slice();
    altered[flip % altered.length]! ^= 1;
    assert.equal(check(altered), false);
    assert.equal(check(answer, { root: zeroHash(1) }), false);
    assert.equal(check(answer, { layers: layers + 1 }), false);
    assert.equal(check(answer, { layers: layers - 1 }), false);
    assert.equal(check(answer.subarray(0, answer.length - 32)), false);
    assert.equal(check(answer, { index: index + 2 ** layers }), false);
  }));
});

Deno.test("verifyProof() refuses inner nodes passed off as a lower level", () => {
  const tree = fixtureTree();
  const answer = tree.answer(requestOf([1, 0, 2, 1]))!;
  const proof = {
    root: tree.root,
    index: 0,
    count: 2,
    hashes: answer.slice(0, 64),
    uncles: answer.slice(64),
  };
  assert.equal(verifyProof({ ...proof, layers: 2 }), true);
  assert.equal(verifyProof({ ...proof, layers: 3 }), false);
});

Deno.test("foldProof() without uncles is the node itself", () => {
  assert.deepEqual(foldProof(zeroHash(3), 0, new Uint8Array(0)), zeroHash(3));
});

Deno.test("MerkleTree pads to the height it is given", () => {
  const hashes = blockHashes(fixtureBytes(1));
  assert.deepEqual(new MerkleTree({ hashes, rootLevel: 5 }).root, rootOf(hashes, 32, zeroHash(0)));
  assert.deepEqual(new MerkleTree({ hashes, rootLevel: 5 }).node(3, 2), zeroHash(3));
  assert.throws(() => new MerkleTree({ hashes: new Uint8Array(96), rootLevel: 1 }), RangeError);
  assert.throws(() => new MerkleTree({ hashes: new Uint8Array(0) }), RangeError);
  assert.throws(() => new MerkleTree({ hashes: new Uint8Array(33) }), RangeError);
});

Deno.test("ceil2() and log2Exact() are exact at the edges", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 513, 2 ** 40 + 1].map(ceil2), [1, 2, 4, 4, 8, 1024, 2 ** 41]);
  assert.deepEqual([1, 2, 16384, 2 ** 45].map(log2Exact), [0, 1, 14, 45]);
  for (const bad of [0, 0.5, 3, -2, 2 ** 50 + 1]) assert.throws(() => log2Exact(bad), RangeError);
});

function fixtureTree(): MerkleTree {
  return new MerkleTree({ hashes: blockHashes(fixtureBytes(100000)) });
}

function treeOf(leaves: number): MerkleTree {
  const hashes = Array.from({ length: leaves }, (_, i) => sha256(Uint8Array.of(i)));
  return new MerkleTree({ hashes: concatBytes(...hashes) });
}

function requestOf([base, index, count, proofLayers]: readonly number[]): HashRequest {
  return { base: base!, index: index!, count: count!, proofLayers: proofLayers! };
}
