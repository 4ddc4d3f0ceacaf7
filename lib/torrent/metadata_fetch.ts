// Fetches the info dictionary from peers (BEP 9). It is small, so each of a few peers is asked for all of it at the
// same time: the first whole copy whose hash fits wins, and a wrong copy has exactly one sender.
//
// A copy that does not grow holds no place: others are begun beside it. Nothing is allocated by a size that a peer only
// claims: a copy grows as its 16 KiB pieces come, in any order, and all copies together are bounded.

import { concatBytes, equalBytes } from "../bytes.ts";
import { WireFault } from "../errors.ts";
import { sha1, sha256 } from "../hash.ts";
import { METADATA_PIECE_BYTES, type MetadataMessage } from "./extension.ts";
import {
  MAX_METADATA_BYTES,
  MAX_METADATA_HELD_BYTES,
  MAX_METADATA_REQUESTS_SENT,
  MAX_UNASKED_METADATA,
  METADATA_PATIENCE_MS,
  METADATA_TIMEOUT_MS,
  REJECT_PAUSE_MS,
} from "./limits.ts";

/** Copies that grow at the same time. */
const MAX_COPIES = 3;

/** A copy has this much time, and as much again as what has come of it takes at 20 KB/s: a trickle must not hold a place. */
const COPY_MS = 30_000;
const SLOWEST_BYTES_PER_MS = 20;

/** For so long nobody else is begun with beside it: three liars that claim the most could keep all others out. */
const PLACE_MS = 10_000;

/** What the metadata must hash to: at least one is known. */
export interface WantedInfo {
  /** 32 bytes: SHA-256 must be this. */
  readonly infoHashV2?: Uint8Array | undefined;
  /** 20 bytes: SHA-1 must be this. */
  readonly infoHashV1?: Uint8Array | undefined;
  /** 20 bytes of an unknown kind: SHA-1, or the first 20 bytes of SHA-256, must be this. */
  readonly either?: Uint8Array | undefined;
}

/** Whether these bytes are the wanted info dictionary. */
export function isWanted(wanted: WantedInfo, bytes: Uint8Array): boolean {
  const { infoHashV1, infoHashV2, either } = wanted;
  if (infoHashV2 !== undefined && !equalBytes(sha256(bytes), infoHashV2)) return false;
  if (infoHashV1 !== undefined && !equalBytes(sha1(bytes), infoHashV1)) return false;
  if (either === undefined) return infoHashV1 !== undefined || infoHashV2 !== undefined;
  return equalBytes(sha1(bytes), either) || equalBytes(sha256(bytes).subarray(0, 20), either);
}

/** A peer that can be asked. */
export interface MetadataPeer {
  readonly number: number;
  /** Asks for a piece. */
  request(piece: number): void;
}

interface Copy {
  readonly peer: MetadataPeer;
  size: number | undefined;
  readonly pieces: Map<number, Uint8Array>;
  nextPiece: number;
  waiting: number;
  readonly startedMs: number;
  heardMs: number;
}

interface Known {
  readonly peer: MetadataPeer;
  readonly size: number | undefined;
  notBeforeMs: number;
  /** Pieces that it sent though nobody waited for them. */
  unasked: number;
}

export class MetadataFetch {
  readonly #wanted: WantedInfo;
  readonly #peers = new Map<number, Known>();
  readonly #copies = new Map<number, Copy>();

  constructor(wanted: WantedInfo) {
    this.#wanted = wanted;
  }

