// lib/extract against the programs that people pack with: every kind round-trips a real LMDB ledger, and every
// archive that lies, climbs or breaks is refused, with the data.ldb that was there untouched.

import assert from "node:assert/strict";
import { join } from "node:path";
import zlib from "node:zlib";
import { concatBytes } from "../../lib/bytes.ts";
import { NotEnoughSpace, VerificationFailed } from "../../lib/errors.ts";
import type { Extracted } from "../../lib/extract/extractor.ts";
import { placeLedger } from "../../lib/extract/place.ts";
import { WorkerExtractor } from "../../lib/io/extract_client.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { overwriting } from "./damage.ts";
import { type LedgerFixture, ledgerFixture } from "./ledger_fixture.ts";
import { mustRun, need, sha256OfFile, type TempDir, tempDir } from "./support.ts";

/** 3.7 MB of pages: several blocks of each compressor, and still fast. */
const BLOCKS = 6000;
const OLD_LEDGER = "the ledger that was there";
const options = { ignore: need("mdb_load", "7zz", "zstd", "tar") };

/** What packs the ledger as what: one shell line, in a folder that holds data.ldb, into `archive`. */
const KINDS: Record<string, { format: Extracted["format"]; pack: string }> = {
  "7z, LZMA2": { format: "7z", pack: "7zz a -mx=3 a.7z data.ldb && mv a.7z archive" },
  "7z, stored, header not packed": {
    format: "7z",
    pack: "7zz a -mx=0 -mhc=off a.7z data.ldb && mv a.7z archive",
  },
  "7z, PPMd, no mode bits": {
    format: "7z",
    pack: "7zz a -m0=PPMd -mtr=off a.7z data.ldb && mv a.7z archive",
  },
  "GNU tar": { format: "tar", pack: "tar --format=gnu -cf archive data.ldb" },
  "ustar with ./": { format: "tar", pack: "tar --format=ustar -cf archive ./data.ldb" },
  "pax tar in gzip": { format: "tar.gz", pack: "tar --format=pax -czf archive ./data.ldb" },
  "tar in zstd": { format: "tar.zst", pack: "tar -cf - data.ldb | zstd -q -19 -o archive" },
  "zstd, long window": { format: "ldb.zst", pack: "zstd -q --long=27 data.ldb -o archive" },
  "zstd without a size, no checksum": { format: "ldb.zst", pack: "zstd -q --no-check < data.ldb > archive" },
  "zstd, three frames": {
    format: "ldb.zst",
    pack: "split -n 3 data.ldb part. && for p in part.*; do zstd -q -c $p; done > archive",
  },
  "gzip": { format: "ldb.gz", pack: "gzip -1 -c data.ldb > archive" },
  "nothing at all": { format: "ldb", pack: "cp data.ldb archive" },
};

for (const [name, { format, pack }] of Object.entries(KINDS)) {
  Deno.test({
    ...options,
    name: `extract() round-trips a real ledger: ${name}`,
    fn: async () => {
      await using stage = await Stage.open();
      await stage.shell(pack);
      const extracted = await stage.extract();
      assert.equal(extracted.format, format);
      assert.equal(extracted.size, stage.ledger.size);
      assert.equal(sha256OfFile(extracted.path), stage.ledger.sha256);
      assert.equal(Deno.readTextFileSync(stage.target), OLD_LEDGER);
      const path = placeLedger(systemFiles, { partial: extracted.path, folder: stage.into });
      assert.equal(path, stage.target);
      assert.equal(sha256OfFile(path), stage.ledger.sha256);
      assert.deepEqual(stage.left(), ["data.ldb"]);
    },
  });
}

