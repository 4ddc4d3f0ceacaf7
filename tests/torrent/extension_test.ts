import assert from "node:assert/strict";
import fc from "fast-check";
import { encode } from "../../lib/bencode.ts";
import { concatBytes, fromBinaryString, toBinaryString, utf8 } from "../../lib/bytes.ts";
import { WireFault } from "../../lib/errors.ts";
import {
  encodeExtensionHandshake,
  encodeMetadata,
  parseDontHave,
  parseExtensionHandshake,
  parseMetadata,
  parsePex,
  parseUploadOnly,
} from "../../lib/torrent/extension.ts";
import { MAX_METADATA_BYTES, MAX_PEX_PEERS } from "../../lib/torrent/limits.ts";
import { fixtureBytes } from "./fixtures.ts";

/** As libtorrent 2.0.8 sends it when it dialed, has the metadata and is a seed. */
const LIBTORRENT =
  "d12:complete_agoi-1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e12:ut_holepunchi4e" +
  "11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei267e1:pi6881e4:reqqi2000e11:upload_onlyi1e" +
  "1:v18:libtorrent/2.0.8.06:yourip4:\x7f\x00\x00\x01e";

Deno.test("parseExtensionHandshake() reads what libtorrent 2.0.8 sends", () => {
  assert.deepEqual(parseExtensionHandshake(fromBinaryString(LIBTORRENT)), {
    ids: { ut_pex: 1, ut_metadata: 2, upload_only: 3, lt_donthave: 7 },
    metadataSize: 267,
    port: 6881,
    requestQueue: 2000,
    client: "libtorrent/2.0.8.0",
    uploadOnly: true,
    yourIp: "127.0.0.1",
  });
});

const NOTHING = {
  ids: {},
  metadataSize: undefined,
  port: undefined,
  requestQueue: undefined,
  client: undefined,
  uploadOnly: undefined,
  yourIp: undefined,
};

Deno.test("parseExtensionHandshake() leaves out what is missing, of another type or out of range", () => {
  assert.deepEqual(parseExtensionHandshake(utf8("de")), NOTHING);
  const odd = encode({
    m: { ut_pex: 256, ut_metadata: -1, upload_only: "3" },
    metadata_size: MAX_METADATA_BYTES + 1,
    p: 65_536,
    reqq: 0,
    v: Uint8Array.of(0xff, 0xfe),
    upload_only: "1",
    yourip: new Uint8Array(5),
  });
  assert.deepEqual(parseExtensionHandshake(odd), NOTHING);
  assert.deepEqual(parseExtensionHandshake(encode({ m: 7, metadata_size: 0, p: 0, reqq: -1 })), NOTHING);
  assert.deepEqual(parseExtensionHandshake(encode({ m: { ut_pex: 0 } }))?.ids, { ut_pex: 0 });
});

Deno.test("parseExtensionHandshake() ignores what is no dictionary, as libtorrent does", () => {
  for (const text of ["", "i1e", "le", "d", "dx", "d1:ae", "de garbage"]) {
    assert.equal(parseExtensionHandshake(utf8(text)), undefined, text);
  }
});

Deno.test("parseExtensionHandshake() makes a client's name short and printable, wherever it is cut", () => {
  const named = (v: string) => parseExtensionHandshake(encode({ v }))?.client;
  assert.equal(named("\u00b5Torrent 3.5\x1b[31m\n"), "?Torrent 3.5?[31m?");
  assert.equal(named("a".repeat(63) + "\u00b5\u00b5\u00b5"), "a".repeat(63) + "?");
  assert.equal(named("x".repeat(5000))?.length, 64);
});

Deno.test("encodeExtensionHandshake() names our extensions and leaves out what is unknown", () => {
  const bare = encodeExtensionHandshake({ client: "x", requestQueue: 500 });
  assert.equal(
    toBinaryString(bare),
    "d1:md11:lt_donthavei7e11:upload_onlyi3e11:ut_metadatai2e6:ut_pexi1ee4:reqqi500e1:v1:xe",
  );
  const full = encodeExtensionHandshake({
    client: "nano-snap",
    requestQueue: 500,
    port: 6881,
    metadataSize: 267,
    uploadOnly: true,
    yourIp: Uint8Array.of(127, 0, 0, 1),
  });
  assert.deepEqual(parseExtensionHandshake(full), {
    ids: { ut_pex: 1, ut_metadata: 2, upload_only: 3, lt_donthave: 7 },
    metadataSize: 267,
    port: 6881,
    requestQueue: 500,
    client: "nano-snap",
    uploadOnly: true,
    yourIp: "127.0.0.1",
  });
});

Deno.test("parseMetadata() splits data where the dictionary ends, even when the data looks like one", () => {
  const head = utf8("d8:msg_typei1e5:piecei3e10:total_sizei65000ee");
  for (const data of [utf8("d1:aee"), utf8("ee"), fixtureBytes(16_384), new Uint8Array(0)]) {
    assert.deepEqual(parseMetadata(concatBytes(head, data)), {
      kind: "data",
      piece: 3,
      totalSize: 65_000,
      data,
    });
  }
});

Deno.test("parseMetadata() reads requests and rejects, with total_size as libtorrent adds it", () => {
  assert.deepEqual(parseMetadata(utf8("d8:msg_typei0e5:piecei7ee")), { kind: "request", piece: 7 });
  assert.deepEqual(parseMetadata(utf8("d8:msg_typei2e5:piecei7ee")), { kind: "reject", piece: 7 });
  const withSize = "d8:msg_typei2e5:piecei7e10:total_sizei267ee";
  assert.deepEqual(parseMetadata(utf8(withSize)), { kind: "reject", piece: 7 });
  assert.deepEqual(parseMetadata(utf8("d8:msg_typei9e5:piecei7ee")), { kind: "unknown" });
});

