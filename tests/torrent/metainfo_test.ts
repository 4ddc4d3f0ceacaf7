import assert from "node:assert/strict";
import { cpuUsage } from "node:process";
import fc from "fast-check";
import { decodeDict, type Encodable, encode } from "../../lib/bencode.ts";
import { fromBinaryString, parseHex, toBinaryString, toHex, utf8 } from "../../lib/bytes.ts";
import { EXIT, MetainfoInvalid } from "../../lib/errors.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { MAX_FILE_BYTES } from "../../lib/torrent/limits.ts";
import { encodeTorrent, type Info, parseInfo, parseTorrent } from "../../lib/torrent/metainfo.ts";
import { fixtureBytes } from "./fixtures.ts";
import { assertSafePaths } from "./path_asserts.ts";
import { buildTorrent, hashFile, type TorrentPlan } from "./torrent_builder.ts";

/** N, pieces root, v1, v2 of a hybrid by libtorrent. */
const DETERMINISTIC = `
1 6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d 9fee1bd668d67203e5346b96924ae9f3955769fe 991b1455b2ad817e2ee051a2eed1085871b73f61215dd11988c06da03c2445ad
16383 095da957d179a83905896a0e30dc0ef31ecb8c3e796d899ab647fe6eb42bc5ea 8d02f24119b25807834c970ba46f4963caacb9f5 83888dc77ca9fbb282b68c5bd9cbd965e44f1b6eb2475a6ea246aa62c4d126a4
16384 127c52d4afc9d4e335b94d914f75fbf75b5dc62e6dbd31c6d71c868fc23e5fe5 cd1f733645004872d3d65618772eda03584e8400 ebece6d7710b0a61219d290af736c4c6cfebe8e1cabd7c6d00b6ec900ec13255
16385 ed50aa6f263172ac5097e54684d484dd9036bae3d7c729b4ede1bd2a125514fe adba2aa3f70d8b0efd61e0c42bfb3bc1b18dce34 c49b5f93139d438aa55c6e44b0c6c49677bc1b6077b9670073bef0d0f0ca3bef
32768 abae7acbff7f2317d64e0ebd1b52da894d06421cca59caea56e72435c8e74fa2 e639cae3c2b39d4e74809c13d9f9e1f7610cfa34 d3b2f5e19ca7ecd562cf615856a5ea3a305dbdd8ae900b957b24567ae8b9a5f6
32769 5e17c191acd809f178fb1a56e869fe2270ded1d6ba2a1aa173f6e59fba14a812 fc2a588f7343b270d34820659deecc7f6bd4ea36 225b3feddbfa264b78f4ea017d6cba14a9f08eb3ddd8e6306fa6b08e0e1df624
49152 4908d995d9e4bcb9ccd830b858b9bdb26d7e884d39e22da8a958c7a23fb0d2bb 7d9be2f125ad513b29026f4a1721466c69623481 7effdcc4f890252f7d99a05463a522dceefc63386e1c6e6db6be381707c974fd
65536 ff68aebb48bc3e3dbd4763ff1c4568ad183e0a3777f6c3395cb9fcf15f561d8e 5c35bb18ea1b74cdc131f76cdce2a62868a8261d 8b880acee4b0966351696f16642970b4dfc430936aad18ea4579f25f9df56154
65537 08516e119767c4e2d0184d5855159b4e415f53bf030a19564b35c7625a99f241 c179f16041ede70312e0729c32c8605d00c16a38 d5db66fc8d1945f1e220bf84d28f12903b02426d083fec42429078800db6f023
100000 7e51d1c08811359e6b6473abd4565d3fdff48ef372bf2ca3444d50efe8fff5ed cfde253c21b76c6be878fce02d25cf7ea36adc21 c5c6512842a495026ce6362f14d801002a226d45f78e80befce874ad04d0722e
200000 f411079d3fe6b1ae927a955cfdd1e196ce273930714dc2fae41534352dc373bf f34cc166a78899d0709516b6fee10c18fd74a45e c642188356e8ef53920201cb18a151a31cf3964066c2e7ad61823b3f4d62ba40
`.trim().split("\n").map((line) => line.split(" "));