/** Archives that must be refused with exit code 4: how they are made, and what the refusal says. */
const HOSTILE: Record<string, { make: string; why: RegExp }> = {
  "7z with ..": {
    make: seven("7zz rn a.7z data.ldb ../data.ldb"),
    why: /"\.\.\/data\.ldb" leads out of its folder/,
  },
  "7z with an absolute name": {
    make: seven("7zz rn a.7z data.ldb /tmp/data.ldb"),
    why: /"\/tmp\/data\.ldb" has an absolute name/,
  },
  "7z with another name": {
    make: seven("7zz rn a.7z data.ldb wallets.ldb"),
    why: /"wallets\.ldb" is not data\.ldb/,
  },
  "7z with a folder": {
    make: seven("7zz rn a.7z data.ldb x/data.ldb"),
    why: /"x\/data\.ldb" is not data\.ldb/,
  },
  "7z with a control character": {
    make: "cp data.ldb $'da\\nta' && 7zz a a.7z $'da\\nta' && mv a.7z archive",
    why: /is not data\.ldb/,
  },
  "7z with a second member": {
    make: seven("echo hi > readme && 7zz a a.7z readme"),
    why: /"readme" is not data\.ldb/,
  },
  "7z with ten thousand members": {
    make: "mkdir many && (cd many && seq 10000 | xargs touch) && 7zz a -mx=1 a.7z many && mv a.7z archive",
    why: /more than one entry/,
  },
  "7z with a symbolic link": {
    make:
      "mkdir l && ln -s /etc/passwd l/data.ldb && cd l && 7zz a -snl ../a.7z data.ldb && mv ../a.7z ../archive",
    why: /"data\.ldb" is a link/,
  },
  "7z with a folder of that name": {
    make: "mkdir -p d/data.ldb && cd d && 7zz a ../a.7z data.ldb && mv ../a.7z ../archive",
    why: /"data\.ldb" is a directory/,
  },
  "7z, encrypted": { make: "7zz a -psecret a.7z data.ldb && mv a.7z archive", why: /it is encrypted/ },
  "7z, header encrypted": {
    make: "7zz a -psecret -mhe=on a.7z data.ldb && mv a.7z archive",
    why: /it is encrypted/,
  },
  "7z, cut": { make: seven("truncate -s -1000 a.7z"), why: /cut short: \d+ of \d+ bytes/ },
  "7z, byte flipped in the data": {
    make: seven(overwriting("a.7z", 1_000_000)),
    why: /checksum|data is damaged/,
  },
  "7z, byte flipped in stored data": {
    make: `7zz a -mx=0 a.7z data.ldb && ${overwriting("a.7z", 1_000_000)} && mv a.7z archive`,
    why: /does not match the checksum in it/,
  },
  "7z, byte flipped in the header": {
    make: seven(overwriting("a.7z", "$(($(stat -c %s a.7z) - 40))")),
    why: /header is damaged|cannot be read|refuses it/,
  },
  "7z with bytes after it": { make: seven("echo garbage >> a.7z"), why: /8 bytes after its end/ },
  "7z with an empty ledger": {
    make: "rm data.ldb; touch data.ldb; 7zz a a.7z data.ldb && mv a.7z archive",
    why: /is empty/,
  },
  "7z without a member": { make: seven("7zz d a.7z data.ldb"), why: /holds no entry|cut short/ },
  "7z with what is no ledger": {
    make: "head -c 100000 /dev/urandom > data.ldb && 7zz a a.7z data.ldb && mv a.7z archive",
    why: /no LMDB file/,
  },
  "tar with ..": {
    make: "mkdir x && cd x && tar -P -cf ../archive ../data.ldb",
    why: /leads out of its folder/,
  },
  "tar with an absolute name": { make: "tar -P -cf archive $PWD/data.ldb", why: /has an absolute name/ },
  "tar with a symbolic link": {
    make: "mkdir l && ln -s /etc/passwd l/data.ldb && tar -C l -cf archive data.ldb",
    why: /"data\.ldb" is a link/,
  },
  "tar with a hard link": {
    make: "mkdir l && ln data.ldb l/data.ldb && cp data.ldb l/first && ln -f l/first l/data.ldb && cd l && " +
      "tar --transform s/first/data.ldb/ -cf ../archive first data.ldb",
    why: /more than one entry/,
  },
  "tar with a pipe": {
    make: "mkdir l && mkfifo l/data.ldb && tar -C l -cf archive data.ldb",
    why: /is a special/,
  },
  "tar with its folder": {
    make: "mkdir l && cp data.ldb l && tar -C l -cf archive .",
    why: /is not data\.ldb/,
  },
  "tar with a second member": {
    make: "touch readme && tar -cf archive data.ldb readme",
    why: /also "readme"/,
  },
  "tar with a sparse file, GNU": {
    make: "truncate -s 1G data.ldb && tar --format=gnu -S -cf archive data.ldb",
    why: /is a special/,
  },
  "tar with a sparse file, pax": {
    make: "truncate -s 1G data.ldb && tar --format=pax -S -cf archive data.ldb",
    why: /sparse file/,
  },
  "tar, cut": { make: "tar -cf archive data.ldb && truncate -s 1000000 archive", why: /ends too early/ },
  "tar.zst, cut": {
    make: "tar -cf - data.ldb | zstd -q -o archive && truncate -s -5 archive",
    why: /ends too early/,
  },
  "tar.gz, cut": { make: "tar -czf archive data.ldb && truncate -s 1000000 archive", why: /ends too early/ },
  "ldb.zst, byte flipped": {
    make: `zstd -q data.ldb -o archive && ${overwriting("archive", 1_000_000)}`,
    why: /zstd stream/,
  },
  "ldb.gz, byte flipped": {
    make: `gzip -1 -c data.ldb > archive && ${overwriting("archive", 1_000_000)}`,
    why: /gzip stream/,
  },
  "ldb.zst with bytes after it": {
    make: "zstd -q data.ldb -o archive && echo garbage >> archive",
    why: /where one must begin/,
  },
  "zstd with a window of 2 GiB": {
    make: "zstd -q --ultra -20 --long=31 < data.ldb > archive",
    why: /window is 2048 MiB, more than the 128 MiB/,
  },
  "zstd of zeros without end": {
    make: "head -c 2G /dev/zero | zstd -q > archive",
    why: /neither a tar nor an LMDB/,
  },
  "zstd in zstd": { make: "zstd -q -c data.ldb | zstd -q > archive", why: /neither a tar nor an LMDB/ },
  "a zip": { make: "7zz a a.zip data.ldb && mv a.zip archive", why: /it is none of \.7z/ },
  "an empty file": { make: "touch archive", why: /it is empty/ },
};

