import assert from "node:assert/strict";
import zlib from "node:zlib";
import { concatBytes, utf8 } from "../../lib/bytes.ts";
import { ZSTD_MAGIC_BYTES, ZstdFrames } from "../../lib/extract/zstd_frames.ts";
import { assertRefused } from "./fakes.ts";

/** 300 kB that zstd packs into several blocks. */
const CONTENT = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 7);
const SKIPPABLE = new Uint8Array([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);

Deno.test("ZstdFrames cuts between libzstd's frames, and sums what they declare, in any cut of the input", () => {
  const big = compressed(CONTENT);
  const small = compressed(utf8("x"));
  const stream = concatBytes(SKIPPABLE, big, SKIPPABLE, small);
  for (const cut of [1, 3, 1000, stream.length]) {
    const frames = new ZstdFrames();
    assert.deepEqual(split(frames, stream, cut), [big, small], `cut ${cut}`);
    frames.end();
    assert.equal(frames.declaredBytes, CONTENT.length + 1);
  }
});

Deno.test("ZstdFrames sees a cut at every byte of a frame", () => {
  const packed = compressed(CONTENT.subarray(0, 1000));
  for (let length = 0; length < packed.length; length++) {
    assertRefused(() => follow(packed.subarray(0, length), 64).end(), /ends too early/);
  }
});

Deno.test("ZstdFrames refuses bytes after the last frame", () => {
  assertRefused(() => follow(concatBytes(compressed(CONTENT), utf8("garbage")), 999), /where one must begin/);
});

Deno.test("ZstdFrames refuses a window over 128 MiB and takes one of 128 MiB", () => {
  // Descriptor 0: a window byte, no content size. Exponent 17 is 2^27, then 2^27 and an eighth, then 2^31.
  const frame = (window: number) => new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0, window]);
  const frames = follow(frame(17 << 3), 1);
  assert.equal(frames.declaredBytes, undefined);
  assertRefused(() => follow(frame((17 << 3) | 1), 1), /window is 144 MiB, more than the 128 MiB/);
  assertRefused(() => follow(frame(21 << 3), 1), /window is 2048 MiB/);
});

Deno.test("ZstdFrames refuses what the format reserves", () => {
  assertRefused(() => follow(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x08]), 1), /reserved bit/);
  const block = [0x07, 0, 0]; // type 3
  assertRefused(() => follow(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, ...block]), 1), /unknown type/);
});

function compressed(content: Uint8Array): Uint8Array {
  const options = { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 }, pledgedSrcSize: content.length };
  return new Uint8Array(zlib.zstdCompressSync(content, options));
}

function follow(bytes: Uint8Array, cut: number): ZstdFrames {
  const frames = new ZstdFrames();
  split(frames, bytes, cut);
  return frames;
}

/** The frames with content, each with the magic that `step` keeps back. */
function split(frames: ZstdFrames, bytes: Uint8Array, cut: number): Uint8Array[] {
  const whole: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at - (at % cut) + cut);
    const step = frames.step(bytes.subarray(at, end));
    if (step.begins) parts = [ZSTD_MAGIC_BYTES];
    if (step.inside) parts.push(bytes.subarray(at, at + step.length));
    if (step.ends) whole.push(concatBytes(...parts));
    at += step.length;
  }
  return whole;
}
