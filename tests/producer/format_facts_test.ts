import assert from "node:assert/strict";
import { VerificationFailed } from "../../lib/errors.ts";
import type { OpenFile } from "../../lib/ports.ts";
import { readFormatFacts } from "../../lib/producer/format_facts.ts";
import { fileOf, leafPage, metaPage, PAGE, record } from "../ledger/lmdb_builder.ts";
import { utf8 } from "../../lib/bytes.ts";

/** Facts, and the sentences that came with them. */
function read(file: OpenFile) {
  const warnings: string[] = [];
  const facts = readFormatFacts(file, (text) => warnings.push(text));
  return { json: JSON.stringify(facts), warnings };
}

function headed(...head: number[]): OpenFile {
  const page = new Uint8Array(PAGE);
  page.set(head);
  return fileOf(page, page);
}

Deno.test("readFormatFacts() says of an archive what it is and how long, and no more", () => {
  const cases: [string, OpenFile][] = [
    ["7z", headed(0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c)],
    ["zst", headed(0x28, 0xb5, 0x2f, 0xfd)],
    ["gz", headed(0x1f, 0x8b, 0x08)],
  ];
  for (const [format, file] of cases) {
    assert.deepEqual(read(file), { json: `{"format":"${format}","size":${2 * PAGE}}`, warnings: [] });
  }
});

Deno.test("readFormatFacts() says the size alone of what it does not know, and that it does not", () => {
  const { json, warnings } = read(headed(1, 2, 3));
  assert.equal(json, `{"size":${2 * PAGE}}`);
  assert.deepEqual(warnings, [
    "data.ldb is no archive or ledger that nano-snap can read: only its size is recorded",
  ]);
});

Deno.test("readFormatFacts() says of a ledger its version, counts and last transaction, always in one order", () => {
  const key = new Uint8Array(32).fill(1, 31);
  const version = new Uint8Array(32).fill(24, 31);
  const main = leafPage(2, [
    { key: utf8("accounts"), data: record({ depth: 1, entries: 99, root: 3 }), flags: 2 },
    { key: utf8("blocks"), data: record({ depth: 1, entries: 1234, root: 3 }), flags: 2 },
    { key: utf8("meta"), data: record({ depth: 1, entries: 1, root: 4 }), flags: 2 },
  ]);
  const blocks = leafPage(3, [{ key: new Uint8Array(32), data: utf8("block") }]);
  const head = metaPage({ txn: 7, lastPage: 4, main: { depth: 1, entries: 3, root: 2 } });
  const ledger = fileOf(head, head, main, blocks, leafPage(4, [{ key, data: version }]));
  const { json, warnings } = read(ledger);
  assert.equal(
    json,
    `{"format":"ldb","size":${5 * PAGE},"ledger_version":24,"block_count":1234,"account_count":99,` +
      `"last_transaction":7}`,
  );
  assert.deepEqual(warnings, []);
});

Deno.test("readFormatFacts() leaves out what an LMDB file that is no ledger does not have", () => {
  const meta = metaPage({ lastPage: 1, main: { depth: 0, root: undefined } });
  const { json, warnings } = read(fileOf(meta, meta));
  assert.equal(json, `{"format":"ldb","size":${2 * PAGE},"last_transaction":1}`);
  assert.match(warnings[0]!, /no ledger of a Nano node/);
});

Deno.test("readFormatFacts() refuses a ledger whose pages are missing", () => {
  const head = metaPage({ lastPage: 9, main: { depth: 1, entries: 3, root: 8 } });
  assert.throws(() => read(fileOf(head, head)), VerificationFailed);
});
