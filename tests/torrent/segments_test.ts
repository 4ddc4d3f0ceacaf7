import assert from "node:assert/strict";
import { PathUnusable, VerificationFailed } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import type { PieceIndex } from "../../lib/torrent/layout.ts";
import { segmentBytesOf, SegmentReader, SegmentStorage } from "../../lib/torrent/segments.ts";
import { fixtureBytes, layoutOf } from "./fixtures.ts";

const MIB = 1 << 20;

/** Ten pieces of a MiB and a short one, in segments of four. */
class Place implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "nano-snap-segments-" });
  readonly bytes = fixtureBytes(10 * MIB + 5000);
  readonly layout = layoutOf("v2", MIB, [this.bytes.length]);
  readonly storage = new SegmentStorage({ files: systemFiles, layout: this.layout, folder: this.folder });
  readonly reader = new SegmentReader(systemFiles, this.storage.place);

  write(...pieces: number[]): void {
    for (const n of pieces) {
      const piece = n as PieceIndex;
      const bytes = this.bytes.subarray(n * MIB, n * MIB + this.layout.pieceSize(piece));
      this.storage.write(piece, 0, bytes.subarray(0, 16_384));
      this.storage.write(piece, 16_384, bytes.subarray(16_384));
    }
  }

  names(): string[] {
    return systemFiles.list(this.folder);
  }

  /** Reads as an unpacker does: what does not come at once comes with the next read. */
  read(at: number, length: number): Uint8Array {
    const into = new Uint8Array(length);
    for (let done = 0; done < length;) done += this.reader.readAt(into.subarray(done), at + done);
    return into;
  }

  [Symbol.dispose](): void {
    this.reader[Symbol.dispose]();
    this.storage.close();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("SegmentStorage keeps pieces in files of some, and another reader finds them by their place", () => {
  using place = new Place();
  const { storage, bytes } = place;
  place.write(0, 3, 4, 9, 10);
  assert.deepEqual(place.names(), ["seg-000000", "seg-000001", "seg-000002"]);
  const into = new Uint8Array(20_000);
  storage.read(9 as PieceIndex, 100, into);
  assert.deepEqual(into, bytes.subarray(9 * MIB + 100, 9 * MIB + 20_100));
  assert.deepEqual(
    place.read(3 * MIB + 5, 2 * MIB - 10),
    bytes.subarray(3 * MIB + 5, 5 * MIB - 5),
    "across files",
  );
  assert.deepEqual(place.read(9 * MIB, MIB + 5000), bytes.subarray(9 * MIB));
});

Deno.test("dropBefore() removes what is used up as a whole, and no more", () => {
  using place = new Place();
  const { storage } = place;
  place.write(0, 1, 2, 3, 4, 5, 10);
  storage.dropBefore(3);
  assert.deepEqual(place.names(), ["seg-000000", "seg-000001", "seg-000002"]);
  storage.dropBefore(4);
  assert.deepEqual(place.names(), ["seg-000001", "seg-000002"]);
  assert.throws(() => storage.read(3 as PieceIndex, 0, new Uint8Array(10)), VerificationFailed);
  assert.throws(() => place.read(0, 10), PathUnusable);
  storage.read(5 as PieceIndex, 0, new Uint8Array(10));
  storage.close();
  storage.dropBefore(8);
  assert.deepEqual(place.names(), ["seg-000002"], "also when nothing more is written");
});

Deno.test("allocated() is what the segments take on the disk", () => {
  using place = new Place();
  assert.equal(place.reader.allocated(), 0);
  place.write(0, 1);
  const two = place.reader.allocated();
  assert.ok(two >= 2 * MIB && two < 3 * MIB, `${two}`);
  place.write(5);
  assert.ok(place.reader.allocated() >= two + MIB);
});

Deno.test("segmentBytesOf() is a piece where pieces are long, otherwise as many as fit into 4 MiB", () => {
  assert.equal(segmentBytesOf(layoutOf("v2", 32 * MIB, [100 * MIB])), 32 * MIB);
  assert.equal(segmentBytesOf(layoutOf("v2", 16_384, [100 * MIB])), 4 * MIB);
});
