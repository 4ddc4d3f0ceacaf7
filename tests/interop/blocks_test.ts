// A .7z that was packed by several threads is decoded by several: 7-Zip's own archives, in blocks and in one, of every
// shape. What comes out is the same; what is damaged, stopped or does not fit leaves nothing. That a second thread is at
// work shows where the first one cannot go on.

import assert from "node:assert/strict";
import { join } from "node:path";
import { NotEnoughSpace, VerificationFailed } from "../../lib/errors.ts";
import type { Extracted, ExtractRequest } from "../../lib/extract/extractor.ts";
import { PieceGate } from "../../lib/extract/gate.ts";
import { WorkerTester } from "../../lib/io/archive_test_client.ts";
import { WorkerExtractor } from "../../lib/io/extract_client.ts";
import { type LedgerFixture, ledgerFixture } from "./ledger_fixture.ts";
import { cannotMount, mountSmallDisk } from "./small_disk.ts";
import { mustRun, need, sha256OfFile, type TempDir, tempDir, within } from "./support.ts";

/** 5 MB of pages: 7-Zip makes some 10 blocks of them. */
const BLOCKS = 8000;
const MIB = 1 << 20;
const IN_BLOCKS = "7zz a -mx=1 -m0=lzma2:d=128k:c=512k -mmt=4 a.7z data.ldb";
const options = { ignore: need("mdb_load", "7zz") };

/** A folder with the ledger as `data.ldb`, and `into/`. */
class Scene implements AsyncDisposable {
  private constructor(readonly temp: TempDir, readonly ledger: LedgerFixture) {}

  static async open(pack: string): Promise<Scene> {
    const [temp, ledger] = await Promise.all([tempDir(), ledgerFixture(BLOCKS)]);
    Deno.copyFileSync(ledger.path, temp.join("data.ldb"));
    Deno.mkdirSync(temp.join("into"));
    await mustRun("bash", ["-c", `set -e; ${pack}`], { cwd: temp.path });
    return new Scene(temp, ledger);
  }

  get archive(): string {
    return this.temp.join("a.7z");
  }
  get into(): string {
    return this.temp.join("into");
  }

  async extract(more: Partial<ExtractRequest> = {}, threads = 3, leastBytes = MIB / 4): Promise<Extracted> {
    return await new WorkerExtractor(threads, leastBytes).extract({
      archive: this.archive,
      into: this.into,
      ...more,
    });
  }

  assertWhole(extracted: Extracted): void {
    assert.deepEqual([extracted.format, extracted.size], ["7z", this.ledger.size]);
    assert.equal(sha256OfFile(extracted.path), this.ledger.sha256);
  }

  assertNothingLeft(): void {
    assert.deepEqual([...Deno.readDirSync(this.into)].map(({ name }) => name), []);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.temp[Symbol.asyncDispose]();
  }
}

/** Shell lines that pack data.ldb into a.7z. */
const SHAPES: Record<string, string> = {
  "blocks": IN_BLOCKS,
  "blocks, and a stored one": "head -c 3M /dev/urandom >> data.ldb && " + IN_BLOCKS,
  "blocks longer than the threads' parts": "7zz a -mx=1 -m0=lzma2:d=1m:c=2m -mmt=3 a.7z data.ldb",
  "blocks, header not packed": `${IN_BLOCKS} -mhc=off`,
  "blocks, an odd dictionary": "7zz a -mx=1 -m0=lzma2:d=1536k:c=2m -mmt=4 a.7z data.ldb",
  "one block": "7zz a -mx=1 -mmt=1 a.7z data.ldb",
  "a filter before LZMA2": "7zz a -mx=1 -m0=BCJ -m1=lzma2:d=128k:c=512k -mmt=4 a.7z data.ldb",
  "a delta before LZMA2": "7zz a -mx=1 -m0=Delta:4 -m1=lzma2:d=128k:c=512k -mmt=4 a.7z data.ldb",
  "LZMA": "7zz a -m0=lzma -mx=1 a.7z data.ldb",
  "stored": "7zz a -mx=0 a.7z data.ldb",
  "LZMA2, stored": "head -c 3M /dev/urandom > tail && truncate -s 64K data.ldb && cat tail >> data.ldb && " +
    IN_BLOCKS,
};

for (const [name, pack] of Object.entries(SHAPES)) {
  Deno.test({
    ...options,
    name: `extract() with three threads gives what is in a 7z: ${name}`,
    async fn() {
      await using scene = await Scene.open(pack);
      const sha256 = sha256OfFile(scene.temp.join("data.ldb"));
      const told: number[] = [];
      const extracted = await scene.extract({ onProgress: (done) => told.push(done) });
      assert.equal(sha256OfFile(extracted.path), sha256);
      assert.equal(told.at(-1), extracted.size);
      assert.deepEqual(told, told.toSorted((a, b) => a - b), "it never goes back");
    },
  });
}

