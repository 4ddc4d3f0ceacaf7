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
  };

/** Takes every event of a run, at once and in order. What it throws ends the run. */
export type Report = (event: RunEvent) => void;
