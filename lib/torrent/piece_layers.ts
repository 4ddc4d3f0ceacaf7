// Which piece hashes of a v2 or hybrid torrent are known and proven, and which hash requests bring the rest (BEP 52).
//
// Nothing is stored here that was not proven against a file's root. A file of one piece needs nothing: its root is
// the piece's hash. Others are asked for in spans of 512 hashes, as libtorrent asks, and each span brings its own
// proof, so that spans may come in any order from anybody. Files with the same root share one layer. Memory: 32
// bytes per piece. Reading the layers of a .torrent file is metainfo_layers.ts.

import { equalBytes, toHex } from "../bytes.ts";
import { invariant, VerificationFailed } from "../errors.ts";
import type { Layout, PieceIndex } from "./layout.ts";
import {
  ceil2,
  HASH_BYTES,
  log2Exact,
  MAX_HASHES_PER_REQUEST,
  MerkleTree,
  rootOf,
  uncleCount,
  verifyProof,
  zeroHash,
} from "./merkle.ts";
import type { HashSpan } from "./wire.ts";

export class PieceLayers {
  readonly #layout: Layout;
  /** Level of the piece layer: log2 of a piece's blocks. */
  readonly #level: number;
  /** By file; undefined for an empty one. */
  readonly #layerOfFile: readonly (Layer | undefined)[];
  readonly #spans: Span[] = [];
  readonly #spanByKey = new Map<string, Span>();
  #missing: number;
  /** No span before this one is missing. */
  #cursor = 0;

