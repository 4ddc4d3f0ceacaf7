// A peer out there with a character: what it has, how fast it is, and which of its habits are bad. It speaks through
// our own codec, which tests/torrent/wire_test.ts holds against the specs and tests/interop against libtorrent.

import type { Endpoint, TcpConn } from "../../lib/ports.ts";
import { encodeExtensionHandshake, encodeMetadata, parseMetadata } from "../../lib/torrent/extension.ts";
import { OUR_EXTENSIONS, parseExtensionHandshake } from "../../lib/torrent/extension.ts";
import { encodeHandshake, type Handshake } from "../../lib/torrent/handshake.ts";
import { type HashSpan, ID, WireWriter } from "../../lib/torrent/wire.ts";
import { type WireHandler, WireReader } from "../../lib/torrent/wire_reader.ts";
import type { PieceSet } from "../../lib/torrent/piece_set.ts";
import type { FixtureTorrent } from "../torrent/fixture_torrent.ts";
import type { SimHost, World } from "./world.ts";

export interface Character {
  readonly latencyMs: number;
  readonly bytesPerSec: number;
  /** Default: everything. */
  readonly pieces?: PieceSet;
  /** Default true. */
  readonly fast?: boolean;
  /** Blocks that it sends wrong. */
  readonly spoils?: (piece: number, block: number) => boolean;
  /** From when to when, in ms of the world's time, it sends no block. */
  readonly sleeps?: readonly [fromMs: number, toMs: number];
  /** Never unchokes, and answers nothing. */
  readonly isMute?: boolean;
  /** Refuses every request, though it has unchoked. */
  readonly refuses?: boolean;
  /** Never sends a block sooner than this after the one before. */
  readonly dripMs?: number;
  /** Hangs up after so many blocks, each time. */
  readonly hangsUpAfter?: number;
  /** Chokes for two seconds each so many blocks. */
  readonly chokesEach?: number;
  /** The info dictionary that it gives; default the right one. undefined: says it has none. */
  readonly metadata?: Uint8Array | undefined;
  /** Sent in the place of a right bitfield. */
  readonly bitfield?: Uint8Array;
  /** What it does with a hash request: default answers. */
  readonly hashes?: "lie" | "refuse" | "silence";
  /** It takes so long over each hash request, one after the other. */
  readonly hashesMs?: number;
}

/** What it did, over all its connections. */
export interface Deeds {
  connections: number;
  requests: number;
  /** Bytes of blocks sent. */
  sentBytes: number;
}

export class ScriptedPeer {
  readonly host: SimHost;
  readonly deeds: Deeds = { connections: 0, requests: 0, sentBytes: 0 };

  constructor(
    readonly world: World,
    readonly torrent: FixtureTorrent,
    readonly character: Character,
  ) {
    this.host = world.host({ up: character.bytesPerSec, latencyMs: character.latencyMs });
    world.mustNotFail(this.#listen());
  }

  get endpoint(): Endpoint {
    return { host: this.host.address, port: PORT };
  }

  async #listen(): Promise<void> {
    const listener = this.host.listenTcp(this.endpoint);
    for (;;) {
      const conn = await listener.accept();
      if (conn === null) return;
      this.deeds.connections++;
      this.world.mustNotFail(new Connection(this, conn).run());
    }
  }
}

const PORT = 6881;

interface Asked {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

class Connection implements WireHandler {
  readonly #peer: ScriptedPeer;
  readonly #conn: TcpConn;
  readonly #reader = new WireReader(this, 4096);
  readonly #out = new WireWriter();
  #queue: Asked[] = [];
  #isWriting = false;
  #isClosed = false;
  #isLeaving = false;
  #choking = true;
  #blocks = 0;
  #nextMs = 0;
  #nextHashesMs = 0;
  #metadataId = 0;

  constructor(peer: ScriptedPeer, conn: TcpConn) {
    this.#peer = peer;
    this.#conn = conn;
  }

  async run(): Promise<void> {
    while (!this.#isClosed) {
      const count = await this.#conn.read(this.#reader.space);
      if (count === null) break;
      this.#reader.advance(count);
      this.#work();
    }
    this.#close();
  }

