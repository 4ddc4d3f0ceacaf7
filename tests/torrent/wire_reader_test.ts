import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "../../lib/bytes.ts";
import { WireFault } from "../../lib/errors.ts";
import {
  IDLE_BUFFER_BYTES,
  MAX_FRAME_BYTES,
  MAX_PIECES,
  RECEIVE_BUFFER_BYTES,
} from "../../lib/torrent/limits.ts";
import { type HashSpan, ID, WireWriter } from "../../lib/torrent/wire.ts";
import { WireReader } from "../../lib/torrent/wire_reader.ts";
import { fixtureBytes } from "./fixtures.ts";
import { feed, HELLO, HELLO_BYTES, Recorder, type Said } from "./wire_recorder.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const some = (max: number) => fc.uint8Array({ maxLength: max });
const span: fc.Arbitrary<HashSpan> = fc.record({
  root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  base: u32,
  index: u32,
  count: u32,
  proofLayers: u32,
}, { noNullPrototype: true });

interface Message {
  readonly write: (out: WireWriter) => void;
  readonly said: Said;
}

const BARE = [
  [ID.choke, "choke"],
  [ID.unchoke, "unchoke"],
  [ID.interested, "interested"],
  [ID.notInterested, "not interested"],
  [ID.haveAll, "have all"],
  [ID.haveNone, "have none"],
] as const;
const PIECEWISE = [[ID.have, "have"], [ID.suggest, "suggest"], [ID.allowedFast, "allowed fast"]] as const;
const BLOCKWISE = [[ID.request, "request"], [ID.cancel, "cancel"], [ID.reject, "reject"]] as const;
const SPANS = [[ID.hashRequest, "hash request"], [ID.hashReject, "hash reject"]] as const;

/** Every kind of message, with what a reader must make of it. */
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.constant<Message>({ write: (out) => out.keepAlive(), said: ["keep-alive"] }),
  fc.constantFrom(...BARE).map(([id, name]): Message => ({ write: (out) => out.bare(id), said: [name] })),
  fc.tuple(fc.constantFrom(...PIECEWISE), u32).map(([[id, name], piece]): Message => ({
    write: (out) => out.piecewise(id, piece),
    said: [name, piece],
  })),
  fc.tuple(fc.constantFrom(...BLOCKWISE), u32, u32, u32).map(([[id, name], ...fields]): Message => ({
    write: (out) => out.blockwise(id, ...fields),
    said: [name, ...fields],
  })),
  some(300).map((bits): Message => ({ write: (out) => out.bitfield(bits), said: ["bitfield", bits] })),
  fc.tuple(u32, u32, some(2000)).map(([piece, begin, data]): Message => ({
    write: (out) => out.block(piece, begin, data.length, (into) => into.set(data)),
    said: ["piece", piece, begin, data],
  })),
  fc.integer({ min: 0, max: 65_535 }).map((port): Message => ({
    write: (out) => out.port(port),
    said: ["port", port],
  })),
  fc.tuple(fc.integer({ min: 0, max: 255 }), some(500)).map(([id, payload]): Message => ({
    write: (out) => out.extended(id, payload),
    said: ["extended", id, payload],
  })),
  fc.tuple(fc.constantFrom(...SPANS), span).map(([[id, name], span]): Message => ({
    write: (out) => out.hashSpan(id, span),
    said: [name, span],
  })),
  fc.tuple(span, fc.integer({ min: 0, max: 9 })).map(([span, count]): Message => {
    const hashes = fixtureBytes(32 * count);
    return { write: (out) => out.hashSpan(ID.hashes, span, hashes), said: ["hashes", span, hashes] };
  }),
);

