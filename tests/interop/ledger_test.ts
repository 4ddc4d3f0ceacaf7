// lib/ledger against LMDB itself: files that mdb_load writes, counts that mdb_stat prints.

import assert from "node:assert/strict";
import { VerificationFailed } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { type LedgerFacts, readLedgerFacts } from "../../lib/ledger/facts.ts";
import { LmdbPages } from "../../lib/ledger/lmdb_pages.ts";
import { utf8 } from "../../lib/bytes.ts";
import type { OpenFile } from "../../lib/ports.ts";
import { GENESIS } from "../../lib/ledger/networks.ts";
import { ledgerFixture } from "./ledger_fixture.ts";
import { mustRun, need, PYTHON, tempDir } from "./support.ts";

const options = { ignore: need("mdb_load", "mdb_stat") };
/** Trees of three levels in `blocks`, of two in `accounts`. */
const BLOCKS = 20_000;

Deno.test("GENESIS has the BLAKE2b hash of the open block of each network's key", async () => {
  const program = "import hashlib, sys\n" +
    "for key in sys.argv[1:]: print(hashlib.blake2b(bytes.fromhex(key) * 3, digest_size=32).hexdigest().upper())";
  const { stdout } = await mustRun(PYTHON, ["-c", program, ...GENESIS.map(({ key }) => key)]);
  assert.deepEqual(stdout.trimEnd().split("\n"), GENESIS.map(({ hash }) => hash));
});

Deno.test({
  ...options,
  name: "readLedgerFacts() says what was loaded, and what mdb_stat counts",
  fn: async () => {
    const { path, facts, size } = await ledgerFixture(BLOCKS);
    const read = factsOf(path);
    assert.deepEqual(read, {
      version: facts.version,
      block_count: facts.blockCount,
      account_count: facts.accountCount,
      cemented_count: undefined,
      network: "live",
      page_size: 4096,
      last_transaction: await statNumber(path, ["-e"], "Last transaction ID"),
      size,
      warnings: [],
    });
    assert.equal(read.block_count, await statNumber(path, ["-s", "blocks"], "Entries"));
    assert.equal(read.account_count, await statNumber(path, ["-s", "accounts"], "Entries"));
  },
});

Deno.test({
  ...options,
  name: "readLedgerFacts() reads a few dozen pages, whatever the size",
  fn: async () => {
    for (const blocks of [600, BLOCKS]) {
      const file = systemFiles.open((await ledgerFixture(blocks)).path, "read");
      let reads = 0;
      const counting: OpenFile = Object.assign(Object.create(file), {
        readAt(into: Uint8Array, at: number) {
          reads++;
          assert.ok(into.length <= 4096);
          return file.readAt(into, at);
        },
        facts: () => file.facts(),
      });
      assert.equal(readLedgerFacts(counting).block_count, blocks);
      file.close();
      // Both meta pages, and for each of six look-ups a page per level of its tree.
      assert.ok(reads >= 2 && reads <= 2 + 6 * 3, `${reads} reads`);
    }
  },
});

Deno.test({
  ...options,
  name: "LmdbPages reads every table's record as mdb_stat -a prints it",
  fn: async () => {
    const { path } = await ledgerFixture(BLOCKS);
    const stat = (await mustRun("mdb_stat", ["-n", "-a", path])).stdout;
    const blocks = [...stat.matchAll(/^Status of (.+)\n((?: {2}.+\n?)+)/gm)];
    const file = systemFiles.open(path, "read");
    try {
      const pages = new LmdbPages(file);
      const names = blocks.map(([, name]) => name!);
      assert.deepEqual(names, ["Main DB", "accounts", "blocks", "confirmation_height", "meta"]);
      for (const [, name, lines] of blocks) {
        const record = name === "Main DB" ? pages.meta.main : pages.table(utf8(name!));
        assert.deepEqual(
          {
            "Tree depth": record?.depth,
            "Branch pages": record?.branchPages,
            "Leaf pages": record?.leafPages,
            "Overflow pages": record?.overflowPages,
            "Entries": record?.entries,
          },
          Object.fromEntries(
            [...lines!.matchAll(/^ {2}(.+): (\d+)$/gm)].map(([, key, n]) => [key, Number(n)]),
          ),
          name,
        );
      }
    } finally {
      file.close();
    }
  },
});

