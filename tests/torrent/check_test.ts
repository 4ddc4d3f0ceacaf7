import assert from "node:assert/strict";
import { join } from "node:path";
import { PathUnusable } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { expectedHashes, type HashedTorrent, InlineChecker } from "../../lib/torrent/check.ts";
import { BLOCK_BYTES, Layout } from "../../lib/torrent/layout.ts";
import { parseInfo } from "../../lib/torrent/metainfo.ts";
import type { CheckJob, PieceChecker } from "../../lib/torrent/piece_checker.ts";
import { PieceLayers } from "../../lib/torrent/piece_layers.ts";
import { buildTorrent, type BuiltFile } from "./torrent_builder.ts";
import { fixtureBytes } from "./fixtures.ts";

type Kind = HashedTorrent["info"]["kind"];

/** A torrent of these contents, its files in a folder of their own. */
class OnDisk implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "nano-snap-check-" });
  readonly torrent: HashedTorrent;
  readonly paths: string[];

  constructor(kind: Kind, pieceLength: number, contents: readonly Uint8Array[]) {
    const files = contents.map((data, i): BuiltFile => ({ path: [`f${i}`], data }));
    const { infoBytes, pieceLayers } = buildTorrent({ kind, name: "t", pieceLength, files });
    const info = parseInfo(infoBytes);
    const layout = Layout.of(info);
    this.torrent = { info, layout, layers: kind === "v1" ? undefined : new PieceLayers(layout, pieceLayers) };
    this.paths = info.files.map((_, i) => join(this.root, `f${i}`));
    contents.forEach((data, i) => Deno.writeFileSync(this.paths[i]!, data));
  }

  /** The good pieces, by looking at all. */
  async good(checker: PieceChecker, more: Partial<CheckJob> = {}): Promise<number[]> {
    const { layout } = this.torrent;
    const pieces = [...layout.pieces()];
    const seen: number[] = [];
    const goods: number[] = [];
    await checker.check({
      from: { layout, paths: this.paths },
      pieces,
      hashes: expectedHashes(this.torrent, pieces),
      signal: new AbortController().signal,
      onVerdicts({ good, bad }) {
        seen.push(...good, ...bad);
        goods.push(...good);
      },
      ...more,
    });
    assert.deepEqual(seen.sort((a, b) => a - b), pieces, "each has its verdict, once");
    return goods.sort((a, b) => a - b).map((place) => pieces[place]!);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

/** Zeros in the front, in the middle, behind, as whole pieces and as a short last block. */
const CONTENTS = {
  "data alone": [fixtureBytes(5 * 32768 + 100)],
  "only zeros": [new Uint8Array(3 * 32768 + 20000)],
  "zeros before data": [withZeros(fixtureBytes(4 * 32768), 0, 70000)],
  "zeros after data": [withZeros(fixtureBytes(4 * 32768), 50000, 4 * 32768)],
  "zeros between data": [withZeros(fixtureBytes(4 * 32768), 16384, 100000)],
  "several files": [fixtureBytes(40000), new Uint8Array(0), new Uint8Array(65536), fixtureBytes(7)],
};

const checker = new InlineChecker(systemFiles);

for (const kind of ["v1", "v2", "hybrid"] as const) {
  for (const [name, contents] of Object.entries(CONTENTS)) {
    Deno.test(`InlineChecker finds whole content good, a ${kind} torrent of ${name}`, async () => {
      using disk = new OnDisk(kind, 32768, contents);
      assert.deepEqual(await disk.good(checker), [...disk.torrent.layout.pieces()]);
    });
  }

  Deno.test(`InlineChecker finds bad what differs in one bit, is cut off or is not there (${kind})`, async () => {
    using disk = new OnDisk(kind, 32768, [fixtureBytes(4 * 32768), fixtureBytes(2 * 32768)]);
    const bytes = fixtureBytes(4 * 32768);
    bytes[32768 + BLOCK_BYTES]! ^= 1;
    Deno.writeFileSync(disk.paths[0]!, bytes.subarray(0, 3 * 32768 + 32767));
    assert.deepEqual(await disk.good(checker), [0, 2, 4, 5]);
    Deno.removeSync(disk.paths[1]!);
    assert.deepEqual(await disk.good(checker), [0, 2]);
  });
}

Deno.test("InlineChecker hashes zeros that several reads long stand before data", async () => {
  for (const kind of ["v1", "v2"] as const) {
    const contents = [fixtureBytes(5 << 20).fill(0, 0, 5 << 19)];
    using disk = new OnDisk(kind, 4 << 20, contents);
    assert.deepEqual(await disk.good(checker), [0, 1]);
  }
});

Deno.test("InlineChecker finds a hole bad where the torrent has data, and good where it has zeros", async () => {
  using disk = new OnDisk("hybrid", 32768, [withZeros(fixtureBytes(4 * 32768), 32768, 2 * 32768)]);
  Deno.truncateSync(disk.paths[0]!, 0);
  Deno.truncateSync(disk.paths[0]!, 4 * 32768);
  assert.deepEqual(await disk.good(checker), [1]);
});

Deno.test("InlineChecker copies the good pieces to their new places, and nothing else", async () => {
  using disk = new OnDisk("hybrid", 32768, [fixtureBytes(4 * 32768 + 10)]);
  const bytes = fixtureBytes(4 * 32768 + 10);
  bytes[32768]! ^= 1;
  Deno.writeFileSync(disk.paths[0]!, bytes);
  const { layout } = disk.torrent;
  const target = join(disk.root, "target");
  Deno.writeFileSync(target, new Uint8Array(4 * 32768));
  const order = [3, 2, 1, 0, 4].map((n) => layout.piece(n)!);
  const good = await disk.good(checker, { to: { layout, paths: [target], pieces: order } });
  assert.deepEqual(good, [0, 2, 3, 4]);
  const copied = Deno.readFileSync(target);
  const pieceOf = (from: Uint8Array, n: number) => from.subarray(n * 32768, (n + 1) * 32768);
  assert.deepEqual(pieceOf(copied, 3), pieceOf(bytes, 0));
  assert.deepEqual(pieceOf(copied, 2), new Uint8Array(32768), "the bad one");
  assert.deepEqual(pieceOf(copied, 1), pieceOf(bytes, 2));
  assert.deepEqual(pieceOf(copied, 0), pieceOf(bytes, 3));
  assert.deepEqual(pieceOf(copied, 4), pieceOf(bytes, 4));
});

Deno.test("InlineChecker wants the files that it copies to", async () => {
  using disk = new OnDisk("v2", 32768, [fixtureBytes(32768)]);
  const { layout } = disk.torrent;
  const to = { layout, paths: [join(disk.root, "missing")], pieces: [...layout.pieces()] };
  await assert.rejects(disk.good(checker, { to }), PathUnusable);
});

Deno.test("InlineChecker ends with the signal's reason, or with what onVerdicts throws", async () => {
  using disk = new OnDisk("v2", 32768, [fixtureBytes(3 * 32768)]);
  const stop = new AbortController();
  const reason = new Error("enough");
  const onVerdicts = () => stop.abort(reason);
  await assert.rejects(disk.good(checker, { signal: stop.signal, onVerdicts }), (error) => error === reason);
  await assert.rejects(disk.good(checker, { signal: stop.signal }), (error) => error === reason);
  const thrown = new Error("cannot record");
  const failing = () => {
    throw thrown;
  };
  await assert.rejects(disk.good(checker, { onVerdicts: failing }), (error) => error === thrown);
});

function withZeros(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return bytes.fill(0, from, to);
}
