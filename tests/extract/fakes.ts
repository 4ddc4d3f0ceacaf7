// What the tests of lib/extract share: a sink that remembers, a source over bytes, a refusal with its reason.

import assert from "node:assert/strict";
import { type ArchiveSource, BadArchive, type LedgerSink } from "../../lib/extract/archive.ts";

export class RememberingSink implements LedgerSink {
  declared: number | "unsized" | undefined;
  expected = 0;
  readonly #parts: Uint8Array[] = [];

  begin(exactBytes: number): void {
    this.declared = exactBytes;
  }
  beginUnsized(): void {
    this.declared = "unsized";
  }
  expect(atLeastBytes: number): void {
    this.expected = atLeastBytes;
  }
  write(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice());
  }
  writeAt(bytes: Uint8Array, at: number): void {
    assert.equal(at, this.bytes.length, "out of turn");
    this.write(bytes);
  }
  addOthers(bytes: number): void {
    assert.equal(bytes, 0);
  }
  get bytes(): Uint8Array {
    return new Uint8Array(this.#parts.flatMap((part) => [...part]));
  }
}

export function sourceOfBytes(bytes: Uint8Array): ArchiveSource {
  return {
    size: bytes.length,
    readAt(into, at) {
      const part = bytes.subarray(at, at + into.length);
      into.set(part);
      return part.length;
    },
  };
}

/** Runs it and compares why the archive is refused. */
export function assertRefused(act: () => unknown, why: RegExp): void {
  assert.throws(act, (error: unknown) => {
    assert.ok(error instanceof BadArchive, String(error));
    assert.match(error.message, why);
    return true;
  });
}

/** The head of an LMDB meta page, then a pattern: what passes for a ledger while it is unpacked. */
export function ledgerBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8)) & 0xff;
  bytes.fill(0, 0, 24);
  const view = new DataView(bytes.buffer);
  view.setUint16(10, 8, true);
  view.setUint32(16, 0xbeefc0de, true);
  view.setUint32(20, 1, true);
  return bytes;
}