/** The info dictionary of f100000, in hex. */
const F100000 =
  "64393a66696c6520747265656431313a663130303030302e62696e64303a64363a6c656e677468693130303030306531313a" +
  "70696563657320726f6f7433323a7e51d1c08811359e6b6473abd4565d3fdff48ef372bf2ca3444d50efe8fff5ed656565363a6c656e677468" +
  "693130303030306531323a6d6574612076657273696f6e693265343a6e616d6531313a663130303030302e62696e31323a7069656365206c65" +
  "6e67746869333237363865363a70696563657338303a27d883c12947fdc1e8442cc995c3d7c20cdba49c6cccac281c06c83aced78b027c8208" +
  "8f650a8d8daba62cc0aec53f49b4b721507b20d890303194c534bb736d8816477381012b416c08c7baecb8d55465";

const PIECE = 32768;

Deno.test("parseInfo() gives libtorrent's hashes for its deterministic files", () => {
  for (const [length, root, v1, v2] of DETERMINISTIC) {
    const { infoBytes, pieceLayers } = buildTorrent(single(Number(length), "hybrid"));
    const info = parseInfo(infoBytes);
    assert.equal(info.kind, "hybrid");
    assert.equal(toHex(info.infoHashV1!), v1, `v1 of ${length}`);
    assert.equal(toHex(info.infoHashV2!), v2, `v2 of ${length}`);
    assert.equal(toHex(info.files[0]!.piecesRoot!), root);
    assert.equal(info.pieceCount, Math.ceil(Number(length) / PIECE));
    assert.equal(pieceLayers.size, Number(length) > PIECE ? 1 : 0);
    Layout.of(info);
  }
});

Deno.test("parseInfo() reads every fact of a single-file hybrid", () => {
  const bytes = parseHex(F100000)!;
  assert.equal(toHex(buildTorrent(single(100_000, "hybrid")).infoBytes), F100000);
  const { piecesV1, infoHashV1: _v1, infoHashV2: _v2, ...rest } = parseInfo(bytes);
  assert.deepEqual(rest, {
    kind: "hybrid",
    bytes,
    name: "f100000.bin",
    rawName: "f100000.bin",
    isSingleFile: true,
    pieceLength: PIECE,
    pieceCount: 4,
    files: [{
      path: ["f100000.bin"],
      length: 100_000,
      offset: 0,
      piecesRoot: parseHex("7e51d1c08811359e6b6473abd4565d3fdff48ef372bf2ca3444d50efe8fff5ed"),
    }],
    totalLength: 100_000,
    paddedLength: 100_000,
    xSnapshot: undefined,
  });
  assert.equal(toHex(piecesV1!), F100000.slice(-162, -2));
});

Deno.test("parseInfo() tells the three kinds apart", () => {
  const v1 = parseInfo(buildTorrent(single(49_152, "v1")).infoBytes);
  assert.equal(toHex(v1.infoHashV1!), "ebbac4c44062208f04d8f13a611db000271728c7");
  assert.deepEqual([v1.kind, v1.infoHashV2, v1.files[0]!.piecesRoot], ["v1", undefined, undefined]);
  const v2 = parseInfo(buildTorrent(single(49_152, "v2")).infoBytes);
  assert.equal(toHex(v2.infoHashV2!), "e2cff9bb7a6359cd718d52ffcb5b8292a4812a7749f77bdbf64143af61a3a6b4");
  assert.deepEqual([v2.kind, v2.infoHashV1, v2.piecesV1], ["v2", undefined, undefined]);
});

Deno.test("the builder's piece layer of f49152 is libtorrent's", () => {
  const { layer } = hashFile(fixtureBytes(49_152), PIECE);
  assert.equal(
    toHex(layer!),
    "abae7acbff7f2317d64e0ebd1b52da894d06421cca59caea56e72435c8e74fa2" +
      "f0d6087f053880f5a01c378c504236f3f0f5871fb9463c7e7d77391f556d3b44",
  );
});