Deno.test({
  ...options,
  name: "readLedgerFacts() takes an LMDB file that is no ledger, empty ones too, and says so",
  fn: async () => {
    await using temp = await tempDir();
    const path = temp.join("plain.ldb");
    const header = "VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=1073741824\nHEADER=END\n";
    const records = Array.from({ length: 5000 }, (_, i) => {
      const key = (BigInt(i) * 0x9e3779b97f4a7c15n % 2n ** 64n).toString(16).padStart(16, "0");
      return ` ${key.repeat(4)}\n ${key.repeat(40)}\n`;
    });
    for (const text of ["", records.join("")]) {
      await mustRun("mdb_load", ["-n", path], { stdin: `${header}${text}DATA=END\n` });
      const facts = factsOf(path);
      assert.equal(facts.version, undefined);
      assert.equal(facts.block_count, undefined);
      assert.equal(facts.network, "unknown");
      assert.match(facts.warnings.join("\n"), /no ledger of a Nano node/);
    }
  },
});

Deno.test({
  ...options,
  name: "readLedgerFacts() warns of a cut, and fails where a page it needs is missing",
  fn: async () => {
    await using temp = await tempDir();
    const path = temp.join("data.ldb");
    Deno.copyFileSync((await ledgerFixture(BLOCKS)).path, path);
    const whole = factsOf(path);
    Deno.truncateSync(path, whole.size - 4096); // a page of `blocks` that the walk does not need
    const cut = factsOf(path);
    assert.deepEqual({ ...cut, size: whole.size, warnings: [] }, whole);
    assert.match(
      cut.warnings.join("\n"),
      new RegExp(`has ${cut.size} bytes, its last page ends at ${whole.size}`),
    );
    Deno.truncateSync(path, 3 * 4096);
    assert.throws(() => factsOf(path), (error: unknown) => {
      return error instanceof VerificationFailed && /page \d+ lies after its end/.test(error.message);
    });
    Deno.truncateSync(path, whole.size);
    assert.throws(() => factsOf(path), /page \d+ is damaged/); // zeros where pages were
  },
});

Deno.test({
  ...options,
  name: "readLedgerFacts() ends in facts or in one error whatever byte is changed",
  fn: async () => {
    await using temp = await tempDir();
    const path = temp.join("data.ldb");
    Deno.copyFileSync((await ledgerFixture(600)).path, path);
    const original = Deno.readFileSync(path);
    const file = Deno.openSync(path, { write: true });
    const put = (at: number, bytes: Uint8Array) => {
      file.seekSync(at, Deno.SeekMode.Start);
      file.writeSync(bytes);
    };
    // Each byte of the meta pages' and the last pages' headers, and of the first nodes, in two ways.
    const pages = [0, 1, ...Array.from({ length: 12 }, (_, i) => original.length / 4096 - 12 + i)];
    let refused = 0;
    for (const page of pages) {
      for (let i = 0; i < 160; i++) {
        const at = page * 4096 + i;
        for (const value of [original[at]! ^ 0xff, original[at]! ^ 0x01]) {
          put(at, new Uint8Array([value]));
          try {
            factsOf(path);
          } catch (error) {
            assert.ok(error instanceof VerificationFailed, String(error));
            refused++;
          }
        }
        put(at, original.subarray(at, at + 1));
      }
    }
    file.close();
    assert.ok(refused > 50, `${refused} of the changes were noticed`);
    assert.deepEqual(factsOf(path).warnings, []);
  },
});

function factsOf(path: string): LedgerFacts {
  const file = systemFiles.open(path, "read");
  try {
    return readLedgerFacts(file);
  } finally {
    file.close();
  }
}

async function statNumber(path: string, args: string[], what: string): Promise<number> {
  const { stdout } = await mustRun("mdb_stat", ["-n", ...args, path]);
  const line = stdout.split("\n").findLast((text) => text.trim().startsWith(`${what}:`));
  assert.ok(line !== undefined, `mdb_stat says nothing of "${what}":\n${stdout}`);
  return Number(line.split(":")[1]);
}
