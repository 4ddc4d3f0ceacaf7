// What a connection needs of the torrent that it belongs to, and what it tells it: the narrow interface between
// peer_core.ts and swarm.ts.

import type { ExtensionHandshake, MetadataMessage, PexPeer } from "./extension.ts";
import type { SwarmHashes } from "./handshake.ts";
import type { PieceSet } from "./piece_set.ts";
import type { HashSpan } from "./wire.ts";

/** Where an address came from: it decides which of a hybrid's hashes the peer is dialed with. */
export type PeerSource = "user" | "dht-v1" | "dht-v2" | "tracker-v1" | "tracker-v2" | "pex" | "incoming";

/** What the torrent tells its peers of itself. */
export interface Introduction {
  readonly hashes: SwarmHashes;
  readonly peerId: Uint8Array;
  readonly client: string;
  readonly listenPort: number | undefined;
  readonly dhtPort: number | undefined;
  /** Known once the metadata is. */
  readonly torrent: {
    readonly pieceCount: number;
    readonly blocksPerPiece: number;
    readonly metadataSize: number;
  } | undefined;
  /** What we have; known once what is on disk was looked at. */
  readonly here: PieceSet | undefined;
}

/** The torrent, as its peers see it. Called from inside `received` and `tick`; views live only during the call. */
export interface PeerOwner<Peer> {
  readonly introduction: Introduction;
  onGreeted(peer: Peer): void;
  onExtensions(peer: Peer, theirs: ExtensionHandshake): void;
  /** It said that it takes no more, or that it does again. */
  onUploadOnly(peer: Peer): void;
  /** The peer has more, or fewer, pieces than it said before. */
  onPieces(peer: Peer, change: PiecesChange): void;
  onChoked(peer: Peer): void;
  onUnchoked(peer: Peer): void;
  onInterest(peer: Peer): void;
  onBlock(peer: Peer, piece: number, begin: number, block: Uint8Array): void;
  onRejected(peer: Peer, piece: number, begin: number): void;
  onRequest(peer: Peer, piece: number, begin: number, length: number): void;
  onCancel(peer: Peer, piece: number, begin: number, length: number): void;
  onMetadata(peer: Peer, message: MetadataMessage): void;
  onPex(peer: Peer, peers: readonly PexPeer[]): void;
  onDhtPort(peer: Peer, port: number): void;
  onHashRequest(peer: Peer, span: HashSpan): void;
  onHashes(peer: Peer, span: HashSpan, hashes: Uint8Array): void;
  onHashReject(peer: Peer, span: HashSpan): void;
}

export type PiecesChange =
  | { readonly kind: "have"; readonly piece: number }
  | { readonly kind: "dont-have"; readonly piece: number }
  /** Its whole set was replaced; `before` is what it was (undefined: everything). */
  | { readonly kind: "all"; readonly before: PieceSet | undefined };
