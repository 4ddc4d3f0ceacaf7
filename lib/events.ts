// What a run tells whoever watches it. lib/status turns events into lines, a progress bar or JSON; nothing else
// in lib prints.

/** The phases of upstream's mirror_state.json, in the order a run meets them. */
export type Phase =
  | "starting"
  | "bootstrapping_dht"
  | "idle"
  | "discovering"
  | "downloading_metadata"
  | "checking"
  | "downloading"
  | "finished"
  | "seeding"
  | "error"
  | "stopped";

/** A moment of a download. Rates are bytes per second over the last few seconds. */
export interface TransferProgress {
  /** Bytes of content verified and on disk, and of how many. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly downRate: number;
  readonly upRate: number;
  /** Connected peers without everything; seeds have everything; connections is both and those still in handshake. */
  readonly peers: number;
  readonly seeds: number;
  readonly connections: number;
  /** Seconds to go at this rate; undefined when nothing moves. */
  readonly etaSeconds: number | undefined;
  /** How much is unpacked of what comes; undefined or absent where nothing is. */
  readonly unpacked?: { readonly doneBytes: number; readonly totalBytes: number } | undefined;
}

/** A whole snapshot on disk, as a mirror serves it. */
export interface SnapshotFacts {
  /** Hex: v2, or v1 where the torrent has no other; and v1, where there is one. */
  readonly infoHash: string;
  readonly infoHashV1: string | undefined;
  /** Of the pointer that named it last; undefined when none did in this data directory. */
  readonly seq: number | undefined;
  /** The torrent's name, and what the producer's source called the file. */
  readonly name: string;
  readonly originalFilename: string;
  /** Bytes. */
  readonly size: number;
  readonly path: string;
}

/** What a mirror that runs for long is and does, told every few seconds. Bytes are of content, since the start. */
export interface Standing {
  /** undefined before there is a whole one. */
  readonly snapshot: SnapshotFacts | undefined;
  /** Older ones that are served too. */
  readonly kept: number;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  /** Bytes per second. */
  readonly upRate: number;
  readonly downRate: number;
  /** Of all torrents: connected peers without everything, with everything, and these and those in handshake. */
  readonly peers: number;
  readonly seeds: number;
  readonly connections: number;
  /** DHT nodes known to live. */
  readonly dhtNodes: number;
  /** Of the newest pointer ever accepted; undefined before there is one. */
  readonly newestSeq: number | undefined;
  /** Milliseconds since 1970 of the last lookup that found it; undefined before there is one. */
  readonly foundUnixMs: number | undefined;
  /** Why not all is well; undefined when it is. */
  readonly trouble: string | undefined;
}

/** Something that a run tells: a change of phase, a line for the log, a moment of a download, or of other long work. */
export type RunEvent =
  | { readonly kind: "phase"; readonly phase: Phase; readonly previous: Phase }
  | {
    readonly kind: "note";
    readonly level: "debug" | "info" | "warning" | "error";
    /** A logger name: mirror.discovery, mirror.session, mirror.watcher, extract. */
    readonly logger: string;
    readonly text: string;
  }
  | { readonly kind: "transfer"; readonly progress: TransferProgress }
  | {
    readonly kind: "work";
    /** What is being gone through, for people: "Checking", "Extracting". */
    readonly label: string;
    readonly doneBytes: number;
    readonly totalBytes: number;
  }
  /** A lookup found a verified pointer. `isNews`: it names another snapshot than the one before. */
  | { readonly kind: "discovered"; readonly seq: number; readonly infoHash: string; readonly isNews: boolean }
  /** A new snapshot is whole, in its place and served. */
  | { readonly kind: "switched"; readonly snapshot: SnapshotFacts }
  /** Something is wrong that ends nothing, or (`why` undefined) all is well again. Told at each change. */
  | { readonly kind: "degraded"; readonly why: string | undefined }
  | { readonly kind: "standing"; readonly standing: Standing };

/** Takes every event of a run, at once and in order. What it throws ends the run. */
export type Report = (event: RunEvent) => void;
