// A handler that writes down what a WireReader tells it, views copied, and a way to feed a reader cut-up bytes.

import assert from "node:assert/strict";
import type { Handshake } from "../../lib/torrent/handshake.ts";
import { encodeHandshake } from "../../lib/torrent/handshake.ts";
import type { HashSpan } from "../../lib/torrent/wire.ts";
import type { WireHandler, WireReader } from "../../lib/torrent/wire_reader.ts";

/** An event's name and its arguments. */
export type Said = readonly [name: string, ...args: readonly unknown[]];

export class Recorder implements WireHandler {
  readonly said: Said[] = [];

  onHandshake(handshake: Handshake): void {
    this.said.push(["handshake", handshake]);
  }
  onKeepAlive(): void {
    this.said.push(["keep-alive"]);
  }
  onChoke(): void {
    this.said.push(["choke"]);
  }
  onUnchoke(): void {
    this.said.push(["unchoke"]);
  }
  onInterested(): void {
    this.said.push(["interested"]);
  }
  onNotInterested(): void {
    this.said.push(["not interested"]);
  }
  onHave(piece: number): void {
    this.said.push(["have", piece]);
  }
  onBitfield(bits: Uint8Array): void {
    this.said.push(["bitfield", bits.slice()]);
  }
  onRequest(piece: number, begin: number, length: number): void {
    this.said.push(["request", piece, begin, length]);
  }
  onPiece(piece: number, begin: number, block: Uint8Array): void {
    this.said.push(["piece", piece, begin, block.slice()]);
  }
  onCancel(piece: number, begin: number, length: number): void {
    this.said.push(["cancel", piece, begin, length]);
  }
  onPort(port: number): void {
    this.said.push(["port", port]);
  }
  onSuggest(piece: number): void {
    this.said.push(["suggest", piece]);
  }
  onHaveAll(): void {
    this.said.push(["have all"]);
  }
  onHaveNone(): void {
    this.said.push(["have none"]);
  }
  onReject(piece: number, begin: number, length: number): void {
    this.said.push(["reject", piece, begin, length]);
  }
  onAllowedFast(piece: number): void {
    this.said.push(["allowed fast", piece]);
  }
  onExtended(extension: number, payload: Uint8Array): void {
    this.said.push(["extended", extension, payload.slice()]);
  }
  onHashRequest(span: HashSpan): void {
    this.said.push(["hash request", span]);
  }
  onHashes(span: HashSpan, hashes: Uint8Array): void {
    this.said.push(["hashes", span, hashes.slice()]);
  }
  onHashReject(span: HashSpan): void {
    this.said.push(["hash reject", span]);
  }
}

/** Receives the bytes in steps of at most `step(at)`, as a socket would fill `space`. */
export function feed(reader: WireReader, bytes: Uint8Array, step: (at: number) => number): void {
  for (let at = 0; at < bytes.length;) {
    const { space } = reader;
    assert.ok(space.length > 0, "there is always room for a byte");
    const count = Math.min(Math.max(1, step(at)), space.length, bytes.length - at);
    space.set(bytes.subarray(at, at + count));
    reader.advance(count);
    at += count;
  }
}

/** Some handshake, to begin a stream with. */
export const HELLO: Handshake = {
  extended: true,
  fast: true,
  dht: false,
  upgrade: false,
  infoHash: new Uint8Array(20).fill(0xab),
  peerId: new Uint8Array(20).fill(0x2d),
};
export const HELLO_BYTES: Uint8Array = encodeHandshake(HELLO);
