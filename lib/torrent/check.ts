// Looks at content that is on disk already: which pieces are good. Used for what a journal cannot vouch for, and for
// files that somebody else left. Here is what one thread does; a pool of Workers is lib/io/check_client.ts.

import { equalBytes } from "../bytes.ts";
import { invariant } from "../errors.ts";
import type { Files } from "../ports.ts";
import { nextTurn } from "../turn.ts";
import type { Layout, PieceIndex } from "./layout.ts";
import { HASH_BYTES } from "./merkle.ts";
import type { Info } from "./metainfo.ts";
import type { CheckJob, PieceChecker, Verdicts } from "./piece_checker.ts";
import { PieceHasher } from "./piece_hash.ts";
import type { PieceLayers } from "./piece_layers.ts";
import { FileStorage } from "./storage.ts";

/** A torrent with its pieces' hashes. */
export interface HashedTorrent {
  readonly info: Info;
  readonly layout: Layout;
  /** undefined for a v1 torrent; otherwise whole. */
  readonly layers: PieceLayers | undefined;
}

/** The hash that a piece must have, a view: 32 bytes, or 20 in a v1 torrent. */
export function expectedHash({ info, layers }: HashedTorrent, piece: PieceIndex): Uint8Array {
  if (layers === undefined) return info.piecesV1!.subarray(SHA1_BYTES * piece, SHA1_BYTES * (piece + 1));
  const hash = layers.hashOf(piece);
  invariant(hash !== undefined, `the hash of piece ${piece} is known`);
  return hash;
}

/** The hashes of some pieces side by side, as a job wants them; in memory that Workers can share. */
export function expectedHashes(torrent: HashedTorrent, pieces: readonly PieceIndex[]): Uint8Array {
  const size = hashBytes(torrent.layout);
  const hashes = new Uint8Array(new SharedArrayBuffer(size * pieces.length));
  for (const [place, piece] of pieces.entries()) hashes.set(expectedHash(torrent, piece), size * place);
  return hashes;
}

/** What one thread does of a job: looks at one piece after the other, in any order. */
export class PieceCheck implements Disposable {
  readonly #job: Pick<CheckJob, "from" | "pieces" | "hashes" | "to">;
  readonly #from: FileStorage;
  readonly #to: FileStorage | undefined;
  readonly #hasher: PieceHasher;
  readonly #hashBytes: number;

  /** @param beforeRead Called every MiB or so; may throw to end a look in its middle. */
  constructor(
    files: Files,
    job: Pick<CheckJob, "from" | "pieces" | "hashes" | "to">,
    beforeRead?: () => void,
  ) {
    this.#job = job;
    this.#hashBytes = hashBytes(job.from.layout);
    this.#from = FileStorage.open({ files, ...job.from, mode: "read" });
    try {
      this.#to = job.to && FileStorage.open({ files, ...job.to, mode: "write" });
    } catch (error) {
      this.#from.close();
      throw error;
    }
    this.#hasher = new PieceHasher(job.from.layout, this.#from, beforeRead);
  }

  /** Whether the piece at that place is good, and copied if it was to be. */
  look(place: number): boolean {
    const piece = this.#job.pieces[place]!;
    const expected = this.#job.hashes.subarray(this.#hashBytes * place, this.#hashBytes * (place + 1));
    const isGood = (hash: Uint8Array | undefined) => hash !== undefined && equalBytes(hash, expected);
    if (!isGood(this.#hasher.hashOf(piece))) return false;
    const to = this.#to;
    if (to === undefined) return true;
    // Read again rather than kept: a piece may be larger than anybody wants in memory, and has just been cached.
    const target = this.#job.to!.pieces[place]!;
    return isGood(this.#hasher.hashOf(piece, (begin, bytes) => to.write(target, begin, bytes)));
  }

  [Symbol.dispose](): void {
    this.#from.close();
    this.#to?.close();
  }
}

/** Checks where it is called; the event loop gets its turn after every few MiB. */
export class InlineChecker implements PieceChecker {
  constructor(readonly files: Files) {}

  async check(job: CheckJob): Promise<void> {
    job.signal.throwIfAborted();
    using check = new PieceCheck(this.files, job);
    const step = piecesPerShare(job.from.layout);
    for (let first = 0; first < job.pieces.length; first += step) {
      job.onVerdicts(lookAt(check, first, Math.min(first + step, job.pieces.length)));
      await nextTurn();
      job.signal.throwIfAborted();
    }
  }
}

/** The verdicts on the places from `first` up to but not `end`. */
export function lookAt(check: PieceCheck, first: number, end: number): Verdicts {
  const verdicts = { good: [] as number[], bad: [] as number[] };
  for (let place = first; place < end; place++) {
    (check.look(place) ? verdicts.good : verdicts.bad).push(place);
  }
  return verdicts;
}

/** How many pieces are looked at between two words about it. */
export function piecesPerShare(layout: Layout): number {
  return Math.max(1, Math.floor(SHARE_BYTES / layout.pieceLength));
}

function hashBytes(layout: Layout): number {
  return layout.kind === "v1" ? SHA1_BYTES : HASH_BYTES;
}

const SHA1_BYTES = 20;
/** Some milliseconds of hashing: what a kill costs at most, beside the piece that it hits. */
const SHARE_BYTES = 8 << 20;
