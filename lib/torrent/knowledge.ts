// What must be known of a torrent besides its content: the metadata (BEP 9) and the merkle hashes (BEP 52). This asks
// peers for what is missing, answers them with what is here, and hears nothing of blocks.
//
//   metadata wanted -> `onMetadata` gives its bytes -> `learn` -> layers wanted -> `onHashes` says when they are whole

import { equalBytes } from "../bytes.ts";
import type { Download } from "./download.ts";
import { type ExtensionHandshake, METADATA_PIECE_BYTES, type MetadataMessage } from "./extension.ts";
import { WireFault } from "../errors.ts";
import { HashFetch } from "./hash_fetch.ts";
import { HashService } from "./hash_service.ts";
import type { PieceIndex } from "./layout.ts";
import { LeafFetch } from "./leaf_fetch.ts";
import { MAX_LEAF_REQUESTS_HELD, SEND_HIGH_WATER_BYTES } from "./limits.ts";
import { MetadataFetch, type WantedInfo } from "./metadata_fetch.ts";
import type { Info } from "./metainfo.ts";
import type { PeerCore } from "./peer_core.ts";
import type { PieceLayers } from "./piece_layers.ts";
import { type HashSpan, ID } from "./wire.ts";

/** What an answer with hashes brought. */
export type HashNews =
  | { readonly kind: "nothing" | "some" | "layers" }
  /** The true hashes of a failed piece's blocks. */
  | { readonly kind: "leaves"; readonly piece: PieceIndex; readonly leaves: Uint8Array };

export class Knowledge {
  #info: Info | undefined;
  #metadata: MetadataFetch | undefined;
  #layers: PieceLayers | undefined;
  #hashFetch: HashFetch | undefined;
  #leafFetch: LeafFetch | undefined;
  #service: HashService | undefined;
  #download: () => Download | undefined = () => undefined;
  /** Requests for leaves that come faster than they are read. */
  #waiting: { readonly peer: PeerCore; readonly span: HashSpan }[] = [];

  /** @param wanted What the metadata must hash to; undefined when it comes by `learn`. */
  constructor(wanted: WantedInfo | undefined) {
    if (wanted !== undefined) this.#metadata = new MetadataFetch(wanted);
  }

  get info(): Info | undefined {
    return this.#info;
  }

  /** Whether peers must be asked for piece layers: only v2 connections can be. */
  get needsHashes(): boolean {
    return this.#layers?.isComplete === false;
  }

  /**
   * The metadata is checked.
   *
   * @param layers undefined for a v1 torrent.
   * @param download What is on disk, once that is known: leaves are served from it.
   */
  learn(info: Info, layers: PieceLayers | undefined, download: () => Download | undefined): void {
    this.#info = info;
    this.#download = download;
    this.#metadata = undefined;
    this.#layers = layers;
    if (layers === undefined) return;
    if (!layers.isComplete) this.#hashFetch = new HashFetch(layers);
    this.#leafFetch = new LeafFetch(layers);
    this.#service = new HashService(layers, download);
  }

  tick(peers: Iterable<PeerCore>, nowMs: number): void {
    this.#metadata?.tick(nowMs);
    this.#hashFetch?.tick(nowMs);
    this.#leafFetch?.tick(peers, nowMs);
    for (const one of this.#waiting.splice(0)) {
      if (isFull(one.peer)) this.#waiting.push(one);
      else this.onHashRequest(one.peer, one.span);
    }
  }

  leave(peer: PeerCore): void {
    this.#metadata?.removePeer(peer.number);
    this.#hashFetch?.removePeer(peer.number);
    this.#waiting = this.#waiting.filter((one) => one.peer !== peer);
  }