  /**
   * @param layout Of a v2 or hybrid torrent.
   * @param known Checked layers by root in hex, as `Metainfo.pieceLayers`; kept, not copied.
   * @throws {VerificationFailed} When files share a root that cannot share their content.
   */
  constructor(layout: Layout, known: ReadonlyMap<string, Uint8Array> = new Map()) {
    invariant(layout.kind !== "v1", "a v1 torrent has no piece layers");
    this.#layout = layout;
    this.#level = log2Exact(layout.blocksPerPiece);
    const layers = new Map<string, Layer>();
    this.#layerOfFile = layout.files.map((file, index) => {
      const pieces = layout.pieceCountOf(index);
      if (pieces === 0) return undefined;
      invariant(file.piecesRoot !== undefined, `file ${index} has a root`);
      const key = toHex(file.piecesRoot);
      let layer = layers.get(key);
      if (layer === undefined) {
        layer = this.#newLayer(file.piecesRoot, pieces, known.get(key));
        layers.set(key, layer);
      }
      if (layer.pieces !== pieces) {
        throw new VerificationFailed(
          `Cannot use the torrent: files of ${layer.pieces} and of ${pieces} pieces share the root ${key}`,
        );
      }
      return layer;
    });
    this.#missing = this.#spans.length;
  }

  /** Whether the hash of every piece is known. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /** Whether a piece's hash is known: asked for each piece that is begun, so it makes nothing. */
  knows(piece: PieceIndex): boolean {
    const { spans } = this.#layerOf(piece);
    if (spans.length === 0) return true;
    return spans[Math.floor(this.#layout.pieceInFile(piece) / SPAN_HASHES)]!.isKnown;
  }

  /** A piece's hash: 32 bytes, a view; undefined as long as it is not proven. */
  hashOf(piece: PieceIndex): Uint8Array | undefined {
    const layer = this.#layerOf(piece);
    const index = this.#layout.pieceInFile(piece);
    if (layer.spans[Math.floor(index / SPAN_HASHES)]?.isKnown === false) return undefined;
    return layer.hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }

  /**
   * Hash requests (21) for what is missing, at most `max`. The same need is always the same object, so that a
   * caller can keep those under way in a Set.
   */
  nextRequests(max: number, isUnderWay: (request: HashSpan) => boolean = () => false): HashSpan[] {
    while (this.#spans[this.#cursor]?.isKnown === true) this.#cursor++;
    const requests: HashSpan[] = [];
    for (let i = this.#cursor; i < this.#spans.length && requests.length < max; i++) {
      const { isKnown, request } = this.#spans[i]!;
      if (!isKnown && !isUnderWay(request)) requests.push(request);
    }
    return requests;
  }

  /** The object that `nextRequests` gave for what an answer echoes; undefined when it gave none. */
  requestOf(echoed: HashSpan): HashSpan | undefined {
    return this.#spanByKey.get(keyOf(echoed))?.request;
  }

  /**
   * Takes an answer (22).
   *
   * @param hashes The span's hashes, then the uncles; copied.
   * @returns Whether these hashes are known now. False when the proof fails or nobody needs such an answer: then
   * nothing has changed.
   */
  onHashes(echoed: HashSpan, hashes: Uint8Array): boolean {
    const span = this.#spanByKey.get(keyOf(echoed));
    if (span === undefined) return false;
    if (span.isKnown) return true;
    const { layer, request } = span;
    const { root, index, count } = request;
    const own = hashes.subarray(0, count * HASH_BYTES);
    const uncles = hashes.subarray(count * HASH_BYTES);
    const layers = log2Exact(ceil2(layer.pieces));
    if (!verifyProof({ root, layers, index, count, hashes: own, uncles })) return false;
    const real = Math.min(count, layer.pieces - index) * HASH_BYTES;
    // Else the layer could not be proven again from what is saved: padding is not saved.
    for (let at = real; at < own.length; at += HASH_BYTES) {
      if (!equalBytes(own.subarray(at, at + HASH_BYTES), zeroHash(this.#level))) return false;
    }
    layer.hashes.set(own.subarray(0, real), index * HASH_BYTES);
    span.isKnown = true;
    this.#missing--;
    return true;
  }

  /** Every whole layer by its root in hex, 32 bytes per piece, as a .torrent's `piece layers` has them. Views. */
  layersByRoot(): Map<string, Uint8Array> {
    const layers = new Map<string, Uint8Array>();
    for (const layer of this.#layerOfFile) {
      if (layer === undefined || layer.pieces === 1 || layer.spans.some((span) => !span.isKnown)) continue;
      layers.set(toHex(layer.root), layer.hashes);
    }
    return layers;
  }

  /**
   * The part of a file's tree that is known without reading the file: its piece layer and all above.
   *
   * @returns undefined when no file has that root, its layer is not whole, or it is one piece (then nothing is).
   */
  treeOf(root: Uint8Array): MerkleTree | undefined {
    const layer = this.#layerOfFile.find((layer) => layer !== undefined && equalBytes(layer.root, root));
    if (layer === undefined || layer.pieces === 1 || layer.spans.some((span) => !span.isKnown)) {
      return undefined;
    }
    layer.tree ??= new MerkleTree({ hashes: layer.hashes, level: this.#level });
    return layer.tree;
  }

  /**
   * The request for the hashes of a piece's blocks, with the whole proof. Undefined where there is nothing below the
   * piece's own hash, or more than anybody answers (pieces above 128 MiB).
   */
  leafRequest(piece: PieceIndex): HashSpan | undefined {
    const { root, pieces } = this.#layerOf(piece);
    const count = pieces === 1 ? ceil2(this.#layout.blockCount(piece)) : this.#layout.blocksPerPiece;
    if (count === 1 || count > MAX_HASHES_PER_REQUEST) return undefined;
    const index = this.#layout.pieceInFile(piece) * count;
    return { root, base: 0, index, count, proofLayers: log2Exact(count) + log2Exact(ceil2(pieces)) - 1 };
  }

  /**
   * The hashes of a piece's blocks out of an answer, 32 bytes each and a copy, checked against the piece's hash, or
   * against the root where that is not known.
   *
   * @returns undefined when they answer something else or prove nothing.
   */
  verifyLeaves(piece: PieceIndex, echoed: HashSpan, hashes: Uint8Array): Uint8Array | undefined {
    const request = this.leafRequest(piece);
    if (request === undefined || keyOf(request) !== keyOf(echoed)) return undefined;
    const { root, index, count, proofLayers } = request;
    if (hashes.length !== (count + uncleCount(request)) * HASH_BYTES) return undefined;
    const leaves = hashes.subarray(0, count * HASH_BYTES);
    const expected = this.hashOf(piece);
    const isProven = expected !== undefined
      ? equalBytes(rootOf(leaves, count, zeroHash(0)), expected)
      : verifyProof({
        root,
        layers: proofLayers + 1,
        index,
        count,
        hashes: leaves,
        uncles: hashes.subarray(count * HASH_BYTES),
      });
    return isProven ? leaves.slice(0, this.#layout.blockCount(piece) * HASH_BYTES) : undefined;
  }

  #newLayer(root: Uint8Array, pieces: number, saved: Uint8Array | undefined): Layer {
    if (pieces === 1) return { root, pieces, hashes: root, spans: [] };
    if (saved?.length === pieces * HASH_BYTES) return { root, pieces, hashes: saved, spans: [] };
    const layer: Layer = { root, pieces, hashes: new Uint8Array(pieces * HASH_BYTES), spans: [] };
    const proofLayers = log2Exact(ceil2(pieces)) - 1;
    for (let index = 0; index < pieces; index += SPAN_HASHES) {
      // Never 1: libtorrent leaves the sibling out of such an answer.
      const count = Math.max(2, Math.min(SPAN_HASHES, ceil2(pieces - index)));
      const span = { layer, request: { root, base: this.#level, index, count, proofLayers }, isKnown: false };
      layer.spans.push(span);
      this.#spans.push(span);
      this.#spanByKey.set(keyOf(span.request), span);
    }
    return layer;
  }

  #layerOf(piece: PieceIndex): Layer {
    const layer = this.#layerOfFile[this.#layout.fileIndexOf(piece)];
    invariant(layer !== undefined, `piece ${piece} belongs to a file with data`);
    return layer;
  }
}

/** The piece layer of all files with one root. */
interface Layer {
  readonly root: Uint8Array;
  readonly pieces: number;
  /** 32 bytes per piece; zeros where a span is not known. */
  readonly hashes: Uint8Array;
  /** Empty where all was known from the start. */
  readonly spans: Span[];
  /** Made when somebody first asks: twice the layer's memory. */
  tree?: MerkleTree;
}

/** What one request brings. */
interface Span {
  readonly layer: Layer;
  readonly request: HashSpan;
  isKnown: boolean;
}

function keyOf({ root, base, index, count, proofLayers }: HashSpan): string {
  return `${toHex(root)}/${base}/${index}/${count}/${proofLayers}`;
}

/** Hashes per request: BEP 52's advice, and the step in which libtorrent keeps book. */
const SPAN_HASHES = 512;
