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

/** What all torrents of a run move together. */
export interface Traffic {
  /** Bytes of content since the start; they never fall. */
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  /** Bytes per second over the last few seconds. */
  readonly upRate: number;
  readonly downRate: number;
  /** Connected peers without everything, with everything, and these and those in handshake. */
  readonly peers: number;
  readonly seeds: number;
  readonly connections: number;
  /** DHT nodes known to live; 0 when it is off. */
  readonly dhtNodes: number;
}

/**
 * What a mirror or a seeder that runs for long is and does. It is told every few seconds, whatever else goes on: who
 * watches takes it as the sign that the run's loop turns.
 */
export interface Standing extends Traffic {
  /** undefined before there is a whole one. */
  readonly snapshot: SnapshotFacts | undefined;
  /** Older ones that are served too. */
  readonly kept: number;
  /** Of the newest pointer ever accepted; undefined before there is one. */
  readonly newestSeq: number | undefined;
  /** Milliseconds since 1970 of the last lookup that found it; undefined before there is one. */
  readonly foundUnixMs: number | undefined;
  /** Why not all is well; undefined when it is. */
  readonly trouble: string | undefined;
}

/** The snapshot that is being fetched. What only its metadata tells is undefined until that is here. */
export interface Fetching {
  /** Hex: v2, or what is known of it; v1 where the torrent has no other. */
  readonly infoHash: string;
  /** Of the pointer; undefined when no pointer named it. */
  readonly seq: number | undefined;
  readonly name: string | undefined;
  readonly originalFilename: string | undefined;
  /** Bytes. */
  readonly size: number | undefined;
}

/** What became of a producer's pointer. */
export interface Publication {
  /** The current one is in the DHT and was read back. */
  readonly isVerified: boolean;
  /** Milliseconds since 1970 of the last success; undefined before there was one. */
  readonly lastUnixMs: number | undefined;
  /** Of the last attempt; "" after a success. */
  readonly lastError: string;
}

/** What holds of a run until it tells otherwise; undefined is "not known" or "not so". */
export interface RunFacts {
  /**
   * The `.nano-snap` folder whose lock this run has: its status.json is kept there from now on, and metrics are served.
   * Told once more, undefined, just before the lock goes.
   */
  readonly directory: string | undefined;
  readonly fetching: Fetching | undefined;
  /** Whether others can connect to us, where that is known. */
  readonly isReachable: boolean | undefined;
  /** undefined for whoever publishes nothing. */
  readonly publication: Publication | undefined;
  /** Why it failed last; undefined when all is well again. */
  readonly lastError: string | undefined;
}

/** Something that a run tells: a change of phase, a line for the log, a moment of a download, or of other long work. */
export type RunEvent =
  | {
    readonly kind: "phase";
    readonly phase: Phase;
    readonly previous: Phase;
    /** Who says so; the command's own when it is not given. */
    readonly logger?: string;
  }
  /** For status.json and metrics; people see none of it. What is named replaces what was known. */
  | { readonly kind: "facts"; readonly facts: Partial<RunFacts> }
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