for (const [name, { make, why }] of Object.entries(HOSTILE)) {
  Deno.test({
    ...options,
    name: `extract() refuses and leaves nothing: ${name}`,
    fn: async () => {
      await using stage = await Stage.open();
      await stage.shell(make);
      await stage.refused(VerificationFailed, why);
    },
  });
}

Deno.test({
  ...options,
  name: "extract() refuses a 7z that declares less or more than it holds",
  fn: async () => {
    for (
      const [declare, error, why] of [
        [(size: number) => size - 1, VerificationFailed, /checksum|damaged/],
        [(size: number) => size + 1, VerificationFailed, /checksum|damaged|too early/],
        [() => 2 ** 50, NotEnoughSpace, /needs .* must stay free, has/],
      ] as const
    ) {
      await using stage = await Stage.open();
      await stage.shell("7zz a -mx=1 -mhc=off a.7z data.ldb && mv a.7z archive");
      const archive = Deno.readFileSync(stage.archive);
      const { size } = stage.ledger;
      Deno.writeFileSync(stage.archive, redeclared(archive, { from: size, to: declare(size) }));
      await stage.refused(error, why);
    }
  },
});

Deno.test({
  ...options,
  name: "extract() stops when it is asked to, and leaves nothing",
  fn: async () => {
    await using stage = await Stage.open();
    await stage.shell("7zz a -mx=1 a.7z data.ldb && mv a.7z archive");
    const stopping = new AbortController();
    const reason = new Error("enough");
    const stopped = new WorkerExtractor().extract({
      archive: stage.archive,
      into: stage.into,
      signal: stopping.signal,
      onProgress: () => stopping.abort(reason), // runs only if this thread is free while the Worker decodes
    });
    await assert.rejects(stopped, reason);
    assert.deepEqual(stage.left(), ["data.ldb"]);
    await assert.rejects(stage.extract(AbortSignal.abort(reason)), reason);
  },
});

Deno.test({
  ...options,
  name: "extract() names the folder or the archive that cannot be used, with exit code 6",
  fn: async () => {
    await using stage = await Stage.open();
    await stage.shell("cp data.ldb archive");
    const extractor = new WorkerExtractor();
    const missing = join(stage.into, "missing");
    for (
      const request of [{ archive: missing, into: stage.into }, { archive: stage.archive, into: missing }]
    ) {
      await assert.rejects(extractor.extract(request), (error: { exitCode?: number; message: string }) => {
        return error.exitCode === 6 && error.message.includes(missing);
      });
    }
  },
});

Deno.test({
  ...options,
  name: "extract() does not write through a link left under the partial's name",
  fn: async () => {
    await using stage = await Stage.open();
    await stage.shell(
      "cp data.ldb archive && echo precious > victim && ln -s ../victim into/data.ldb.partial",
    );
    const { path } = await stage.extract();
    assert.equal(sha256OfFile(path), stage.ledger.sha256);
    assert.equal(Deno.readTextFileSync(stage.temp.join("victim")), "precious\n");
  },
});

