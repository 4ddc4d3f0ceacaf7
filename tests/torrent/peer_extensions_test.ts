// What is written in the extension protocol and to whom, and what is made of a peer's messages.

import assert from "node:assert/strict";
import { encode } from "../../lib/bencode.ts";
import { utf8 } from "../../lib/bytes.ts";
import { WireFault } from "../../lib/errors.ts";
import {
  encodePex,
  OUR_EXTENSIONS,
  parseExtensionHandshake,
  parseMetadata,
} from "../../lib/torrent/extension.ts";
import { MAX_PEX_PER_MINUTE, MAX_REQUESTS_HELD } from "../../lib/torrent/limits.ts";
import { PeerExtensions } from "../../lib/torrent/peer_extensions.ts";
import type { Introduction } from "../../lib/torrent/peer_owner.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import { ID, WireWriter } from "../../lib/torrent/wire.ts";

const US: Introduction = {
  hashes: { v1: undefined, v2Short: new Uint8Array(20) },
  peerId: new Uint8Array(20),
  client: "nano-snap 1.0",
  listenPort: 6881,
  dhtPort: undefined,
  torrent: { pieceCount: 3, blocksPerPiece: 2, metadataSize: 1234 },
  here: undefined,
};

function world() {
  const out = new WireWriter();
  const extensions = new PeerExtensions(out);
  /** The message that was written, by BEP 10: its id, and what is in it. */
  const written = () => {
    const bytes = out.take();
    if (bytes === undefined) return undefined;
    out.sent();
    assert.equal(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), bytes.length - 4, "one message");
    assert.equal(bytes[4], ID.extended);
    return { id: bytes[5]!, payload: bytes.slice(6) };
  };
  const hear = (dict: Parameters<typeof encode>[0], nowMs = 0) => extensions.read(0, encode(dict), nowMs);
  return { extensions, written, hear };
}

Deno.test("sayHandshake() tells what we are, and our ids for what we take", () => {
  const { extensions, written } = world();
  extensions.sayHandshake(US);
  const { id, payload } = written()!;
  assert.equal(id, 0);
  assert.deepEqual(parseExtensionHandshake(payload), {
    ids: { ...OUR_EXTENSIONS },
    metadataSize: 1234,
    port: 6881,
    requestQueue: MAX_REQUESTS_HELD,
    client: "nano-snap 1.0",
    uploadOnly: undefined,
    yourIp: undefined,
  });
});

Deno.test("sayHandshake() leaves out what is not known, and says of a seed that it only gives", () => {
  const { extensions, written } = world();
  extensions.sayHandshake({ ...US, torrent: undefined, listenPort: undefined });
  const bare = parseExtensionHandshake(written()!.payload)!;
  assert.deepEqual([bare.metadataSize, bare.port], [undefined, undefined]);
  const here = new PieceSet(3);
  for (const isWhole of [false, true]) {
    if (isWhole) here.fill();
    extensions.sayHandshake({ ...US, here });
    assert.equal(parseExtensionHandshake(written()!.payload)!.uploadOnly, isWhole || undefined);
  }
});

Deno.test("sayUploadOnly() and sendMetadata() write under the peer's ids, and nothing to who gave none", () => {
  const { extensions, written, hear } = world();
  const request = () => extensions.sendMetadata({ kind: "request", piece: 2 });
  extensions.sayUploadOnly();
  assert.deepEqual([request(), written()], [false, undefined], "before its handshake");
  hear({ m: { ut_metadata: 77, upload_only: 78 } });
  assert.equal(request(), true);
  const { id, payload } = written()!;
  assert.deepEqual([id, parseMetadata(payload)], [77, { kind: "request", piece: 2 }]);
  extensions.sayUploadOnly();
  assert.deepEqual(written(), { id: 78, payload: Uint8Array.of(1) });
  hear({ m: { ut_metadata: 0, upload_only: 0 } });
  extensions.sayUploadOnly();
  assert.deepEqual([request(), written()], [false, undefined], "switched off again");
});

