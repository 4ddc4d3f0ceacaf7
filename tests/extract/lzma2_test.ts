import assert from "node:assert/strict";
import { dictionaryProperty, findReset } from "../../lib/extract/lzma2.ts";
import { sourceOfBytes } from "./fakes.ts";

/** A chunk: its control byte, bytes that come out of it, bytes that it takes behind its header. */
type Chunk = readonly [control: number, bytes: number, packed?: number];

/** The stream of such chunks, without an end mark, behind `before` bytes of an archive. The data is all ones. */
function streamOf(chunks: readonly Chunk[], before = 0): Uint8Array {
  return Uint8Array.from([
    ...new Uint8Array(before),
    ...chunks.flatMap(([control, bytes, packed = bytes]) => {
      const size = bytes - 1;
      if (control < 0x80) return [control, size >> 8, size & 0xff, ...new Uint8Array(bytes).fill(1)];
      const header = [
        control | size >> 16,
        size >> 8 & 0xff,
        size & 0xff,
        packed - 1 >> 8,
        packed - 1 & 0xff,
      ];
      return [...header, ...control >= 0xc0 ? [0x5d] : [], ...new Uint8Array(packed).fill(1)];
    }),
  ]);
}

/** All places where a decoder can begin, found one after the other. */
function resets(stream: Uint8Array, packedAt = 0, leastBytes = 1): string[] {
  const places: string[] = [];
  let from = { packedAt, at: 0 };
  for (;;) {
    const next = findReset(sourceOfBytes(stream), { packedEnd: stream.length }, {
      from,
      leastAt: from.at + leastBytes,
      mostAt: Infinity,
    });
    if (next === undefined) return places;
    places.push(`${next.packedAt}:${next.at}`);
    from = next;
  }
}

Deno.test("findReset() finds the chunks that reset the dictionary, whatever lies between", () => {
  const stream = streamOf([
    [0xe0, 100_000, 3000],
    [0x80, 70_000, 10], // goes on
    [0xa0, 5, 65_536], // resets the state only
    [0xc0, 2_097_152, 1], // and has new properties
    [0x02, 65_536],
    [0xe0, 1, 1],
    [0x01, 3],
    [0xc0, 7, 9],
  ], 32);
  const first = 32 + 6 + 3000 + 5 + 10 + 5 + 65_536 + 6 + 1 + 3 + 65_536;
  const at = 100_000 + 70_000 + 5 + 2_097_152 + 65_536;
  assert.deepEqual(resets(stream, 32), [`${first}:${at}`, `${first + 7}:${at + 1}`]);
  assert.deepEqual(resets(stream, 32, at + 1), [`${first + 7}:${at + 1}`], "the first that is far enough");
});

Deno.test("findReset() gives up where a header makes no sense or the stream ends", () => {
  const good = streamOf([[0xe0, 10, 5]]);
  const reset = streamOf([[0x01, 4], [0x02, 9]]);
  for (const bad of [[0x00], [0x03], [0x7f]]) {
    assert.deepEqual(resets(Uint8Array.from([...good, ...bad, 0, 0, 0, 0, ...reset])), []);
  }
  assert.deepEqual(resets(Uint8Array.from([...good, ...reset])), [`${good.length}:10`]);
  assert.deepEqual(resets(Uint8Array.from([...good, ...reset]).subarray(0, good.length + 4)), []);
  assert.deepEqual(resets(new Uint8Array()), []);
  const past = streamOf([[0xe0, 10, 5]]).subarray(0, 8);
  assert.deepEqual(resets(past), [], "a chunk that is longer than the stream");
});

Deno.test("findReset() looks no further than it is told", () => {
  const stream = streamOf([[0xe0, 1000, 5], [0x80, 1000, 5], [0xe0, 1, 1], [0x02, 9]]);
  const look = (mostAt: number) => {
    const from = { packedAt: 0, at: 0 };
    return findReset(sourceOfBytes(stream), { packedEnd: stream.length }, { from, leastAt: 1, mostAt })?.at;
  };
  assert.equal(look(2000), undefined);
  assert.equal(look(2001), 2000);
});

Deno.test("findReset() reads each page once however short chunks are, and only headers of long ones", () => {
  const reading = (bytes: Uint8Array) => {
    const source = sourceOfBytes(bytes);
    let reads = 0;
    let read = 0;
    const counting = {
      size: source.size,
      readAt(into: Uint8Array, at: number) {
        reads++;
        // In pieces, as they come of a download.
        const got = source.readAt(into.subarray(0, 1000), at);
        read += got;
        return got;
      },
    };
    const from = { packedAt: 0, at: 0 };
    const options = { from, leastAt: 1, mostAt: Infinity };
    assert.equal(findReset(counting, { packedEnd: bytes.length }, options), undefined);
    return { reads, read };
  };
  const tiny = reading(streamOf(Array.from({ length: 50_000 }, () => [0x02, 1] as const)));
  assert.ok(tiny.reads < 250 && tiny.read < 250_000, JSON.stringify(tiny));
  const long = reading(streamOf(Array.from({ length: 20 }, () => [0x80, 100_000, 65_536] as const)));
  assert.ok(long.reads <= 20, JSON.stringify(long));
});

Deno.test("dictionaryProperty() is the least that is large enough", () => {
  // The sizes that LZMA2's description lists for its properties.
  for (
    const [property, bytes] of [[0, 4096], [1, 6144], [2, 8192], [24, 1 << 24], [26, 1 << 25], [
      39,
      3 * 2 ** 30,
    ]] as const
  ) {
    assert.equal(dictionaryProperty(bytes), property);
  }
  assert.equal(dictionaryProperty(1), 0);
  assert.equal(dictionaryProperty((1 << 24) + 1), 25);
  assert.equal(dictionaryProperty(3 * 2 ** 30 + 1), undefined);
});