  onExtensions(peer: PeerCore, theirs: ExtensionHandshake): void {
    if (this.#metadata === undefined || (theirs.ids.ut_metadata ?? 0) === 0) return;
    const request = (piece: number) => void peer.sendMetadata({ kind: "request", piece });
    this.#metadata.addPeer({ number: peer.number, request }, theirs.metadataSize, peer.nowMs);
  }

  /** The peer said which pieces it has: libtorrent without metadata would hang up on a hash request. */
  onPieces(peer: PeerCore): void {
    if (!peer.isV2 || peer.pieces?.count === 0) return;
    const request = (span: HashSpan) => peer.out.hashSpan(ID.hashRequest, span);
    this.#hashFetch?.addPeer({ number: peer.number, request }, peer.nowMs);
  }

  /**
   * Serves a request, or takes an answer.
   *
   * @returns The whole info dictionary when this was its last part and its hash fits.
   * @throws {WireFault} When the peer's copy is wrong.
   */
  onMetadata(peer: PeerCore, message: MetadataMessage): Uint8Array | undefined {
    if (message.kind === "request") {
      this.#serveMetadata(peer, message.piece);
      return undefined;
    }
    const bytes = this.#metadata?.receive(peer.number, message, peer.nowMs);
    if (bytes !== undefined) this.#metadata = undefined;
    return bytes;
  }

  /** @throws {WireFault} When the peer does not read what it asks for. */
  onHashRequest(peer: PeerCore, span: HashSpan): void {
    // An honest one has two waiting (BEP 52): no reject is owed.
    if (isFull(peer)) throw new WireFault("BEP 52", "asks for more hashes than it reads");
    if (this.#wouldEnd(peer, span)) return;
    const hashes = this.#service?.answer(span, peer.nowMs);
    const isTooMuch = this.#waiting.filter((one) => one.peer === peer).length >= MAX_LEAF_REQUESTS_HELD;
    if (hashes === "later" && !isTooMuch) {
      this.#waiting.push({ peer, span });
      return;
    }
    if (hashes instanceof Uint8Array) return peer.out.hashSpan(ID.hashes, span, hashes);
    // libtorrent up to 2.0.13, under whatever name, may crash on a reject of leaves; silence costs it one of two slots.
    const mayHarm = span.base === 0 && !peer.client.startsWith(OUR_NAME);
    if (!mayHarm) peer.out.hashSpan(ID.hashReject, span);
  }

  /**
   * Where a piece is a block, libtorrent takes the true hash of a lone last piece that it does not have yet for proof
   * that it has it, and gives a hybrid torrent up: "v1 and v2 hashes do not describe the same data". It does without.
   */
  #wouldEnd(peer: PeerCore, { base, count, index, root }: HashSpan): boolean {
    const layout = this.#download()?.layout;
    if (this.#info?.kind !== "hybrid" || layout?.blocksPerPiece !== 1 || base !== 0 || count !== 1) {
      return false;
    }
    const file = layout.files.findIndex(({ piecesRoot }) =>
      piecesRoot !== undefined && equalBytes(piecesRoot, root)
    );
    return file >= 0 && !peer.has(layout.firstPieceOf(file) + index);
  }

  /** @throws {WireFault} When it answers a request of ours and proves nothing. */
  onHashes(peer: PeerCore, span: HashSpan, hashes: Uint8Array): HashNews {
    const found = span.base === 0 ? this.#leafFetch?.onHashes(peer, span, hashes) : undefined;
    if (found !== undefined) return { kind: "leaves", ...found };
    if (this.#hashFetch?.onHashes(peer.number, span, hashes, peer.nowMs) !== true) return { kind: "nothing" };
    if (this.needsHashes) return { kind: "some" };
    this.#hashFetch = undefined;
    return { kind: "layers" };
  }

  onHashReject(peer: PeerCore, span: HashSpan): void {
    this.#leafFetch?.onReject(peer, span);
    this.#hashFetch?.onReject(peer.number, span, peer.nowMs);
  }

  /** The piece failed and several peers had sent it: its block hashes would tell who. */
  wantLeaves(piece: PieceIndex): void {
    this.#leafFetch?.want(piece);
  }

  /** The piece is here. */
  forgetLeaves(piece: PieceIndex): void {
    this.#leafFetch?.forget(piece);
  }

  #serveMetadata(peer: PeerCore, piece: number): void {
    const bytes = this.#info?.bytes;
    const at = piece * METADATA_PIECE_BYTES;
    // Here an honest one may ask for all of it at once, and comes again for what is refused.
    if (bytes === undefined || at >= bytes.length || isFull(peer)) {
      peer.sendMetadata({ kind: "reject", piece });
      return;
    }
    const data = bytes.subarray(at, at + METADATA_PIECE_BYTES);
    peer.sendMetadata({ kind: "data", piece, totalSize: bytes.length, data });
  }
}

/** How we call ourselves: of our own kind a reject is wanted. */
const OUR_NAME = "nano-snap";

/**
 * Whether the peer must read before it is told more. One read of ours may hold thousands of its questions, each a few
 * bytes and worth an answer of 16 KiB and more.
 */
function isFull(peer: PeerCore): boolean {
  return peer.out.pending > SEND_HIGH_WATER_BYTES;
}