  onHandshake({ infoHash }: Handshake): void {
    const { torrent, character } = this.#peer;
    const { bytes } = torrent.info;
    const fast = character.fast ?? true;
    const peerId = new Uint8Array(20).fill(Number(this.#peer.host.address.split(".")[3]));
    this.#out.raw(encodeHandshake({ extended: true, fast, dht: false, upgrade: false, infoHash, peerId }));
    const metadata = "metadata" in character ? character.metadata : bytes;
    const handshake = { client: "scripted", requestQueue: 500, metadataSize: metadata?.length };
    this.#out.extended(0, encodeExtensionHandshake(handshake));
    const full = new Uint8Array(Math.ceil(torrent.layout.pieceCount / 8)).fill(0xff);
    if (character.bitfield !== undefined) this.#out.bitfield(character.bitfield);
    else if (character.pieces !== undefined) this.#out.bitfield(character.pieces.bits);
    else if (fast) this.#out.bare(ID.haveAll);
    else this.#out.bitfield(full);
  }

  onInterested(): void {
    this.#setChoking(this.#peer.character.isMute === true);
  }

  onRequest(piece: number, begin: number, length: number): void {
    const { character, deeds } = this.#peer;
    deeds.requests++;
    const asked = { piece, begin, length };
    if (character.refuses === true) this.#refuse(asked);
    else if (this.#choking) this.#refuse(asked);
    else this.#queue.push(asked);
  }

  onCancel(piece: number, begin: number, length: number): void {
    const at = this.#queue.findIndex((asked) => asked.piece === piece && asked.begin === begin);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    this.#refuse({ piece, begin, length });
  }

  onExtended(extension: number, payload: Uint8Array): void {
    const { torrent, character } = this.#peer;
    if (extension === 0) {
      this.#metadataId = parseExtensionHandshake(payload)?.ids.ut_metadata ?? 0;
    } else if (extension === OUR_EXTENSIONS.ut_metadata && character.isMute !== true) {
      const message = parseMetadata(payload);
      if (message.kind !== "request") return;
      const bytes = "metadata" in character ? character.metadata : torrent.info.bytes;
      const { piece } = message;
      const answer = bytes === undefined
        ? { kind: "reject", piece } as const
        : { kind: "data", piece, totalSize: bytes.length, data: pieceOf(bytes, piece) } as const;
      this.#out.extended(this.#metadataId, encodeMetadata(answer));
    }
  }

  onHashRequest(span: HashSpan): void {
    const { torrent, character } = this.#peer;
    if (character.isMute === true || character.hashes === "silence") return;
    const hashes = character.hashes === "refuse" ? undefined : torrent.answer(span);
    if (hashes === undefined) return this.#out.hashSpan(ID.hashReject, span);
    if (character.hashes === "lie") hashes[0]! ^= 1;
    if (character.hashesMs === undefined) return this.#out.hashSpan(ID.hashes, span, hashes);
    const { clock } = this.#peer.world;
    this.#nextHashesMs = Math.max(clock.nowMs(), this.#nextHashesMs) + character.hashesMs;
    clock.at(this.#nextHashesMs, () => {
      if (this.#isClosed) return;
      this.#out.hashSpan(ID.hashes, span, hashes);
      this.#work();
    });
  }

  /** Sends what there is to say and, when the line is free, the next block. */
  #work(): void {
    if (this.#isWriting || this.#isClosed) return;
    const asked = this.#isAwake() ? this.#queue.shift() : undefined;
    if (asked !== undefined) this.#send(asked);
    const bytes = this.#out.take();
    if (bytes === undefined) return;
    this.#isWriting = true;
    const onWritten = () => {
      this.#out.sent();
      this.#isWriting = false;
      if (this.#isLeaving) this.#close();
      this.#work();
    };
    this.#conn.writeAll(bytes).then(onWritten, () => this.#close());
  }

  #isAwake(): boolean {
    const { world: { clock }, character } = this.#peer;
    const [fromMs, toMs] = character.sleeps ?? [Infinity, 0];
    const isAsleep = clock.nowMs() >= fromMs && clock.nowMs() < toMs;
    if (isAsleep) clock.at(toMs, () => this.#work());
    const { dripMs } = character;
    if (isAsleep || dripMs === undefined) return !isAsleep;
    if (clock.nowMs() < this.#nextMs) {
      clock.at(this.#nextMs, () => this.#work());
      return false;
    }
    if (this.#queue.length > 0) this.#nextMs = clock.nowMs() + dripMs;
    return true;
  }

  #send({ piece, begin, length }: Asked): void {
    const { torrent, character, deeds } = this.#peer;
    const data = torrent.bytes(torrent.layout.piece(piece)!, begin, length);
    if (character.spoils?.(piece, begin / 16_384) === true) data[data.length >> 1]! ^= 1;
    this.#out.block(piece, begin, length, (into) => into.set(data));
    deeds.sentBytes += length;
    this.#blocks++;
    this.#isLeaving = this.#blocks === character.hangsUpAfter;
    if (character.chokesEach === undefined || this.#blocks % character.chokesEach !== 0) return;
    this.#setChoking(true);
    const { clock } = this.#peer.world;
    clock.at(clock.nowMs() + 2000, () => {
      this.#setChoking(false);
      this.#work();
    });
  }

  #close(): void {
    this.#isClosed = true;
    this.#conn.close();
  }

  #setChoking(choking: boolean): void {
    if (choking === this.#choking) return;
    this.#choking = choking;
    this.#out.bare(choking ? ID.choke : ID.unchoke);
    if (!choking) return;
    const queue = this.#queue;
    this.#queue = [];
    for (const asked of queue) this.#refuse(asked);
  }

  /** Without the fast extension silence says it. */
  #refuse({ piece, begin, length }: Asked): void {
    if (this.#peer.character.fast ?? true) this.#out.blockwise(ID.reject, piece, begin, length);
  }

  onKeepAlive(): void {}
  onChoke(): void {}
  onUnchoke(): void {}
  onNotInterested(): void {}
  onHave(): void {}
  onBitfield(): void {}
  onPiece(): void {}
  onPort(): void {}
  onSuggest(): void {}
  onHaveAll(): void {}
  onHaveNone(): void {}
  onReject(): void {}
  onAllowedFast(): void {}
  onHashes(): void {}
  onHashReject(): void {}
}

function pieceOf(bytes: Uint8Array, piece: number): Uint8Array {
  return bytes.subarray(16_384 * piece, 16_384 * (piece + 1));
}