Deno.test({
  ...options,
  name: "extract() works in a program of its own, started in another folder",
  fn: async () => {
    await using stage = await Stage.open();
    await stage.shell("7zz a -mx=1 a.7z data.ldb && mv a.7z archive");
    const program = join(import.meta.dirname ?? ".", "extract_main.ts");
    const run = await mustRun(Deno.execPath(), ["run", "-A", "--quiet", program, stage.archive, stage.into], {
      cwd: stage.temp.path,
    });
    const { path, format } = JSON.parse(run.stdout) as Extracted;
    assert.equal(format, "7z");
    assert.equal(sha256OfFile(path), stage.ledger.sha256);
  },
});

/** A folder with the ledger as `data.ldb`, and `into/` with an old one. */
class Stage implements AsyncDisposable {
  private constructor(readonly temp: TempDir, readonly ledger: LedgerFixture) {}

  static async open(): Promise<Stage> {
    const [temp, ledger] = await Promise.all([tempDir(), ledgerFixture(BLOCKS)]);
    Deno.copyFileSync(ledger.path, temp.join("data.ldb"));
    Deno.mkdirSync(temp.join("into"));
    Deno.writeTextFileSync(temp.join("into", "data.ldb"), OLD_LEDGER);
    return new Stage(temp, ledger);
  }

  get archive(): string {
    return this.temp.join("archive");
  }
  get into(): string {
    return this.temp.join("into");
  }
  get target(): string {
    return this.temp.join("into", "data.ldb");
  }

  async shell(line: string): Promise<void> {
    await mustRun("bash", ["-c", `set -e -o pipefail; ${line}`], { cwd: this.temp.path });
  }

  async extract(signal?: AbortSignal): Promise<Extracted> {
    const request = { archive: this.archive, into: this.into };
    return await new WorkerExtractor().extract(signal === undefined ? request : { ...request, signal });
  }

  left(): string[] {
    return [...Deno.readDirSync(this.into)].map((entry) => entry.name).sort();
  }

  async refused(
    kind: typeof VerificationFailed | typeof NotEnoughSpace,
    why: RegExp,
  ): Promise<void> {
    await assert.rejects(this.extract(), (error: unknown) => {
      assert.ok(error instanceof kind, String(error));
      assert.match(error.message, why);
      return true;
    });
    assert.equal(Deno.readTextFileSync(this.target), OLD_LEDGER);
    assert.deepEqual(this.left(), ["data.ldb"]);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.temp[Symbol.asyncDispose]();
  }
}

/** A .7z of the ledger, changed by a shell line. */
function seven(change: string): string {
  return `7zz a -mx=1 a.7z data.ldb && ${change} && mv a.7z archive`;
}

/** The same .7z, its header (not packed) declaring another size for the file, with the checksums put right. */
function redeclared(archive: Uint8Array, size: { from: number; to: number }): Uint8Array {
  const view = new DataView(archive.buffer, archive.byteOffset);
  const headerAt = 32 + Number(view.getBigUint64(12, true));
  const header = archive.subarray(headerAt);
  const [from, to] = [sevenZipNumber(size.from), sevenZipNumber(size.to)];
  const at = header.findIndex((_, i) => from.every((byte, j) => header[i + j] === byte));
  assert.ok(at > 0, "the header holds the size");
  const changed = concatBytes(header.subarray(0, at), to, header.subarray(at + from.length));
  const start = archive.slice(0, 32);
  const startView = new DataView(start.buffer);
  startView.setBigUint64(20, BigInt(changed.length), true);
  startView.setUint32(28, zlib.crc32(changed), true);
  startView.setUint32(8, zlib.crc32(start.subarray(12)), true);
  return concatBytes(start, archive.subarray(32, headerAt), changed);
}

/** 7-Zip's NUMBER: as many leading one bits as there are bytes after the first, then the value's high bits. */
function sevenZipNumber(value: number): Uint8Array {
  if (value >= 2 ** 28) {
    const bytes = new Uint8Array(9);
    bytes[0] = 0xff;
    new DataView(bytes.buffer).setBigUint64(1, BigInt(value), true);
    return bytes;
  }
  assert.ok(value >= 2 ** 21, "four bytes");
  return new Uint8Array([0xe0 | (value >> 24), value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff]);
}
