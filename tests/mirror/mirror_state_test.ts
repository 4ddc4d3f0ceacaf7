import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemFiles as files } from "../../lib/io/files.ts";
import {
  readMirrorState,
  readSnapshotMeta,
  recordSnapshot,
  signedItemOf,
  vouchedSeq,
  writeMirrorState,
  writeSnapshotMeta,
} from "../../lib/mirror/mirror_state.ts";
import { parseInfo } from "../../lib/torrent/metainfo.ts";
import { toHex } from "../../lib/bytes.ts";
import { DAILY, KEY as TEST_KEY, signed } from "../snapshot/fakes.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { buildTorrent } from "../torrent/torrent_builder.ts";

const KEY = "cdbc9284015e84c225f0e67b891606505a60cf1218b127ac1c1edb6444567e6b";

function atPath(name: string, run: (path: string) => void): () => void {
  return () => {
    const folder = Deno.makeTempDirSync();
    try {
      run(join(folder, name));
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

Deno.test(
  "readMirrorState() reads missing keys and a missing file as upstream does",
  atPath("mirror_state.json", (path) => {
    const fresh = {
      last_seq: 0,
      last_info_hash: "",
      current_torrent_name: "",
      phase: "starting",
      last_error: "",
    };
    assert.deepEqual(readMirrorState(files, path), { value: fresh, warning: undefined });
    writeFileSync(path, '{\n  "last_seq": 1370,\n  "phase": "checking_resume_data"\n}');
    assert.deepEqual(readMirrorState(files, path).value, {
      ...fresh,
      last_seq: 1370,
      phase: "checking_resume_data",
    });
  }),
);

Deno.test(
  "writeMirrorState() writes upstream's form and keeps what it does not know",
  atPath("mirror_state.json", (path) => {
    writeFileSync(path, '{"last_seq": 3, "later_field": [1]}');
    writeMirrorState(files, path, { phase: "seeding" });
    assert.equal(
      readFileSync(path, "utf8"),
      `{
  "last_seq": 3,
  "last_info_hash": "",
  "current_torrent_name": "",
  "phase": "seeding",
  "last_error": "",
  "later_field": [
    1
  ]
}
`,
    );
  }),
);

for (
  const [what, text] of [
    ["torn", '{"last_seq": 13'],
    ["empty", ""],
    ["no object", "[1]"],
    ["of wrong types", '{"last_seq": "13"}'],
    ["with a negative seq", '{"last_seq": -1}'],
    ["with a seq above 2^53", '{"last_seq": 9007199254740993}'],
    ["not text", "\xff\xfe{}"],
    ["huge", `{"a":"${"x".repeat(1 << 20)}"}`],
  ] as const
) {
  Deno.test(
    `readMirrorState() sets a file aside that is ${what}, and names it`,
    atPath("mirror_state.json", (path) => {
      const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
      writeFileSync(path, bytes);
      const { value, warning } = readMirrorState(files, path);
      assert.equal(value.last_seq, 0);
      assert.match(warning!, /mirror_state\.json: .*mirror_state\.json\.bad$/);
      assert.equal(existsSync(path), false);
      assert.deepEqual(new Uint8Array(readFileSync(`${path}.bad`)), bytes);
      assert.equal(readMirrorState(files, path).warning, undefined);
    }),
  );
}

Deno.test(
  "writeSnapshotMeta() keeps the producer's fields beside the mirror's",
  atPath("snapshot-meta.json", (path) => {
    writeFileSync(path, '{"sha256": "aa", "dht_seq": 1}');
    writeSnapshotMeta(files, path, { dht_seq: 7, dht_salt: "daily" });
    assert.deepEqual(readSnapshotMeta(files, path).value, { sha256: "aa", dht_seq: 7, dht_salt: "daily" });
  }),
);

Deno.test("vouchedSeq() counts the stored seq only for the key and salt that the metadata names", () => {
  const state = { last_seq: 9, last_info_hash: "", current_torrent_name: "", phase: "", last_error: "" };
  const ours = { keyHex: KEY, salt: "daily" };
  const other = "00".repeat(32);
  assert.equal(vouchedSeq(state, { producer_signing_pubkey: KEY, dht_salt: "daily" }, ours), 9);
  assert.equal(vouchedSeq(state, { authority_pubkey: KEY.toUpperCase(), dht_salt: "daily" }, ours), 9);
  assert.equal(vouchedSeq(state, { producer_signing_pubkey: KEY, dht_salt: "weekly" }, ours), undefined);
  assert.equal(vouchedSeq(state, { producer_signing_pubkey: other, dht_salt: "daily" }, ours), undefined);
  assert.equal(
    vouchedSeq(state, { producer_signing_pubkey: KEY, dht_pubkey: other, dht_salt: "daily" }, ours),
    undefined,
  );
  assert.equal(vouchedSeq(state, { dht_salt: "daily" }, ours), undefined);
  assert.equal(vouchedSeq(state, {}, ours), undefined);
  assert.equal(
    vouchedSeq({ ...state, last_seq: 0 }, { dht_pubkey: KEY, dht_salt: "daily" }, ours),
    undefined,
  );
});

Deno.test(
  "recordSnapshot() writes when it was taken and what its ledger is, and keeps the latter for the same snapshot only",
  atPath("snapshot-meta.json", (snapshotMeta) => {
    const paths = { snapshotMeta, mirrorState: `${snapshotMeta}.state` };
    const info = (name: string) => {
      const extra = { "x-snapshot": JSON.stringify({ original_filename: name }) };
      const file = { path: [], data: fixtureBytes(10) };
      return parseInfo(
        buildTorrent({ kind: "hybrid", name: "ledger.7z", pieceLength: 32_768, files: [file], extra })
          .infoBytes,
      );
    };
    const bytes = new Uint8Array(32);
    const item = {
      publicKey: bytes,
      salt: new Uint8Array(0),
      seq: 7,
      value: bytes,
      signature: new Uint8Array(64),
    };
    const ledger = {
      version: 24,
      minimumNode: "V27.0",
      blockCount: 5,
      accountCount: 4,
      cementedCount: undefined,
      network: "live",
    };
    const facts = {
      ledger_version: 24,
      block_count: 5,
      account_count: 4,
      cemented_count: null,
      minimum_node_version: "V27.0",
    };
    const unknown = Object.fromEntries(Object.keys(facts).map((key) => [key, null]));
    const written = () => {
      const meta = readSnapshotMeta(files, snapshotMeta).value;
      const read = Object.keys(facts).map((key) => [key, meta[key]]);
      return { published: meta["published_at"], ...Object.fromEntries(read) };
    };
    const dated = info("Nano_64_2026_04_23_09.7z");
    recordSnapshot(files, paths, dated, item, ledger);
    assert.deepEqual(written(), { published: "2026-04-23T09:00:00.000Z", ...facts });
    recordSnapshot(files, paths, dated, { ...item, seq: 8 });
    assert.deepEqual(written(), { published: "2026-04-23T09:00:00.000Z", ...facts });
    recordSnapshot(files, paths, info("another.7z"), { ...item, seq: 9 });
    assert.deepEqual(written(), { published: null, ...unknown });
  }),
);

Deno.test("signedItemOf() gives the pointer that a mirror wrote down, when the signature says so", () => {
  const item = signed(1370);
  const meta = {
    dht_signature: toHex(item.signature),
    torrent_info_hash: "ab".repeat(32),
    dht_seq: 1370,
    dht_salt: "daily",
  };
  const stream = { publicKey: TEST_KEY, salt: DAILY };
  assert.deepEqual(signedItemOf(meta, stream), item);
  for (
    const change of [
      { dht_seq: 1371 },
      { dht_seq: "1370" },
      { dht_seq: -1 },
      { dht_seq: 2 ** 53 },
      { torrent_info_hash: "ac".repeat(32) },
      { torrent_info_hash: "ab".repeat(20) },
      { torrent_info_hash: 7 },
      { dht_signature: "00".repeat(64) },
      { dht_signature: "" },
      { dht_salt: "weekly" },
      { dht_salt: undefined },
    ]
  ) {
    assert.equal(signedItemOf({ ...meta, ...change }, stream), undefined, JSON.stringify(change));
  }
  assert.equal(signedItemOf(meta, { ...stream, publicKey: signed(1).signature.slice(32) }), undefined);
});

Deno.test(
  "writeSnapshotMeta() keeps the first era's names of the key true, and only where they were",
  atPath("snapshot-meta.json", (path) => {
    writeSnapshotMeta(files, path, { producer_signing_pubkey: KEY });
    assert.deepEqual(readSnapshotMeta(files, path).value, { producer_signing_pubkey: KEY });
    const other = "ab".repeat(32);
    writeFileSync(
      path,
      JSON.stringify({ authority_pubkey: KEY.toUpperCase(), authority_pubkey_nano: "nano_1" }),
    );
    writeSnapshotMeta(files, path, { producer_signing_pubkey: KEY });
    const named = { authority_pubkey: KEY, authority_pubkey_nano: "nano_1", producer_signing_pubkey: KEY };
    assert.deepEqual(readSnapshotMeta(files, path).value, named);
    writeSnapshotMeta(files, path, { producer_signing_pubkey: other });
    assert.deepEqual(readSnapshotMeta(files, path).value, {
      authority_pubkey: other,
      producer_signing_pubkey: other,
    });
  }),
);