Deno.test("parseInfo() lays a multi-file torrent out as libtorrent, with and without padding", () => {
  const hybrid = parseInfo(buildTorrent(multi("hybrid")).infoBytes);
  assert.equal(toHex(hybrid.infoHashV1!), "407f9afbe11f8b536812b374a04d9bf4044d58e5");
  assert.equal(toHex(hybrid.infoHashV2!), "8050e31502c1c5b5fa718040331d1ce78311fcd4839c0befcabd568aa23dad8e");
  assert.deepEqual(outline(hybrid), [
    "a.bin 16384 0",
    "b.bin 40000 32768",
    "empty 0 98304",
    "sub/z.bin 70000 98304",
  ]);
  assert.deepEqual([hybrid.name, hybrid.isSingleFile, hybrid.pieceCount], ["multi", false, 6]);
  assert.deepEqual([hybrid.totalLength, hybrid.paddedLength], [126_384, 196_608]);
  assert.equal(
    toHex(hybrid.files[1]!.piecesRoot!),
    "6097404043e364ed3ff2df1ebd14da101edb3b8cde46e148ecd3a176f5594626",
  );
  assert.equal(
    toHex(hybrid.files[3]!.piecesRoot!),
    "954e83d39bfd33dcd2aa71eb73a69780f8412da6bc2c790dd31c92ecd22983b0",
  );

  const untailed = parseInfo(buildTorrent({ ...multi("hybrid"), tailPadding: false }).infoBytes);
  assert.equal(toHex(untailed.infoHashV1!), "5b5539e27ff64d0382f479dcf4f720814daf77c2");
  assert.equal(
    toHex(untailed.infoHashV2!),
    "2d478b3c9960d38af379131b5f0c508c960fd3c7dd2f9f03b3762ce3eae32553",
  );
  assert.deepEqual(outline(untailed), outline(hybrid));
  assert.equal(untailed.paddedLength, 168_304);

  const v2 = parseInfo(buildTorrent(multi("v2")).infoBytes);
  assert.equal(toHex(v2.infoHashV2!), "41b279e137a1a0fba0df334aec8a17c4e76a9b7d61b7439affb5b5a57931ee7f");
  assert.deepEqual(outline(v2), outline(hybrid));

  const v1 = parseInfo(buildTorrent(multi("v1")).infoBytes);
  assert.equal(toHex(v1.infoHashV1!), "cc9593b80a79b3c2621eea7716045bbc89c7ffda");
  assert.deepEqual(outline(v1), [
    "a.bin 16384 0",
    "b.bin 40000 16384",
    "empty 0 56384",
    "sub/z.bin 70000 56384",
  ]);
  assert.equal(v1.pieceCount, 4);
  for (const info of [hybrid, untailed, v2, v1]) Layout.of(info);
});

Deno.test("parseInfo() keeps x-snapshot as it came", () => {
  const facts = utf8('{"original_filename":"Nano_64_2026.7z"}');
  const { infoBytes } = buildTorrent({ ...single(20_000, "hybrid"), extra: { "x-snapshot": facts } });
  assert.deepEqual(parseInfo(infoBytes).xSnapshot, facts);
});

Deno.test("parseInfo() leaves links out and counts padding of either style", () => {
  const info = parseInfo(encode({
    files: [
      { length: 10, path: ["a"] },
      { length: 90, path: ["x", "_____padding_file_0_"] },
      { attr: "xl", length: 77, path: ["link"], "symlink path": ["a"] },
      { attr: "p", length: 100 },
      { attr: "xh", length: 5, path: ["b"] },
    ],
    name: "t",
    "piece length": 16384,
    pieces: new Uint8Array(20),
  }));
  assert.deepEqual(outline(info), ["a 10 0", "b 5 200"]);
  assert.equal(info.paddedLength, 205);
  const tree = edited(single(5, "v2"), { "file tree": { l: leaf({ attr: "l" }), x: file(5) }, name: "n" });
  assert.deepEqual(outline(parseInfo(tree)), ["x 5 0"]);
  assert.equal(parseInfo(tree).isSingleFile, false);
});

Deno.test("parseInfo() prefers the names that are marked as UTF-8", () => {
  const info = parseInfo(encode({
    files: [{ length: 1, path: [new Uint8Array([0xe4])], "path.utf-8": ["ä"] }],
    name: new Uint8Array([0xf6]),
    "name.utf-8": "ö",
    "piece length": 16384,
    pieces: new Uint8Array(20),
  }));
  assert.deepEqual([info.name, info.files[0]!.path], ["ö", ["ä"]]);
});

