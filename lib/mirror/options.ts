// What a `get` is asked for and what it answers: plain data, so that a library user needs no command line.

import type { Endpoint } from "../ports.ts";

/** Where a snapshot's name comes from when it is not the authority's pointer. */
export type Source =
  | { readonly kind: "magnet"; readonly text: string }
  | { readonly kind: "torrent"; readonly path: string }
  /** 20 bytes (v1, or v2 cut short) or 32 bytes (v2). */
  | { readonly kind: "infoHash"; readonly bytes: Uint8Array };

/** Everything that a `get` is told. Nothing has a default here: those are the command line's. */
export interface GetOptions {
  /** The authority's Ed25519 public key, 32 bytes. */
  readonly authorityKey: Uint8Array;
  /** 0 to 64 bytes. */
  readonly salt: Uint8Array;
  readonly dataDir: string;
  /** TCP and UDP; 0 takes a free one. */
  readonly port: number;
  /** Addresses to listen on; empty means all of both families. */
  readonly bind: readonly string[];
  readonly dht: {
    readonly enabled: boolean;
    /** undefined means the public routers. Hosts may be names. */
    readonly bootstrap: readonly Endpoint[] | undefined;
  };
  /** Peers to try besides those that are found. Hosts may be names. */
  readonly peers: readonly Endpoint[];
  /** Trackers to tell besides the torrent's own. */
  readonly trackers: readonly string[];
  /** No tracker is told anything when false. */
  readonly useTrackers: boolean;
  /** Servers that have the content too; the torrent's own are asked unless `enabled` says no. */
  readonly webSeeds?: { readonly enabled: boolean; readonly named: readonly string[] };
  /** Skips discovery. */
  readonly source: Source | undefined;
  /** Unpack `data.ldb` into the data directory. */
  readonly extract: boolean;
  /** Keep the archive after a good extraction. */
  readonly keepArchive: boolean;
  /** With `extract`: drop what is unpacked of the archive while the rest comes. */
  readonly lowDisk?: boolean;
  /** Do the work again even if it is done. */
  readonly force: boolean;
  readonly discoverTimeoutMs: number;
  /** Give up after so long without data that brings the download on; 0 waits for ever. */
  readonly stallTimeoutMs: number;
  /** Connections at once. */
  readonly maxPeers: number;
  /** Bytes per second; undefined for no limit. */
  readonly downLimit: number | undefined;
  readonly upLimit: number | undefined;
  /** For what web seeds send, besides `downLimit`. */
  readonly webSeedLimit?: number | undefined;
  /** Ask the router to pass the port on; look for peers in the local network. No when undefined. */
  readonly portMapping?: boolean;
  readonly lsd?: boolean;
}

/** What lies in a ledger; undefined where its quick facts do not tell. */
export interface LedgerSummary {
  readonly version: number | undefined;
  /** The first node release that takes this version: "V27.0". */
  readonly minimumNode: string | undefined;
  readonly blockCount: number | undefined;
  readonly accountCount: number | undefined;
  readonly cementedCount: number | undefined;
  readonly network: string;
}

/** What became of a node's ledger. */
export interface Installation {
  /** The node's folder. */
  readonly directory: string;
  /** The ledger before; undefined when there was none, or none was kept, or nothing was installed in this run. */
  readonly backup: string | undefined;
  /** The command that starts the node. */
  readonly next: string;
}

/** How a `get` ended well. */
export interface GetResult {
  /** The file asked for: the ledger with `extract`, otherwise the archive. */
  readonly path: string;
  /** Its bytes. */
  readonly size: number;
  /** undefined when discovery was skipped. */
  readonly seq: number | undefined;
  /** When the snapshot was taken, in milliseconds since 1970; undefined when the stream does not say. */
  readonly publishedMs: number | undefined;
  /** How long ago that was when the run ended. */
  readonly ageMs: number | undefined;
  /** Hex: v2, undefined for a v1-only torrent; and v1, undefined for a v2-only one. */
  readonly infoHash: string | undefined;
  readonly infoHashV1: string | undefined;
  /** Nothing was fetched: the file was there already. */
  readonly alreadyCurrent: boolean;
  /** The archive, where one is left on disk. */
  readonly archive: string | undefined;
  /** undefined when no ledger was asked for. */
  readonly ledger: LedgerSummary | undefined;
  /** undefined when the ledger was not for a node. */
  readonly install?: Installation | undefined;
  /** Bytes of content from others, and how long the run took. */
  readonly downloadedBytes: number;
  readonly elapsedMs: number;
}
