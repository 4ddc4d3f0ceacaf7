import assert from "node:assert/strict";
import { parseHex, utf8 } from "../../lib/bytes.ts";
import { readLedgerFacts } from "../../lib/ledger/facts.ts";
import type { OpenFile } from "../../lib/ports.ts";
import { fileOf, leafPage, metaPage, PAGE, record } from "./lmdb_builder.ts";

const GENESIS = parseHex("991CF190094C00F0B68E2E5F75F6BEE95A2E0BD93CEAA4A6734DB9F19B728948")!;

Deno.test("readLedgerFacts() reads version, counts and network from the node's tables", () => {
  assert.deepEqual(readLedgerFacts(ledger({})), {
    version: 24,
    block_count: 1234 + 66,
    account_count: 99,
    cemented_count: undefined,
    network: "live",
    page_size: PAGE,
    last_transaction: 7,
    size: 5 * PAGE,
    warnings: [],
  });
});

Deno.test("readLedgerFacts() tells the network by the genesis block, and is not sure without", () => {
  for (const [hash, network] of GENESIS_BLOCKS) {
    assert.equal(readLedgerFacts(ledger({ genesis: parseHex(hash)! })).network, network);
  }
  assert.equal(readLedgerFacts(ledger({ genesis: new Uint8Array(32) })).network, "unknown");
});

/** As nodes of those networks give them when asked for `version`. */
const GENESIS_BLOCKS = [
  ["991CF190094C00F0B68E2E5F75F6BEE95A2E0BD93CEAA4A6734DB9F19B728948", "live"],
  ["E1227CF974C1455A8B630433D94F3DDBF495EEAC9ADD2481A4A1D90A0D00F488", "beta"],
  ["01A92459E69440D5C1088D3B31F4CA678BE944BAB3776C2E6B7665E9BD99BD5A", "beta"],
  ["B1D60C0B886B57401EF5A1DAA04340E53726AA6F4D706C085706F31BBD100CEE", "test"],
  ["04270D7F11C4B2B472F2854C5A59F2A7E84226CE9ED799DE75744BD7D85FC9D9", "dev"],
] as const;

Deno.test("readLedgerFacts() warns of a file that is shorter than it says", () => {
  const facts = readLedgerFacts(ledger({ lastPage: 9 }));
  assert.equal(facts.version, 24);
  assert.deepEqual(facts.warnings, [`data.ldb has ${5 * PAGE} bytes, its last page ends at ${10 * PAGE}`]);
});

Deno.test("readLedgerFacts() refuses a version that is no small number", () => {
  const huge = new Uint8Array(32).fill(1);
  assert.throws(() => readLedgerFacts(ledger({ version: huge })), /its version is no small number/);
  assert.throws(() => readLedgerFacts(ledger({ version: new Uint8Array(31) })), /no small number/);
});

Deno.test("readLedgerFacts() takes an empty LMDB file as no ledger", () => {
  const meta = metaPage({ lastPage: 1, main: { depth: 0, root: undefined } });
  const facts = readLedgerFacts(fileOf(meta, meta));
  assert.deepEqual([facts.version, facts.block_count, facts.account_count], [
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(facts.warnings, ["data.ldb is an LMDB file but no ledger of a Nano node"]);
});

/** Version 24, two blocks tables, one account table, one leaf each. */
function ledger(changes: { genesis?: Uint8Array; version?: Uint8Array; lastPage?: number }): OpenFile {
  const key = new Uint8Array(32);
  key[31] = 1;
  const version = new Uint8Array(32);
  version[31] = 24;
  const main = leafPage(2, [
    { key: utf8("accounts"), data: record({ depth: 1, entries: 99, root: 3 }), flags: 2 },
    { key: utf8("blocks"), data: record({ depth: 1, entries: 1234, root: 3 }), flags: 2 },
    { key: utf8("meta"), data: record({ depth: 1, entries: 1, root: 4 }), flags: 2 },
    { key: utf8("pruned"), data: record({ depth: 1, entries: 66, root: 3 }), flags: 2 },
  ]);
  const blocks = leafPage(3, [{ key: changes.genesis ?? GENESIS, data: utf8("block") }]);
  const meta = leafPage(4, [{ key, data: changes.version ?? version }]);
  const head = metaPage({ txn: 7, lastPage: changes.lastPage ?? 4, main: { depth: 1, entries: 4, root: 2 } });
  return fileOf(head, head, main, blocks, meta);
}