Deno.test("parseInfo() takes a v1 dictionary out of order, and none with a meta version", () => {
  const loose = (version: string) =>
    fromBinaryString(`d4:name1:n6:lengthi01e${version}12:piece lengthi16384e6:pieces20:${"x".repeat(20)}e`);
  assert.equal(parseInfo(loose("")).totalLength, 1);
  assert.throws(() => parseInfo(loose("12:meta versioni1e")), /not bencoding: a key that is not above/);
});

Deno.test("a torrent is one file when its tree says so, whatever its name", () => {
  const info = parseInfo(edited(single(5, "v2"), { name: "another" }));
  assert.deepEqual([info.isSingleFile, info.name], [true, "f5.bin"]);
  const folder = parseInfo(
    buildTorrent({ ...multi("hybrid"), files: [{ path: ["a"], data: fixtureBytes(9) }] }).infoBytes,
  );
  assert.deepEqual([folder.isSingleFile, folder.name, outline(folder)], [false, "multi", ["a 9 0"]]);
});

Deno.test("a torrent whose name is no name is called by its hash", () => {
  const info = parseInfo(edited(single(5, "v1"), { name: ".." }));
  assert.equal(info.name, toHex(info.infoHashV1!));
  assert.deepEqual(info.files[0]!.path, [info.name]);
});

const ROOT = new Uint8Array(32).fill(7);
const HYBRID = single(40_000, "hybrid");
const V2 = single(40_000, "v2");
const V1 = single(40_000, "v1");
const TWO = { "": undefined, a: file(40_000), b: file(10) };

