import assert from "node:assert/strict";
import { toHex, utf8 } from "../../lib/bytes.ts";
import { makeTorrent, type TorrentParts } from "../../lib/producer/make_torrent.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { hashBytes } from "./hashing.ts";

const PIECE = 32_768;

async function make(length: number, more: Partial<TorrentParts> = {}, kind: "hybrid" | "v2" = "hybrid") {
  return makeTorrent({
    name: `f${length}.bin`,
    length,
    pieceLength: PIECE,
    hashes: await hashBytes(fixtureBytes(length), { pieceLength: PIECE, kind }),
    xSnapshot: undefined,
    trackers: [],
    comment: undefined,
    createdBy: undefined,
    ...more,
  });
}

/** Hashes of the torrents that libtorrent 2.0.8 makes of these files. */
const VECTORS: readonly (readonly [number, string, string])[] = [
  [
    1,
    "9fee1bd668d67203e5346b96924ae9f3955769fe",
    "991b1455b2ad817e2ee051a2eed1085871b73f61215dd11988c06da03c2445ad",
  ],
  [
    16383,
    "8d02f24119b25807834c970ba46f4963caacb9f5",
    "83888dc77ca9fbb282b68c5bd9cbd965e44f1b6eb2475a6ea246aa62c4d126a4",
  ],
  [
    32768,
    "e639cae3c2b39d4e74809c13d9f9e1f7610cfa34",
    "d3b2f5e19ca7ecd562cf615856a5ea3a305dbdd8ae900b957b24567ae8b9a5f6",
  ],
  [
    32769,
    "fc2a588f7343b270d34820659deecc7f6bd4ea36",
    "225b3feddbfa264b78f4ea017d6cba14a9f08eb3ddd8e6306fa6b08e0e1df624",
  ],
  [
    65537,
    "c179f16041ede70312e0729c32c8605d00c16a38",
    "d5db66fc8d1945f1e220bf84d28f12903b02426d083fec42429078800db6f023",
  ],
  [
    200000,
    "f34cc166a78899d0709516b6fee10c18fd74a45e",
    "c642188356e8ef53920201cb18a151a31cf3964066c2e7ad61823b3f4d62ba40",
  ],
];

for (const [length, v1, v2] of VECTORS) {
  Deno.test(`makeTorrent() has libtorrent's hashes for ${length} bytes`, async () => {
    const { info } = await make(length);
    assert.deepEqual([toHex(info.infoHashV1!), toHex(info.infoHashV2!)], [v1, v2]);
  });
}

Deno.test("makeTorrent() has libtorrent's hash for a v2-only torrent", async () => {
  const { info } = await make(49152, {}, "v2");
  assert.equal(info.infoHashV1, undefined);
  assert.equal(toHex(info.infoHashV2!), "e2cff9bb7a6359cd718d52ffcb5b8292a4812a7749f77bdbf64143af61a3a6b4");
});

Deno.test("makeTorrent() brings the piece layer of a file of several pieces, and only of such", async () => {
  const { pieceLayers } = parseTorrent((await make(49152)).bytes);
  assert.deepEqual(
    [...pieceLayers].map(([root, layer]) => [root, toHex(layer)]),
    [[
      "4908d995d9e4bcb9ccd830b858b9bdb26d7e884d39e22da8a958c7a23fb0d2bb",
      "abae7acbff7f2317d64e0ebd1b52da894d06421cca59caea56e72435c8e74fa2f0d6087f053880f5a01c378c504236f3f0f5871fb9463c7e7d77391f556d3b44",
    ]],
  );
  assert.equal(parseTorrent((await make(32768)).bytes).pieceLayers.size, 0);
});

Deno.test("makeTorrent() keeps trackers, comment and maker out of what is hashed, and x-snapshot in it", async () => {
  const plain = await make(100_000);
  const dressed = await make(100_000, {
    trackers: ["udp://a.example:1/announce", "udp://b.example:2/announce"],
    comment: '{"created_at":"now"}',
    createdBy: "nano-snap",
  });
  assert.deepEqual(dressed.info.bytes, plain.info.bytes);
  assert.deepEqual(parseTorrent(dressed.bytes).trackers, [[
    "udp://a.example:1/announce",
    "udp://b.example:2/announce",
  ]]);
  assert.notEqual(dressed.bytes.length, plain.bytes.length);
  const told = await make(100_000, { xSnapshot: utf8('{"original_filename":"x.7z"}') });
  assert.notDeepEqual(told.info.infoHashV2, plain.info.infoHashV2);
  assert.deepEqual(told.info.xSnapshot, utf8('{"original_filename":"x.7z"}'));
});

Deno.test("makeTorrent() names the file as it is called, beyond ASCII too", async () => {
  const { info } = await make(1, { name: "Größe 台.7z" });
  assert.equal(info.name, "Größe 台.7z");
  assert.deepEqual(info.files.map((file) => file.path), [["Größe 台.7z"]]);
});