  /** A peer says that it has metadata. @param size As its handshake says, undefined when it doesn't. */
  addPeer(peer: MetadataPeer, size: number | undefined, nowMs: number): void {
    if (this.#peers.has(peer.number)) return;
    this.#peers.set(peer.number, { peer, size, notBeforeMs: nowMs, unasked: 0 });
    this.tick(nowMs);
  }

  removePeer(number: number): void {
    this.#peers.delete(number);
    this.#copies.delete(number);
  }

  /** Gives up on copies that do not grow, and starts others. */
  tick(nowMs: number): void {
    for (const [number, copy] of this.#copies) {
      const longestMs = COPY_MS + copy.pieces.size * METADATA_PIECE_BYTES / SLOWEST_BYTES_PER_MS;
      const isStuck = nowMs - copy.heardMs > METADATA_TIMEOUT_MS || nowMs - copy.startedMs > longestMs;
      if (isStuck) this.#pause(number, nowMs);
    }
    for (const [number, { peer, size, notBeforeMs }] of this.#peers) {
      if (this.#growing(nowMs) >= MAX_COPIES) break;
      if (this.#copies.has(number) || notBeforeMs > nowMs) continue;
      const pieces = new Map<number, Uint8Array>();
      const copy = { peer, size, pieces, nextPiece: 0, waiting: 0, startedMs: nowMs, heardMs: nowMs };
      this.#copies.set(number, copy);
      this.#ask(copy);
    }
  }

  /**
   * A ut_metadata answer came.
   *
   * @returns The whole info dictionary once a copy is whole and right.
   * @throws {WireFault} When the peer's copy is wrong: the connection is to be closed and the peer banned.
   */
  receive(number: number, message: MetadataMessage, nowMs: number): Uint8Array | undefined {
    const copy = this.#copies.get(number);
    if (copy !== undefined && message.kind === "reject") this.#pause(number, nowMs);
    if (message.kind !== "data") return undefined;
    if (copy === undefined || copy.pieces.has(message.piece)) return this.#countUnasked(number);
    copy.heardMs = nowMs;
    copy.size ??= message.totalSize;
    const { size } = copy;
    if (message.totalSize !== size) throw new WireFault("BEP 9", "two sizes of one metadata");
    if (size > MAX_METADATA_BYTES) throw new WireFault("BEP 9", `metadata of ${size} bytes`);
    const at = message.piece * METADATA_PIECE_BYTES;
    const expected = Math.min(METADATA_PIECE_BYTES, size - at);
    if (message.data.length !== expected) {
      throw new WireFault("BEP 9", `${message.data.length} bytes in a piece`);
    }
    copy.pieces.set(message.piece, message.data.slice());
    copy.waiting = Math.max(0, copy.waiting - 1);
    const count = pieceCount(size);
    if (copy.pieces.size < count) {
      this.#ask(copy);
      this.#boundHeld(nowMs);
      return undefined;
    }
    const bytes = concatBytes(...Array.from({ length: count }, (_, piece) => copy.pieces.get(piece)!));
    this.#copies.delete(number);
    if (!isWanted(this.#wanted, bytes)) {
      this.#peers.delete(number);
      throw new WireFault("BEP 9", "metadata that does not fit the info-hash");
    }
    return bytes;
  }

  #ask(copy: Copy): void {
    // Until its size is known, the first piece tells.
    const count = copy.size === undefined ? 1 : pieceCount(copy.size);
    while (copy.waiting < MAX_METADATA_REQUESTS_SENT && copy.nextPiece < count) {
      copy.peer.request(copy.nextPiece++);
      copy.waiting++;
    }
  }

  /** Copies that came on lately and have not had their place for long. */
  #growing(nowMs: number): number {
    let growing = 0;
    for (const { heardMs, startedMs } of this.#copies.values()) {
      if (nowMs - heardMs < METADATA_PATIENCE_MS && nowMs - startedMs < PLACE_MS) growing++;
    }
    return growing;
  }

  /** The longest goes first: the true one is seldom that. */
  #boundHeld(nowMs: number): void {
    let pieces = 0;
    let longest: Copy | undefined;
    for (const copy of this.#copies.values()) {
      pieces += copy.pieces.size;
      if (copy.pieces.size > (longest?.pieces.size ?? 0)) longest = copy;
    }
    if (longest === undefined || pieces * METADATA_PIECE_BYTES <= MAX_METADATA_HELD_BYTES) return;
    this.#pause(longest.peer.number, nowMs);
  }

  /** Answers may come late, but not for ever. */
  #countUnasked(number: number): undefined {
    const known = this.#peers.get(number);
    if (known === undefined || ++known.unasked <= MAX_UNASKED_METADATA) return;
    throw new WireFault("BEP 9", "sends metadata that nobody asked for");
  }

  #pause(number: number, nowMs: number): void {
    this.#copies.delete(number);
    const known = this.#peers.get(number);
    if (known === undefined) return;
    known.notBeforeMs = nowMs + REJECT_PAUSE_MS;
    // Behind all others: those who let us wait again and again must not keep the rest from their turn.
    this.#peers.delete(number);
    this.#peers.set(number, known);
  }
}

function pieceCount(size: number): number {
  return Math.ceil(size / METADATA_PIECE_BYTES);
}
