// inspect and verify against what other programs have made: archives by 7-Zip, zstd and tar, a torrent by libtorrent,
// a ledger by LMDB's own mdb_load.

import assert from "node:assert/strict";
import { join } from "node:path";
import { flip } from "./damage.ts";
import { ledgerFixture } from "./ledger_fixture.ts";
import { type ProgramResult, runProgram } from "./program.ts";
import { mustRun, need, PYTHON, tempDir } from "./support.ts";

const options = { ignore: need("mdb_load", "7zz", "zstd", "tar", "libtorrent") };
const ROOT = join(import.meta.dirname ?? ".", "..", "..");
/** Some 13 MB. */
const BLOCKS = 20_000;

const TORRENT = `
import libtorrent as lt, sys
storage = lt.file_storage()
lt.add_files(storage, sys.argv[1])
torrent = lt.create_torrent(storage, 65536)
lt.set_piece_hashes(torrent, sys.argv[2])
open(sys.argv[1] + ".torrent", "wb").write(lt.bencode(torrent.generate()))
`;

Deno.test({
  ...options,
  name: "inspect lists archives by 7-Zip, zstd and tar, and reads a torrent by libtorrent",
  fn: async () => {
    await using temp = await tempDir();
    const fixture = await ledgerFixture(BLOCKS);
    const path = temp.join("a.7z");
    Deno.copyFileSync(await fixture.archive("7z"), path);
    const seven = await inspected(path);
    assert.deepEqual([seven.format, seven.all_entries], ["7z", true]);
    assert.match(seven.method, /^LZMA2:/);
    assert.equal(seven.entries.length, 1);
    const [{ name, size, packed_size, crc32 }] = seven.entries;
    assert.deepEqual([name, size], ["data.ldb", fixture.size]);
    assert.ok(packed_size > 0 && packed_size < fixture.size);
    const listed = (await mustRun("7zz", ["l", "-slt", path])).stdout;
    assert.equal(crc32, /^CRC = (\w+)/m.exec(listed)?.[1]);
    // zstd of a file declares its size; tar's header does.
    for (const kind of ["ldb.zst", "tar.zst"] as const) {
      const facts = await inspected(await fixture.archive(kind));
      assert.deepEqual([facts.format, facts.method, facts.all_entries], ["zst", "zstd", false]);
      assert.deepEqual(facts.entries[0].size, fixture.size);
    }
    // A bare tar has a header before each entry, in GNU's form as in POSIX's.
    const long = `${"n".repeat(150)}.txt`;
    Deno.writeTextFileSync(temp.join(long), "some words");
    for (const format of ["gnu", "posix"]) {
      await mustRun("tar", [`--format=${format}`, "-cf", temp.join("a.tar"), "-C", temp.path, "a.7z", long]);
      const facts = await inspected(temp.join("a.tar"));
      assert.deepEqual([facts.format, facts.all_entries], ["tar", true]);
      const entries = facts.entries.map((entry: { name: string; size: number }) => [entry.name, entry.size]);
      assert.deepEqual(entries, [["a.7z", seven.size], [long, 10]]);
    }
    await mustRun(PYTHON, ["-c", TORRENT, path, temp.path]);
    const torrent = await inspected(`${path}.torrent`);
    assert.deepEqual([torrent.kind, torrent.name, torrent.size], ["torrent", "a.7z", seven.size]);
  },
});

Deno.test({
  ...options,
  name: "verify says of damage in each part of an archive what is wrong, by torrent and by checksum",
  fn: async () => {
    await using temp = await tempDir();
    const fixture = await ledgerFixture(BLOCKS);
    for (const kind of ["7z", "tar.zst"] as const) {
      const path = temp.join(`a.${kind}`);
      Deno.copyFileSync(await fixture.archive(kind), path);
      await mustRun(PYTHON, ["-c", TORRENT, path, temp.path]);
      const sound = await verified(path);
      assert.equal(sound.code, 0, sound.stderr);
      assert.deepEqual(sound.results, { pieces: "good", archive: "good" });
      const { size } = Deno.statSync(path);
      // The packed data, and what stands at its end: a list of entries, or a checksum.
      for (const at of [Math.floor(size / 2), size - 3]) {
        flip(path, at);
        const { code, results, checks } = await verified(path);
        assert.equal(code, 4);
        assert.deepEqual(results, { pieces: "bad", archive: "bad" }, `${kind} at ${at}`);
        const piece = Math.floor(at / 65536);
        assert.deepEqual(checks[0].differing, [{
          path,
          begin: piece * 65536,
          end: Math.min((piece + 1) * 65536, size),
          first_piece: piece,
          last_piece: piece,
        }]);
        flip(path, at);
      }
    }
  },
});

Deno.test({
  ...options,
  name: "verify says of a ledger by LMDB what mdb_stat counts, and finds a page that is damaged",
  fn: async () => {
    await using temp = await tempDir();
    const { facts, path: made } = await ledgerFixture(BLOCKS);
    const path = temp.join("data.ldb");
    Deno.copyFileSync(made, path);
    const { code, results, checks } = await verified(path);
    assert.equal(code, 0);
    assert.deepEqual(results, { structure: "good", ledger: "good" });
    const pages = Number(
      /pages used: (\d+)/.exec((await mustRun("mdb_stat", ["-n", "-e", path])).stdout)?.[1],
    );
    assert.ok(checks[0].detail.startsWith(`${pages} pages, 4 tables, `), checks[0].detail);
    assert.equal(
      checks[1].detail,
      `version 24 (node V27.0 or later), ${facts.blockCount} blocks, ${facts.cementedCount} cemented, ` +
        `${facts.accountCount} accounts, live network`,
    );
    flip(path, 100 * 4096);
    const bad = await verified(path);
    assert.equal(bad.code, 4);
    assert.equal(bad.results["structure"], "bad");
    assert.match(bad.checks[0].detail, /page 100 is numbered \d+$/);
  },
});

// deno-lint-ignore no-explicit-any
type Json = any;

async function inspected(path: string): Promise<Json> {
  const { code, stdout, stderr } = await nanoSnap("inspect", path, "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

async function verified(path: string) {
  const { code, stdout, stderr } = await nanoSnap("verify", path, "--json");
  const { checks } = JSON.parse(stdout);
  const results: Record<string, string> = {};
  for (const { check, result } of checks) results[check] = result;
  return { code, stderr, results, checks };
}

function nanoSnap(...words: string[]): Promise<ProgramResult> {
  return runProgram(Deno.execPath(), ["run", "--quiet", "-A", join(ROOT, "main.ts"), ...words], {
    deadlineMs: 120_000,
  });
}