/** A change to a good info dictionary, and the reason that is given for refusing the result. */
const REFUSED: readonly (readonly [TorrentPlan, Record<string, Encodable | undefined>, RegExp])[] = [
  [V1, { name: undefined }, /has no name/],
  [V1, { name: 7 }, /has no name/],
  [V1, { length: undefined }, /neither a length nor files/],
  [V1, { length: -1 }, /length of a file is not an integer from 0/],
  [V1, { length: 2n ** 63n }, /length of a file/],
  [V1, { length: "5" }, /length of a file/],
  [V1, { length: MAX_FILE_BYTES + 1 }, /length of a file/],
  [V1, { length: 0, pieces: "" }, /files are all empty/],
  [V1, { files: [] }, /has no files/],
  [V1, { files: [{ attr: "p", length: 40_000 }] }, /has no files/],
  [V1, { files: [7] }, /entry of its file list is not a dictionary/],
  [V1, { files: [{ length: 5 }] }, /has no path/],
  [V1, { files: [{ length: 5, path: [] }] }, /has no path/],
  [V1, { files: [{ length: 5, path: ["a", 7] }] }, /part of a path is not a byte string/],
  [V1, { files: [{ length: 5, path: Array(101).fill("a") }] }, /more than 100 parts/],
  [V1, { files: Array(200_001).fill({}) }, /more than 100000 files/],
  [V1, { files: Array(600).fill({ length: MAX_FILE_BYTES, path: ["a"] }) }, /longer than 2\^53 - 1 bytes/],
  [V1, { pieces: undefined }, /has no pieces/],
  [V1, { pieces: new Uint8Array(41) }, /41 bytes of SHA-1 hashes for 2 pieces/],
  [V1, { "piece length": undefined }, /piece length is not an integer/],
  [V1, { "piece length": 0 }, /piece length is not an integer/],
  [V1, { "piece length": -16384 }, /piece length is not an integer/],
  [V1, { "piece length": 2 ** 29 + 1 }, /piece length is not an integer from 1 to 536870912/],
  [V1, { "piece length": 1, length: 2_097_153 }, /more than 2097152 pieces/],
  [V1, { "file tree": {} }, /has a file tree but its meta version is not 2/],
  [V2, { "file tree": undefined }, /has no file tree/],
  [V2, { "file tree": [] }, /has no file tree/],
  [V2, { "file tree": {} }, /has no files/],
  [V2, { "file tree": { "": leaf({ length: 5 }) } }, /has no name/],
  [V2, { "file tree": { a: 5 } }, /entry of the file tree is not a dictionary/],
  [V2, { "file tree": { a: { "": 5 } } }, /file of the file tree is not a dictionary/],
  [V2, { "file tree": { a: { "": { length: 5, "pieces root": ROOT }, b: {} } } }, /has no name/],
  [V2, { "file tree": { a: leaf({}) } }, /length of a file/],
  [V2, { "file tree": { a: leaf({ length: 5 }) } }, /has no root hash/],
  [V2, { "file tree": { a: leaf({ length: 5, "pieces root": ROOT.subarray(1) }) } }, /has no root hash/],
  [V2, { "file tree": { a: leaf({ length: 5, "pieces root": new Uint8Array(32) }) } }, /has no root hash/],
  [V2, { "file tree": { a: leaf({ attr: "p", length: 5, "pieces root": ROOT }) } }, /is padding/],
  [V2, { "file tree": { a: leaf({ length: 0 }) } }, /files are all empty/],
  [V2, { "file tree": { a: file(5), l: leaf({ attr: "l", "symlink path": [7] }) } }, /part of a link's path/],
  [V2, { "file tree": { a: file(2 ** 40) } }, /more than 2097152 pieces/],
  [V2, { "piece length": 8192 }, /8192, not a power of two of at least 16384/],
  [V2, { "piece length": 49_152 }, /49152, not a power of two/],
  [V2, { "meta version": 3 }, /meta version is 3, newer than this program knows/],
  [V2, { "meta version": "2" }, /meta version is not 2/],
  [HYBRID, { length: 40_001 }, /disagree on the length of file 1/],
  [HYBRID, { name: "other.bin" }, /disagree on the name of file 1/],
  [HYBRID, { pieces: undefined }, /has no pieces/],
  [HYBRID, { "file tree": TWO }, /disagree: 1 and 2 files/],
  [HYBRID, { "file tree": TWO, files: twoFiles(25_535) }, /disagree on where file 2 begins/],
  [HYBRID, { "file tree": TWO, files: twoFiles(25_536, "c") }, /disagree on the name of file 2/],
  [HYBRID, { "file tree": TWO, files: twoFiles(25_536, "b", 9) }, /disagree on where the last file ends/],
];

Deno.test("parseInfo() refuses what is malformed, contradicts itself or breaks a limit, with one reason", () => {
  for (const [plan, change, why] of REFUSED) {
    assert.throws(() => parseInfo(edited(plan, change)), (error) => {
      assert(error instanceof MetainfoInvalid, String(error));
      assert.match(error.message, /^Cannot use the torrent: [^\n]*[^.\n]$/);
      assert.match(error.why, why);
      assert.equal(error.exitCode, EXIT.untrusted);
      return true;
    }, `${why}`);
  }
  const good = edited(HYBRID, { "file tree": TWO, files: twoFiles(25_536), pieces: new Uint8Array(60) });
  assert.deepEqual(outline(parseInfo(good)), ["a 40000 0", "b 10 65536"]);
});

Deno.test("parseInfo() refuses a tree that is deeper than its limit", () => {
  let folder: Encodable = file(5);
  for (let depth = 0; depth < 98; depth++) folder = { d: folder };
  assert.throws(() => parseInfo(edited(V2, { "file tree": folder })), /nesting deeper than 100/);
});

Deno.test("parseInfo() and parseTorrent() refuse what is too long before they read it", () => {
  assert.throws(() => parseInfo(new Uint8Array((32 << 20) + 1)), /33554433 bytes, more than 33554432/);
  assert.throws(() => parseTorrent(new Uint8Array(200 << 20)), /209715200 bytes, more than/);
});

Deno.test("parseTorrent() refuses what is no torrent", () => {
  for (const text of ["", "i1e", "le", "d", "de", "d4:info2:hie", "d4:infolee", "<html>", "d4:infode"]) {
    assert.throws(() => parseTorrent(utf8(text)), MetainfoInvalid, text);
  }
});

Deno.test("encodeTorrent() writes what parseTorrent() reads, and the info bytes as they are", () => {
  for (const plan of [multi("hybrid"), multi("v2"), multi("v1"), single(9, "v2")]) {
    const { infoBytes, pieceLayers } = buildTorrent(plan);
    const trackers = [["udp://a.example:1337/announce", "http://b.example/announce"], [
      "https://c.example/x",
    ]];
    const webSeeds = ["https://seed.example/files/"];
    const bytes = encodeTorrent({
      infoBytes,
      pieceLayers,
      trackers,
      webSeeds,
      comment: "c",
      createdBy: "nano-snap",
    });
    assert.deepEqual(encode(decodeDict(bytes)), bytes, "canonical");
    assert.deepEqual(decodeDict(bytes).raw("info"), infoBytes);
    assert.equal(toBinaryString(decodeDict(bytes).bytes("comment")!), "c");
    assert.equal(decodeDict(bytes).has("piece layers"), plan.kind !== "v1");
    const read = parseTorrent(bytes);
    assert.deepEqual(read, { info: parseInfo(infoBytes), pieceLayers, trackers, webSeeds });
  }
});

Deno.test("encodeTorrent() writes a v1 dictionary that is out of order as it is", () => {
  const infoBytes = fromBinaryString(
    `d4:name1:n6:lengthi1e12:piece lengthi16384e6:pieces20:${"x".repeat(20)}e`,
  );
  const read = parseTorrent(encodeTorrent({ infoBytes, pieceLayers: new Map(), trackers: [] }));
  assert.deepEqual(read.info.bytes, infoBytes);
});

Deno.test("parseTorrent() keeps right layers, leaves wrong ones out, and refuses malformed ones", () => {
  const { infoBytes, pieceLayers } = buildTorrent(multi("hybrid"));
  const [[bRoot, bLayer], [zRoot, zLayer]] = [...pieceLayers] as [[string, Uint8Array], [string, Uint8Array]];
  const read = (layers: [string, Uint8Array][]) =>
    parseTorrent(encodeTorrent({ infoBytes, pieceLayers: new Map(layers), trackers: [] })).pieceLayers;
  assert.deepEqual(read([]), new Map());
  assert.deepEqual(read([[zRoot, zLayer]]), new Map([[zRoot, zLayer]]), "a part of them");
  assert.deepEqual(
    read([[bRoot, bLayer], [toHex(ROOT), zLayer]]),
    new Map([[bRoot, bLayer]]),
    "one of no file",
  );
  const wrong = zLayer.slice();
  wrong[95]! ^= 1;
  assert.deepEqual(read([[bRoot, bLayer], [zRoot, wrong]]), new Map([[bRoot, bLayer]]), "one bit");
  assert.throws(() => read([[zRoot, zLayer.subarray(32)]]), /64 bytes for 3 pieces/);
  assert.throws(() => read([[zRoot, zLayer.subarray(1)]]), /not a row of hashes/);
  assert.throws(() => read([[zRoot.slice(2), zLayer]]), /not a row of hashes/);
});

Deno.test("parseTorrent() reads tiers, falls back to announce, and drops what is no tracker", () => {
  const { infoBytes } = buildTorrent(single(5, "v1"));
  const info = decodeDict(infoBytes);
  const trackers = (around: Record<string, Encodable>) => parseTorrent(encode({ ...around, info })).trackers;
  const announce = "http://one.example/announce";
  assert.deepEqual(trackers({}), []);
  assert.deepEqual(trackers({ announce }), [[announce]]);
  assert.deepEqual(trackers({ announce, "announce-list": [[], ["wss://x.example"], 7, "text"] }), [[
    announce,
  ]]);
  assert.deepEqual(
    trackers({
      announce,
      "announce-list": [[" udp://u.example:80 ", "udp://noport.example/", "ftp://f.example", announce, 7], [
        announce,
      ]],
    }),
    [["udp://u.example:80", announce]],
  );
  const many = Array.from({ length: 150 }, (_, i) => [`http://t${i}.example/`]);
  assert.equal(trackers({ "announce-list": many }).length, 100);
});

Deno.test("parseTorrent() ends in its own error, however a good torrent is damaged", () => {
  const whole = ([["hybrid", true], ["v2", true], ["v1", true], ["hybrid", false]] as const).map(
    ([kind, tailPadding]) => {
      const { infoBytes, pieceLayers } = buildTorrent({ ...multi(kind), tailPadding });
      return encodeTorrent({ infoBytes, pieceLayers, trackers: [["http://t.example/"]] });
    },
  );
  const damage = fc.array(
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      remove: fc.nat(3),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 3 }),
        fc.constantFrom("i", "e", "d", "l", "0:", "de", "9", "..").map(utf8),
      ),
    }),
    { minLength: 1, maxLength: 3 },
  );
  fc.assert(
    fc.property(fc.constantFrom(...whole), damage, (original, edits) => {
      let bytes = original;
      for (const { at, remove, insert } of edits) {
        const from = Math.floor(at * bytes.length);
        bytes = Uint8Array.from([...bytes.subarray(0, from), ...insert, ...bytes.subarray(from + remove)]);
      }
      try {
        const { info } = parseTorrent(bytes);
        assertSafePaths(info);
        Layout.of(info);
      } catch (error) {
        if (!(error instanceof MetainfoInvalid)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("parseTorrent() ends in its own error wherever the file is cut off", () => {
  const { infoBytes, pieceLayers } = buildTorrent(multi("hybrid"));
  const bytes = encodeTorrent({ infoBytes, pieceLayers, trackers: [] });
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => parseTorrent(bytes.subarray(0, length)), MetainfoInvalid, `cut at ${length}`);
  }
});

Deno.test("parseInfo() makes safe paths of whatever names a torrent has", () => {
  const name = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
    fc.constantFrom("..", ".", "/", "\\", "a/b", "con", "A", "a", "\0", "../x").map(utf8),
  );
  const paths = fc.array(fc.array(name, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 });
  fc.assert(fc.property(name, paths, (torrentName, all) => {
    const info = parseInfo(encode({
      files: all.map((path) => ({ length: 1, path })),
      name: torrentName,
      "piece length": 16384,
      pieces: new Uint8Array(20),
    }));
    assert.equal(info.files.length, all.length);
    assertSafePaths(info);
  }));
});

Deno.test("parseInfo() takes the largest torrents in a moment", () => {
  const files = Array.from(
    { length: 100_000 },
    (_, i) => ({ length: 16_384, path: [`folder ${i % 100}`, `${i}.bin`] }),
  );
  const pieces = new Uint8Array(20 * 100_000);
  const bytes = encode({ files, name: "many", "piece length": 16_384, pieces });
  const before = cpuUsage();
  assert.equal(parseInfo(bytes).files.length, 100_000);
  // Of the processor's, since the clock counts what other programs take. In squares it would be a minute.
  const { user, system } = cpuUsage(before);
  assert.ok(user + system < 4e6, `${user + system} µs`);
});

function single(length: number, kind: TorrentPlan["kind"]): TorrentPlan {
  return {
    kind,
    name: `f${length}.bin`,
    pieceLength: PIECE,
    files: [{ path: [], data: fixtureBytes(length) }],
  };
}

/** What libtorrent makes of a folder of files. */
function multi(kind: TorrentPlan["kind"]): TorrentPlan {
  const files = ([["a.bin", 16_384], ["b.bin", 40_000], ["empty", 0], ["sub/z.bin", 70_000]] as const)
    .map(([path, length]) => ({ path: path.split("/"), data: fixtureBytes(length) }));
  return { kind, name: "multi", pieceLength: PIECE, files };
}

function outline(info: Info): string[] {
  return info.files.map(({ path, length, offset }) => `${path.join("/")} ${length} ${offset}`);
}

/** The plan's info dictionary with some keys replaced or, where undefined, taken out. */
function edited(plan: TorrentPlan, change: Record<string, Encodable | undefined>): Uint8Array {
  const info = decodeDict(buildTorrent(plan).infoBytes);
  return encode({ ...Object.fromEntries(info.entries()), ...change });
}

function leaf(facts: Record<string, Encodable>): Encodable {
  return { "": facts };
}

function file(length: number): Encodable {
  return leaf({ length, "pieces root": ROOT });
}

/** A v1 list of a and b with padding between them, and behind if wished. */
function twoFiles(padding: number, second = "b", tail = 0): Encodable {
  const pad = (length: number) => ({ attr: "p", length });
  return [
    { length: 40_000, path: ["a"] },
    pad(padding),
    { length: 10, path: [second] },
    ...(tail ? [pad(tail)] : []),
  ];
}