Deno.test("WireReader reads back whatever WireWriter wrote, cut anywhere, in a buffer of any size", () => {
  const cuts = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 3000 })), { minLength: 1 });
  const buffer = fc.constantFrom(1, 68, 100, 999, 4096, RECEIVE_BUFFER_BYTES);
  const stream = fc.array(message, { maxLength: 30 });
  fc.assert(fc.property(stream, cuts, buffer, (messages, cuts, bufferBytes) => {
    const out = new WireWriter();
    out.raw(HELLO_BYTES);
    for (const { write } of messages) write(out);
    const recorder = new Recorder();
    let next = 0;
    feed(new WireReader(recorder, bufferBytes), out.take()!, () => cuts[next++ % cuts.length]!);
    assert.deepEqual(recorder.said, [["handshake", HELLO], ...messages.map(({ said }) => said)]);
  }));
});

Deno.test("WireReader reads one of each message fed byte by byte", () => {
  const root = fixtureBytes(32);
  const span = { root, base: 1, index: 2, count: 2, proofLayers: 1 };
  const hashes = fixtureBytes(96);
  const out = new WireWriter();
  out.raw(HELLO_BYTES);
  for (const [id] of BARE) out.bare(id);
  for (const [id] of PIECEWISE) out.piecewise(id, 9);
  for (const [id] of BLOCKWISE) out.blockwise(id, 1, 2, 3);
  out.keepAlive();
  out.bitfield(Uint8Array.of(1, 2));
  out.block(4, 5, 2, (into) => into.set([6, 7]));
  out.port(80);
  out.extended(1, Uint8Array.of(8));
  for (const [id] of SPANS) out.hashSpan(id, span);
  out.hashSpan(ID.hashes, span, hashes);
  const recorder = new Recorder();
  feed(new WireReader(recorder, 68), out.take()!, () => 1);
  assert.deepEqual(recorder.said, [
    ["handshake", HELLO],
    ...BARE.map(([, name]) => [name]),
    ...PIECEWISE.map(([, name]) => [name, 9]),
    ...BLOCKWISE.map(([, name]) => [name, 1, 2, 3]),
    ["keep-alive"],
    ["bitfield", Uint8Array.of(1, 2)],
    ["piece", 4, 5, Uint8Array.of(6, 7)],
    ["port", 80],
    ["extended", 1, Uint8Array.of(8)],
    ...SPANS.map(([, name]) => [name, span]),
    ["hashes", span, hashes],
  ]);
});

/** A reader past its handshake. */
function greeted(bufferBytes?: number): WireReader {
  const reader = new WireReader(new Recorder(), bufferBytes);
  feed(reader, HELLO_BYTES, () => 68);
  return reader;
}

function frame(length: number, ...bytes: number[]): Uint8Array {
  return Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length, ...bytes);
}

for (const [id, most] of MAX_FRAME_BYTES) {
  Deno.test(`WireReader refuses a frame of ${most + 1} bytes for message id ${id} before its buffer grows`, () => {
    const reader = greeted(68);
    const before = reader.space.buffer;
    assert.throws(() => feed(reader, frame(most + 1, id), () => 1), WireFault);
    assert.equal(reader.space.buffer, before);
    assert.equal(before.byteLength, 68);
    feed(greeted(68), frame(most, id).subarray(0, 4), () => 1);
  });
}

Deno.test("WireReader refuses a bitfield of 1 MiB at its fifth byte, and takes the largest that a torrent has", () => {
  const reader = greeted();
  const before = reader.space.buffer;
  assert.throws(() => feed(reader, frame(1 + (1 << 20), ID.bitfield), () => 5), WireFault);
  assert.equal(reader.space.buffer, before);

  const bits = fixtureBytes(MAX_PIECES / 8);
  const recorder = new Recorder();
  const other = new WireReader(recorder);
  feed(other, concatBytes(HELLO_BYTES, frame(1 + bits.length, ID.bitfield), bits), () => 10_000);
  assert.deepEqual(recorder.said[1], ["bitfield", bits]);
  assert.ok(other.space.buffer.byteLength <= RECEIVE_BUFFER_BYTES, "the room is given back");
});