Deno.test({
  ...options,
  name: "extract() gives the same with any number of threads, and parts of any length",
  async fn() {
    await using scene = await Scene.open(IN_BLOCKS);
    for (const [threads, leastBytes] of [[1, 1], [2, 1], [8, 1], [8, MIB], [20, 100 * MIB]] as const) {
      scene.assertWhole(await scene.extract({}, threads, leastBytes));
    }
  },
});

Deno.test({
  ...options,
  name:
    "WorkerTester tries a 7z of blocks with several threads: the same size, the same faults, nothing written",
  async fn() {
    await using scene = await Scene.open(IN_BLOCKS);
    const before = [...Deno.readDirSync(scene.temp.path)].map(({ name }) => name);
    const test = (threads: number) =>
      new WorkerTester(threads, MIB / 4).test({
        archive: scene.archive,
        signal: new AbortController().signal,
        onProgress: () => {},
      });
    for (const threads of [1, 3]) {
      assert.deepEqual(await test(threads), { format: "7z", size: scene.ledger.size });
    }
    const bytes = Deno.readFileSync(scene.archive);
    const middle = bytes.length >> 1;
    bytes[middle] = bytes[middle]! ^ 1;
    Deno.writeFileSync(scene.archive, bytes);
    for (const threads of [1, 3]) await assert.rejects(test(threads), VerificationFailed);
    assert.deepEqual([...Deno.readDirSync(scene.temp.path)].map(({ name }) => name), before);
    assert.deepEqual([...Deno.readDirSync(scene.into)], []);
  },
});

/** A piece of 4 KiB in the second half of the first block in which no chunk begins: only who decodes needs it. */
function pieceOfData(archive: Uint8Array): number {
  const headers: number[] = [];
  let at = 32;
  do {
    const control = archive[at]!;
    headers.push(at);
    const size = (i: number) => archive[at + i]! << 8 | archive[at + i + 1]!;
    at += control < 0x80 ? 3 + size(1) + 1 : (control >= 0xc0 ? 6 : 5) + size(3) + 1;
  } while (archive[at] !== 0x01 && archive[at]! < 0xe0);
  // Whoever looks at a header reads a page from there on, as far as it is here.
  for (let piece = Math.ceil(at * 0.6 / PIECE); (piece + 1) * PIECE < at; piece++) {
    if (headers.every((header) => Math.abs(header - (piece + 0.5) * PIECE) > 3 * PIECE)) return piece;
  }
  throw new Error("the first block has a header everywhere");
}

const PIECE = 4096;

Deno.test({
  ...options,
  name: "extract() goes on behind a block whose piece has not come",
  async fn() {
    await using scene = await Scene.open(IN_BLOCKS);
    const archive = Deno.readFileSync(scene.archive);
    const missing = pieceOfData(archive);
    const count = Math.ceil(archive.length / PIECE);
    const gate = PieceGate.make({ size: archive.length, pieceLength: PIECE, tailFrom: (count - 8) * PIECE });
    gate.open(Array.from({ length: count }, (_, piece) => piece).filter((piece) => piece !== missing));
    const partial = join(scene.into, "data.ldb.partial");
    const end = new Uint8Array(4096);
    using whole = Deno.openSync(scene.ledger.path);
    whole.seekSync(-end.length, Deno.SeekMode.End);
    whole.readSync(end);
    using watcher = Deno.watchFs(scene.into);
    const extracting = scene.extract({ gate });
    const endIsThere = async () => {
      for await (const _ of watcher) {
        if (
          await lastPage(partial, scene.ledger.size).then((page) => page?.every((byte, i) => byte === end[i]))
        ) return;
      }
    };
    await within(endIsThere(), 60_000, "the end of the ledger is there");
    assert.deepEqual([gate.waitingFor, gate.position], [missing, missing], "the first block still waits");
    gate.open([missing]);
    scene.assertWhole(await extracting);
  },
});