Deno.test("parseMetadata() faults on what breaks BEP 9 or a limit", () => {
  const bad = [
    "",
    "i1e",
    "de",
    "d8:msg_typei0ee",
    "d5:piecei0ee",
    "d8:msg_typei0e5:piecei-1ee",
    "d8:msg_typei0e5:piecei2048ee", // 32 MiB are pieces 0 to 2047
    "d8:msg_typei1e5:piecei0ee",
    "d8:msg_typei1e5:piecei0e10:total_sizei0ee",
    `d8:msg_typei1e5:piecei0e10:total_sizei${MAX_METADATA_BYTES + 1}ee`,
    "d8:msg_typei1e5:piecei0e10:total_sizei99999ee" + "x".repeat(16_385),
  ];
  for (const text of bad) assert.throws(() => parseMetadata(utf8(text)), WireFault, text.slice(0, 60));
});

Deno.test("encodeMetadata() writes BEP 9's messages", () => {
  const text = (message: Parameters<typeof encodeMetadata>[0]) => toBinaryString(encodeMetadata(message));
  assert.equal(text({ kind: "request", piece: 2 }), "d8:msg_typei0e5:piecei2ee");
  assert.equal(text({ kind: "reject", piece: 2 }), "d8:msg_typei2e5:piecei2ee");
  const data = { kind: "data", piece: 2, totalSize: 40_000, data: utf8("abc") } as const;
  assert.equal(text(data), "d8:msg_typei1e5:piecei2e10:total_sizei40000eeabc");
});

const PEER_A = Uint8Array.of(80, 4, 4, 200, 0x1a, 0xe1);
const PEER_B = Uint8Array.of(1, 2, 3, 4, 0, 80);
const PORTLESS = Uint8Array.of(1, 2, 3, 5, 0, 0);

Deno.test("parsePex() reads peers with flags, without, and with too few, and leaves out port 0", () => {
  const added = concatBytes(PORTLESS, PEER_A, PEER_B);
  const plain = (isSeedA: boolean, isSeedB: boolean) => [
    { host: "80.4.4.200", port: 6881, isSeed: isSeedA },
    { host: "1.2.3.4", port: 80, isSeed: isSeedB },
  ];
  assert.deepEqual(parsePex(encode({ added, "added.f": Uint8Array.of(2, 0x11, 0x12) })), plain(false, true));
  assert.deepEqual(parsePex(encode({ added })), plain(false, false));
  assert.deepEqual(parsePex(encode({ added, "added.f": Uint8Array.of(0, 2) })), plain(true, false));
  assert.deepEqual(parsePex(utf8("de")), []);
});

Deno.test("parsePex() reads IPv6 peers beside libtorrent's four other keys", () => {
  const ip = concatBytes(Uint8Array.of(0x20, 1, 0x0d, 0xb8), new Uint8Array(11), Uint8Array.of(1));
  const message = encode({
    added: PEER_A,
    "added.f": Uint8Array.of(0x10),
    added6: concatBytes(ip, Uint8Array.of(0x1a, 0xe1)),
    "added6.f": Uint8Array.of(2),
    dropped: PEER_B,
    dropped6: new Uint8Array(18),
  });
  assert.deepEqual(parsePex(message), [
    { host: "80.4.4.200", port: 6881, isSeed: false },
    { host: "2001:db8::1", port: 6881, isSeed: true },
  ]);
});

Deno.test("parsePex() takes a bounded number of peers from one message", () => {
  const added = new Uint8Array(6 * 5000).fill(9);
  assert.equal(parsePex(encode({ added, added6: new Uint8Array(18 * 100).fill(9) })).length, MAX_PEX_PEERS);
});

Deno.test("parseUploadOnly() and parseDontHave() want their exact sizes", () => {
  assert.equal(parseUploadOnly(Uint8Array.of(0)), false);
  assert.equal(parseUploadOnly(Uint8Array.of(1)), true);
  assert.throws(() => parseUploadOnly(new Uint8Array(0)), WireFault);
  assert.throws(() => parseUploadOnly(new Uint8Array(2)), WireFault);
  assert.equal(parseDontHave(Uint8Array.of(0, 0, 1, 2, 0, 3).subarray(1, 5)), 0x010200);
  assert.throws(() => parseDontHave(new Uint8Array(3)), WireFault);
  assert.throws(() => parseDontHave(new Uint8Array(5)), WireFault);
});

const PARSERS = { parseExtensionHandshake, parseMetadata, parsePex, parseUploadOnly, parseDontHave };

for (const [name, parse] of Object.entries(PARSERS)) {
  Deno.test(`${name}() throws nothing but WireFault on any bytes`, () => {
    // Whole noise, and noise in the place of one byte of a good message.
    const broken = fc.tuple(
      fc.constantFrom(
        LIBTORRENT,
        "d8:msg_typei1e5:piecei3e10:total_sizei65000eeabc",
        "d5:added6:\x01\x02\x03\x04\x00\x507:added.f1:\x02e",
      ),
      fc.nat(300),
      fc.nat(255),
    ).map(([text, at, byte]) => {
      const bytes = fromBinaryString(text);
      bytes[at % bytes.length] = byte;
      return bytes;
    });
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), broken), (bytes) => {
      try {
        parse(bytes);
      } catch (error) {
        assert.ok(error instanceof WireFault);
      }
    }));
  });
}