Deno.test("read() adds a later handshake to those before it, and tells both", () => {
  const { extensions, hear } = world();
  assert.equal(extensions.theirs, undefined);
  hear({ m: { ut_pex: 1, ut_metadata: 2 }, v: "first", reqq: 5, p: 6881, upload_only: 1 });
  const said = hear({ m: { ut_metadata: 9, lt_donthave: 7 }, reqq: 8 });
  assert.ok(said?.kind === "handshake");
  assert.deepEqual([said.latest.requestQueue, said.latest.client], [8, undefined]);
  assert.equal(said.theirs, extensions.theirs);
  assert.deepEqual(extensions.theirs, {
    ids: { ut_pex: 1, ut_metadata: 9, lt_donthave: 7 },
    port: 6881,
    requestQueue: 8,
    client: "first",
    uploadOnly: true,
  });
});

Deno.test("read() ignores a handshake that is no dictionary", () => {
  const { extensions, hear } = world();
  hear({ v: "known" });
  for (const bytes of [utf8("nonsense"), utf8("i1e"), new Uint8Array(0)]) {
    assert.equal(extensions.read(0, bytes, 0), undefined);
  }
  assert.equal(extensions.theirs?.client, "known");
});

Deno.test("read() makes values of the messages that we take", () => {
  const { extensions } = world();
  const { ut_metadata, ut_pex, upload_only, lt_donthave } = OUR_EXTENSIONS;
  assert.deepEqual(extensions.read(ut_metadata, encode({ msg_type: 2, piece: 3 }), 0), {
    kind: "metadata",
    message: { kind: "reject", piece: 3 },
  });
  const peer = { host: "10.0.0.1", port: 6881, isSeed: true };
  const pex = encodePex({ added: [{ ...peer, isReachable: true }], dropped: [] });
  assert.deepEqual(extensions.read(ut_pex, pex, 0), { kind: "pex", peers: [peer] });
  for (const uploadOnly of [true, false]) {
    assert.deepEqual(extensions.read(upload_only, Uint8Array.of(Number(uploadOnly)), 0), {
      kind: "upload-only",
      uploadOnly,
    });
  }
  assert.deepEqual(extensions.read(lt_donthave, new Uint8Array(4).fill(255), 0), {
    kind: "dont-have",
    piece: 2 ** 32 - 1,
  });
});

for (
  const [what, id, payload] of [
    ["an extension that was not offered", 99, new Uint8Array(0)],
    ["one under the peer's own id instead of ours", 77, encode({ msg_type: 0, piece: 0 })],
    ["ut_metadata that is no dictionary", OUR_EXTENSIONS.ut_metadata, utf8("i1e")],
    ["ut_metadata without a piece", OUR_EXTENSIONS.ut_metadata, encode({ msg_type: 0 })],
    ["ut_pex that is no dictionary", OUR_EXTENSIONS.ut_pex, utf8("le")],
    ["upload_only of two bytes", OUR_EXTENSIONS.upload_only, new Uint8Array(2)],
    ["lt_donthave of three bytes", OUR_EXTENSIONS.lt_donthave, new Uint8Array(3)],
  ] as const
) {
  Deno.test(`read() refuses ${what}`, () => {
    const { extensions, hear } = world();
    hear({ m: { ut_metadata: 77 } });
    assert.throws(() => extensions.read(id, payload, 0), WireFault);
  });
}

Deno.test("read() takes a few PEX messages in any minute, whatever is in them, and refuses more", () => {
  const { extensions } = world();
  const empty = utf8("de");
  for (let minute = 1; minute <= 3; minute++) {
    for (let i = 0; i < MAX_PEX_PER_MINUTE; i++) {
      assert.deepEqual(extensions.read(OUR_EXTENSIONS.ut_pex, empty, minute * 61_000), {
        kind: "pex",
        peers: [],
      });
    }
    assert.throws(() => extensions.read(OUR_EXTENSIONS.ut_pex, empty, minute * 61_000 + 60_000), WireFault);
  }
});