async function lastPage(path: string, size: number): Promise<Uint8Array | undefined> {
  try {
    using file = await Deno.open(path);
    const page = new Uint8Array(4096);
    await file.seek(size - page.length, Deno.SeekMode.Start);
    return await file.read(page) === page.length ? page : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

Deno.test({
  ...options,
  name: "extract() with several threads follows a download piece by piece",
  async fn() {
    for (const pack of [IN_BLOCKS, "7zz a -mx=1 -mmt=1 a.7z data.ldb"]) {
      await using scene = await Scene.open(pack);
      const { size } = Deno.statSync(scene.archive);
      const pieceLength = 64 << 10;
      const count = Math.ceil(size / pieceLength);
      const gate = PieceGate.make({ size, pieceLength, tailFrom: (count - 1) * pieceLength });
      const extracting = scene.extract({ gate });
      // The ends first, then in an order that is none: every seventh piece, again and again.
      gate.open([0, count - 1]);
      for (let first = 0; first < 7; first++) {
        for (let piece = first; piece < count; piece += 7) {
          gate.open([piece]);
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
      }
      scene.assertWhole(await extracting);
    }
  },
});

for (
  const [name, at] of [["first", 0.02], ["middle", 0.5], ["last", 0.97]] as const
) {
  Deno.test({
    ...options,
    name: `extract() with several threads refuses a ${name} part that is damaged, and leaves nothing`,
    async fn() {
      await using scene = await Scene.open(IN_BLOCKS);
      const archive = Deno.readFileSync(scene.archive);
      const from = Math.floor(archive.length * at);
      archive.fill(0x55, from, from + 64);
      Deno.writeFileSync(scene.archive, archive);
      await assert.rejects(scene.extract(), (error: unknown) => {
        assert.ok(error instanceof VerificationFailed, String(error));
        assert.match(
          error.message,
          /^Cannot unpack .*a\.7z: its (compressed data is damaged|data\.ldb does not match)/,
        );
        return true;
      });
      scene.assertNothingLeft();
    },
  });
}

Deno.test({
  ...options,
  name: "extract() refuses a block that is not the archive's, though it decodes",
  async fn() {
    // Blocks of stored chunks can be changed without anybody noticing but the checksum.
    await using scene = await Scene.open(SHAPES["LZMA2, stored"]!);
    const archive = Deno.readFileSync(scene.archive);
    archive[archive.length - 500_000]! ^= 1;
    Deno.writeFileSync(scene.archive, archive);
    await assert.rejects(scene.extract(), (error: unknown) => {
      assert.ok(error instanceof VerificationFailed, String(error));
      assert.match(error.message, /does not match the checksum in it \(CRC\)$/);
      return true;
    });
    scene.assertNothingLeft();
  },
});

Deno.test({
  ...options,
  name: "extract() with several threads stops when it is asked to, also those who wait, and leaves nothing",
  async fn() {
    await using scene = await Scene.open(IN_BLOCKS);
    const reason = new Error("enough");
    const stopping = new AbortController();
    const onProgress = () => stopping.abort(reason);
    await assert.rejects(scene.extract({ signal: stopping.signal, onProgress }), reason);
    scene.assertNothingLeft();
    const archive = Deno.readFileSync(scene.archive);
    const missing = pieceOfData(archive);
    const count = Math.ceil(archive.length / PIECE);
    const gate = PieceGate.make({ size: archive.length, pieceLength: PIECE, tailFrom: (count - 8) * PIECE });
    gate.open(
      Array.from({ length: count }, (_, piece) => piece).filter((piece) =>
        piece < missing || piece > count - 9
      ),
    );
    const waiting = new AbortController();
    const stopped = scene.extract({ gate, signal: waiting.signal, onProgress: () => waiting.abort(reason) });
    await assert.rejects(within(stopped, 60_000, "those who wait stop"), reason);
    scene.assertNothingLeft();
  },
});

Deno.test({
  name: "extract() with several threads says that the disk is full, and leaves nothing",
  ignore: need("mdb_load", "7zz") || cannotMount(),
  async fn() {
    await using scene = await Scene.open(IN_BLOCKS);
    await using _disk = await mountSmallDisk(scene.into, 80 * MIB);
    // There is room when it begins; then all of it goes.
    const ballast = join(scene.into, "ballast");
    const gate = openGate(scene.archive, 0.3);
    let isFull = false;
    const onProgress = () => {
      if (isFull) return;
      isFull = true;
      fill(ballast);
      gate.openRest();
    };
    await assert.rejects(scene.extract({ gate: gate.gate, onProgress }), (error: unknown) => {
      assert.ok(error instanceof NotEnoughSpace, String(error));
      return true;
    });
    Deno.removeSync(ballast);
    scene.assertNothingLeft();
  },
});

/** A gate that is open for a share of the archive, and its end. */
function openGate(path: string, share: number): { gate: PieceGate; openRest(): void } {
  const { size } = Deno.statSync(path);
  const count = Math.ceil(size / PIECE);
  const gate = PieceGate.make({ size, pieceLength: PIECE, tailFrom: (count - 8) * PIECE });
  const pieces = Array.from({ length: count }, (_, piece) => piece);
  gate.open(pieces.filter((piece) => piece < share * count || piece > count - 9));
  return { gate, openRest: () => gate.open(pieces) };
}

/** Writes until the disk is full. */
function fill(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  const bytes = new Uint8Array(PIECE);
  try {
    for (;;) file.writeSync(bytes);
  } catch {
    // That is what it is for.
  }
}