Deno.test("WireReader takes the longest frames of every id", () => {
  for (const [id, most] of MAX_FRAME_BYTES) {
    const payload = new Uint8Array(most - 1);
    const recorder = new Recorder();
    feed(new WireReader(recorder), concatBytes(HELLO_BYTES, frame(most, id), payload), () => 65_536);
    assert.equal(recorder.said.length, 2, `id ${id}`);
  }
});

Deno.test("WireReader refuses ids that no BEP gives", () => {
  for (let id = 0; id < 256; id++) {
    if (MAX_FRAME_BYTES.has(id)) continue;
    assert.throws(() => feed(greeted(), frame(1, id), () => 9), WireFault, `id ${id}`);
  }
});

const WRONG_SIZES: readonly [id: number, sizes: readonly number[]][] = [
  [ID.have, [0, 3]],
  [ID.suggest, [0, 3]],
  [ID.allowedFast, [0, 3]],
  [ID.request, [0, 11]],
  [ID.cancel, [0, 11]],
  [ID.reject, [0, 11]],
  [ID.port, [0, 1]],
  [ID.piece, [0, 7]],
  [ID.extended, [0]],
  [ID.hashRequest, [0, 47]],
  [ID.hashReject, [0, 47]],
  [ID.hashes, [0, 47, 49, 79, 81]],
];

for (const [id, sizes] of WRONG_SIZES) {
  Deno.test(`WireReader refuses message id ${id} with a payload of ${sizes.join(", ")} bytes`, () => {
    for (const size of sizes) {
      const bytes = concatBytes(frame(1 + size, id), new Uint8Array(size));
      assert.throws(() => feed(greeted(), bytes, () => 99), WireFault);
    }
  });
}

Deno.test("WireReader refuses another protocol at its first byte, and another name at its 68th", () => {
  const reader = new WireReader(new Recorder());
  assert.throws(() => feed(reader, Uint8Array.of(0x14), () => 1), WireFault);
  const wrongName = HELLO_BYTES.slice();
  wrongName[19]! ^= 1;
  const other = new WireReader(new Recorder());
  feed(other, wrongName.subarray(0, 67), () => 67);
  assert.throws(() => feed(other, wrongName.subarray(67), () => 1), WireFault);
});

Deno.test("WireReader only ever faults with WireFault, whatever comes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, isShort) => {
    // Small lengths and ids get further than random ones.
    const tame = isShort ? bytes.map((byte, i) => i % 8 < 3 ? 0 : byte % 24) : bytes;
    try {
      feed(greeted(68), tame, () => 7);
    } catch (error) {
      assert.ok(error instanceof WireFault);
    }
  }));
});

Deno.test("WireReader keeps one buffer for any number of blocks, cut anywhere", () => {
  const out = new WireWriter();
  for (let i = 0; i < 50; i++) out.block(i, 0, 16_384, (into) => into.fill(i));
  const bytes = out.take()!;
  const recorder = new Recorder();
  const reader = new WireReader(recorder);
  feed(reader, HELLO_BYTES, () => 68);
  // Whoever fills its buffer soon has a large one.
  feed(reader, bytes, () => Infinity);
  const { buffer } = reader.space;
  assert.equal(buffer.byteLength, RECEIVE_BUFFER_BYTES);
  for (let round = 0; round < 4; round++) {
    feed(reader, bytes, (at) => 1 + (at * 7919) % 60_000);
    assert.equal(reader.space.buffer, buffer);
  }
  assert.equal(recorder.said.length, 251);
});

Deno.test("WireReader keeps a small buffer for a peer that says little at a time", () => {
  const reader = greeted();
  const out = new WireWriter();
  for (let i = 0; i < 10_000; i++) out.blockwise(ID.request, i, 0, 16_384);
  feed(reader, out.take()!, () => 1448);
  assert.equal(reader.space.buffer.byteLength, IDLE_BUFFER_BYTES);
});
