// What a fetch of one torrent is told, and what it answers.

import type { Phase, Report } from "../events.ts";
import type { Line } from "../line/line.ts";
import type { TrackerSettings } from "../line/trackers.ts";
import type { Endpoint } from "../ports.ts";
import type { HashedTorrent } from "../torrent/check.ts";
import type { PieceIndex } from "../torrent/layout.ts";
import type { Info } from "../torrent/metainfo.ts";
import type { Swarm } from "../torrent/swarm.ts";
import type { WebSeedSettings } from "../torrent/web_seeds.ts";
import type { Content } from "./content.ts";
import type { ArchiveSpace, WholeCopy } from "./content_options.ts";
import type { DataPaths } from "./data_dir.ts";
import type { Machine } from "./machine.ts";
import type { PassingContent } from "./passing.ts";
import type { Target } from "./target.ts";

/** How much of something is done. */
export interface Share {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** What comes, as who reads it sees it. */
export interface Feed {
  bytesPerSecond(): number;
  /** More may be fetched than a moment ago: peers that were done are asked again. */
  wake(): void;
}

/** Somebody who reads the content while it comes. */
export interface ContentReader {
  /** The content's place is open and what is there is known. Called once, before more comes. */
  begin(content: Content | PassingContent, feed: Feed): void;
  /** One more piece is verified and written. Must not throw, must not wait. */
  onGoodPiece(piece: PieceIndex): void;
  /** Rejects when there is no sense in fetching on. */
  readonly failed: Promise<never>;
  /** undefined before there is any. */
  readonly progress: Share | undefined;
}

export interface FetchOptions {
  readonly machine: Machine;
  readonly paths: DataPaths;
  readonly line: Line;
  readonly target: Target;
  /** Peers named by the user. Hosts may be names. */
  readonly peers: readonly Endpoint[];
  readonly trackers: TrackerSettings;
  /** undefined for the torrent's own and no others. */
  readonly webSeeds?: WebSeedSettings | undefined;
  /** Addresses that the line listens on; empty means all. */
  readonly bind: readonly string[];
  /** Check again whatever is on disk already. */
  readonly force: boolean;
  /** Give up after so long without data that brings the download on; 0 waits for ever. */
  readonly stallTimeoutMs: number;
  readonly client: string;
  /** Called when the metadata is checked, before anything is written: throws to refuse the torrent. */
  readonly onInfo: (info: Info) => void;
  /** Called when it is known how much is still to come, before the first byte is written: throws to refuse. */
  readonly examineSpace?: (archive: ArchiveSpace) => void;
  readonly onPhase: (phase: Phase) => void;
  /** Whole snapshots on this disk, which are read and never touched. */
  readonly wholes?: readonly WholeCopy[];
  /** Told at the start of the torrent's swarm, for whoever counts. */
  readonly onSwarm?: (swarm: Swarm) => void;
  /** Awaited once the torrent is understood, before its content is opened. `layersReady`: all its hashes are here. */
  readonly gate?: (torrent: HashedTorrent, layersReady: Promise<void>) => Promise<void>;
  /**
   * Awaited once all is here, on stable storage, and recorded as such: connected peers are served until it resolves or
   * the signal aborts. The content may be renamed meanwhile.
   */
  readonly onWhole?: (fetched: Fetched) => Promise<void>;
  /** Somebody who reads the content while it comes. */
  readonly reader?: ContentReader | undefined;
  /** Pieces go once the reader has passed them: see passing.ts. Needs a reader. */
  readonly isPassing?: boolean;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export interface Fetched {
  readonly info: Info;
  /** The file, or the folder of a torrent of several: in `incoming/`, or where it is to stay already. */
  readonly path: string;
  /** Bytes of content that came from others in this run. */
  readonly downloadedBytes: number;
}

/** What it takes to learn of a torrent from peers, without its content. */
export type FetchHashesOptions = Pick<
  FetchOptions,
  | "machine"
  | "paths"
  | "line"
  | "target"
  | "peers"
  | "trackers"
  | "bind"
  | "stallTimeoutMs"
  | "client"
  | "report"
  | "signal"
>;
