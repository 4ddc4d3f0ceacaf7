// What progress looks like: as words for a log line, and when the next such line is due. Upstream's words
// (Download, State, DL, UL, Peers, Seeds, Connections) stay, because operators grep for them.

import type { Phase, TransferProgress } from "../events.ts";
import { formatPercent, formatRate, formatSeconds, formatShare } from "../format.ts";

/** One moment of something that takes long. */
export interface Progress {
  /** What it is, and so which line it continues: "Download", "Extracting". */
  readonly label: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** A download as a log line. As upstream's, `Peers` counts all that are connected, seeds among them. */
export function transferLine(progress: TransferProgress, phase: Phase): string {
  const { unpacked } = progress;
  return [
    `Download: ${formatPercent(progress.doneBytes, progress.totalBytes)}`,
    `State: ${phase}`,
    `DL: ${formatRate(progress.downRate)}`,
    `UL: ${formatRate(progress.upRate)}`,
    `Peers: ${progress.peers + progress.seeds} (Seeds: ${progress.seeds})`,
    `Connections: ${progress.connections}`,
    `ETA: ${progress.etaSeconds === undefined ? "unknown" : formatSeconds(progress.etaSeconds)}`,
    ...(unpacked === undefined
      ? []
      : [`Unpacked: ${formatPercent(unpacked.doneBytes, unpacked.totalBytes)}`]),
  ].join(" | ");
}

/** Any other long work as a log line. */
export function workLine(work: Progress): string {
  return `${work.label}: ${formatPercent(work.doneBytes, work.totalBytes)} | ` +
    formatShare(work.doneBytes, work.totalBytes);
}

/** A download in few words, for a bar on a terminal: what matters most first, for the last may find no room. */
export function transferWords(progress: TransferProgress): string[] {
  const { unpacked, etaSeconds, peers, seeds } = progress;
  return [
    formatShare(progress.doneBytes, progress.totalBytes),
    formatRate(progress.downRate),
    ...(etaSeconds === undefined ? [] : [`${formatSeconds(etaSeconds)} left`]),
    ...(unpacked === undefined ? [] : [`unpacked ${formatPercent(unpacked.doneBytes, unpacked.totalBytes)}`]),
    `Peers: ${peers + seeds} (Seeds: ${seeds})`,
  ];
}

/** Decides which moments become log lines: the first, the last, and between them one a minute or each 2 %. */
export class LinePacer {
  readonly #last = new Map<string, { atMs: number; share: number }>();

  /** Whether this moment is to be told; if so, it counts as told. */
  isDue(progress: Progress, nowMs: number): boolean {
    const share = progress.totalBytes <= 0 ? 1 : progress.doneBytes / progress.totalBytes;
    const last = this.#last.get(progress.label);
    if (last !== undefined && !isWorthALine(last, share, nowMs)) return false;
    this.#last.set(progress.label, { atMs: nowMs, share });
    return true;
  }
}

function isWorthALine(last: { atMs: number; share: number }, share: number, nowMs: number): boolean {
  const waitedMs = nowMs - last.atMs;
  // Back to the start: the same work again.
  if (share < last.share) return waitedMs >= SHORTEST_PAUSE_MS;
  if (share >= 1 && last.share < 1) return true;
  return waitedMs >= LONGEST_PAUSE_MS || (waitedMs >= SHORTEST_PAUSE_MS && share - last.share >= STEP);
}

const LONGEST_PAUSE_MS = 60_000;
const STEP = 0.02;
/** A fast download passes 2 % many times a second. */
const SHORTEST_PAUSE_MS = 5_000;
