// A torrent whose content is the fixture file (or several), with its hashes, and a place in memory to fetch it to.

import { equalBytes } from "../../lib/bytes.ts";
import { VerificationFailed } from "../../lib/errors.ts";
import type { OldBlocks } from "../../lib/torrent/block_reuse.ts";
import { Download } from "../../lib/torrent/download.ts";
import { BLOCK_BYTES, Layout, type PieceIndex } from "../../lib/torrent/layout.ts";
import { type Info, parseInfo } from "../../lib/torrent/metainfo.ts";
import { blockHashes, MerkleTree } from "../../lib/torrent/merkle.ts";
import type { HashSpan } from "../../lib/torrent/wire.ts";
import { PieceLayers } from "../../lib/torrent/piece_layers.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import type { Storage } from "../../lib/torrent/storage.ts";
import { fixtureBytes } from "./fixtures.ts";
import { seeded } from "./seeded.ts";
import { buildTorrent } from "./torrent_builder.ts";

export class FixtureTorrent {
  readonly info: Info;
  readonly layout: Layout;
  readonly #pieceLayers: ReadonlyMap<string, Uint8Array>;
  readonly #files: readonly Uint8Array[];
  readonly #trees: MerkleTree[] = [];

  constructor(kind: Info["kind"], pieceLength: number, lengths: readonly number[]) {
    // Files of one length are not alike.
    this.#files = lengths.map((length, i) => {
      const bytes = fixtureBytes(length);
      return i === 0 ? bytes : bytes.map((byte) => byte ^ i);
    });
    const files = this.#files.map((data, i) => ({ path: lengths.length === 1 ? [] : [`f${i}.bin`], data }));
    const { infoBytes, pieceLayers } = buildTorrent({ kind, name: "fixture", pieceLength, files });
    this.info = parseInfo(infoBytes);
    this.layout = Layout.of(this.info);
    this.#pieceLayers = pieceLayers;
  }

  /** All of them known, or (`"unknown"`) none but those of files of one piece; undefined for v1. */
  layers(which: "known" | "unknown" = "known"): PieceLayers | undefined {
    if (this.info.kind === "v1") return undefined;
    return new PieceLayers(this.layout, which === "known" ? this.#pieceLayers : new Map());
  }

  /** What a seed that knows every leaf answers to a hash request; undefined for one to refuse. */
  answer(asked: HashSpan): Uint8Array | undefined {
    const file = this.layout.files.findIndex(({ piecesRoot }) =>
      piecesRoot && equalBytes(piecesRoot, asked.root)
    );
    if (file < 0) return undefined;
    this.#trees[file] ??= new MerkleTree({ hashes: blockHashes(this.#files[file]!) });
    return this.#trees[file].answer(asked);
  }

  /** The bytes of a block. */
  block(piece: PieceIndex, block: number): Uint8Array {
    return this.bytes(piece, block * BLOCK_BYTES, this.layout.blockSize(piece, block));
  }

  bytes(piece: PieceIndex, begin: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.copy(piece, begin, bytes);
    return bytes;
  }

  /** Into memory that is all zeros where the torrent has padding. */
  copy(piece: PieceIndex, begin: number, into: Uint8Array): void {
    let done = 0;
    for (const span of this.layout.spans(piece, begin, into.length)) {
      if (span.file !== undefined) {
        into.set(this.#files[span.file]!.subarray(span.at, span.at + span.length), done);
      }
      done += span.length;
    }
  }

  /** A download of it into memory. @param options.here Pieces that are there already. */
  download(
    options: {
      storage?: MemoryStorage;
      here?: Iterable<number>;
      layers?: PieceLayers;
      seed?: number;
      isPassing?: boolean;
      old?: OldBlocks | undefined;
    } = {},
  ): Download {
    const here = new PieceSet(this.layout.pieceCount);
    const storage = options.storage ?? new MemoryStorage(this.layout);
    for (const n of options.here ?? []) {
      const piece = this.layout.piece(n)!;
      here.add(piece);
      storage.write(piece, 0, this.bytes(piece, 0, this.layout.pieceSize(piece)));
    }
    return new Download({
      info: this.info,
      layout: this.layout,
      layers: options.layers ?? this.layers(),
      storage,
      here,
      random: seeded(options.seed ?? 1),
      isPassing: options.isPassing ?? false,
      old: options.old,
    });
  }
}

/** Pieces in memory; what was not written cannot be read. */
export class MemoryStorage implements Storage {
  readonly #layout: Layout;
  readonly #pieces = new Map<PieceIndex, Uint8Array>();
  readonly #written = new Set<string>();
  /** Calls of `write`. */
  writes = 0;
  joinsPieces = false;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  write(piece: PieceIndex, begin: number, bytes: Uint8Array): void {
    this.writes++;
    const first = this.#layout.pieceSize(piece) - begin;
    this.#keep(piece, begin, bytes.subarray(0, first));
    for (let at = first, n = piece + 1; at < bytes.length; n++) {
      if (!this.joinsPieces) throw new RangeError(`a write goes on behind piece ${piece}`);
      const next = this.#layout.piece(n)!;
      const size = this.#layout.pieceSize(next);
      this.#keep(next, 0, bytes.subarray(at, at + size));
      at += size;
    }
  }

  #keep(piece: PieceIndex, begin: number, bytes: Uint8Array): void {
    let data = this.#pieces.get(piece);
    if (data === undefined) this.#pieces.set(piece, data = new Uint8Array(this.#layout.pieceSize(piece)));
    data.set(bytes, begin);
    for (let at = begin; at < begin + bytes.length; at += BLOCK_BYTES) this.#written.add(`${piece}/${at}`);
  }

  read(piece: PieceIndex, begin: number, into: Uint8Array): void {
    const data = this.#pieces.get(piece);
    for (let at = begin - begin % BLOCK_BYTES; at < begin + into.length; at += BLOCK_BYTES) {
      if (!this.#written.has(`${piece}/${at}`)) {
        throw new VerificationFailed(`Cannot read piece ${piece} at ${at}`);
      }
    }
    into.set(data!.subarray(begin, begin + into.length));
  }

  /** A whole piece. */
  piece(piece: PieceIndex): Uint8Array {
    const bytes = new Uint8Array(this.#layout.pieceSize(piece));
    this.read(piece, 0, bytes);
    return bytes;
  }

  facts(): never {
    throw new Error("memory has no files");
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}
}
