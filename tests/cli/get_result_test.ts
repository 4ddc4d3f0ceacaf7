import assert from "node:assert/strict";
import { getJson, getText } from "../../lib/cli/get_result.ts";
import type { GetResult } from "../../lib/mirror/options.ts";

const RESULT: GetResult = {
  path: "/data/data.ldb",
  size: 121_000_000_000,
  seq: 1370,
  publishedMs: Date.UTC(2026, 3, 23, 9),
  ageMs: 90_000_400,
  infoHash: "ab".repeat(32),
  infoHashV1: "cd".repeat(20),
  alreadyCurrent: false,
  archive: undefined,
  ledger: undefined,
  downloadedBytes: 57_600_000_000,
  elapsedMs: 4_320_000.5,
};

Deno.test("getJson() is one line of one object with fixed keys, null where nothing applies", () => {
  const line = getJson(RESULT);
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.deepEqual(JSON.parse(line), {
    path: "/data/data.ldb",
    size: 121_000_000_000,
    seq: 1370,
    published: "2026-04-23T09:00:00.000Z",
    age_seconds: 90_000,
    info_hash: "ab".repeat(32),
    info_hash_v1: "cd".repeat(20),
    already_current: false,
    archive: null,
    ledger: null,
    install: null,
    downloaded_bytes: 57_600_000_000,
    elapsed_ms: 4_320_001,
  });
  const unknown = { seq: undefined, infoHashV1: undefined, publishedMs: undefined, ageMs: undefined };
  const bare = JSON.parse(getJson({ ...RESULT, ...unknown }));
  assert.equal(bare.published, null);
  assert.equal(bare.age_seconds, null);
  assert.equal(bare.seq, null);
  assert.equal(bare.info_hash_v1, null);
  assert.deepEqual(Object.keys(bare), Object.keys(JSON.parse(line)));
});

Deno.test("getJson() gives ledger facts under inspect's names", () => {
  const ledger = {
    version: 24,
    blockCount: 5,
    accountCount: 4,
    cementedCount: 3,
    network: "live",
    minimumNode: "V27.0",
  };
  assert.deepEqual(JSON.parse(getJson({ ...RESULT, ledger })).ledger, {
    version: 24,
    block_count: 5,
    account_count: 4,
    cemented_count: 3,
    network: "live",
    minimum_node: "V27.0",
  });
});

Deno.test("getText() ends with what to do next", () => {
  assert.equal(
    getText(RESULT, { extract: true }),
    `path          /data/data.ldb
size          121.0 GB (121000000000 bytes)
seq           1370
published     2026-04-23 09:00 UTC, 1 d 1 h ago
info hash     ${"ab".repeat(32)}
info hash v1  ${"cd".repeat(20)}
fetched       57.6 GB; the whole run took 1 h 12 min
next          stop the node, then: mv /data/data.ldb ~/Nano/data.ldb
`,
  );
});

Deno.test("getText() quotes a path for the shell and leaves out what does not apply", () => {
  const text = getText(
    { ...RESULT, path: "/my data/it's.ldb", seq: undefined, alreadyCurrent: true },
    { extract: true },
  );
  assert.ok(!text.includes("\nseq"));
  assert.ok(text.includes("fetched       nothing, already current\n"));
  assert.ok(text.endsWith("mv '/my data/it'\\''s.ldb' ~/Nano/data.ldb\n"));
});

Deno.test("getText() names the archive once, and how to unpack it", () => {
  const path = "/data/nano-ledger-snapshot.7z";
  const text = getText({ ...RESULT, path, archive: path }, { extract: false });
  assert.equal(text.split(path).length, 2);
  assert.match(text, /next {10}nano-snap get --extract/);
});
