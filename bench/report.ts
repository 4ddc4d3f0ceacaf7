// What a row answers, as one JSON object and as one line of a Markdown table: figures, and the bars that they are held
// to, each met or not. Ratios are taken pair by pair: what slowed the machine down for a while slowed both halves of a
// pair.

import type { Sample } from "./harness.ts";

const MB = 1e6;
const GIB = 1 << 30;

/** What one row found. */
export interface Outcome {
  /** The row's name, and the variant's. */
  readonly row: string;
  /** For the table: "367 / 255 MB/s". Left of a slash is ours. */
  readonly figure: string;
  readonly bars: readonly Bar[];
  /** Whatever else is known; goes into the JSON line. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly comparison?: Summary;
  /** Instead of a figure: why there is none. */
  readonly missing?: string;
}

/** What a figure must reach. */
export interface Bar {
  /** What is held to it: "rate", "CPU", "RSS". */
  readonly of: string;
  readonly is: "at least" | "at most";
  readonly limit: number;
  readonly got: number;
  readonly unit: string;
}

export function atLeast(of: string, limit: number, got: number, unit = "×"): Bar {
  return { of, is: "at least", limit, got, unit };
}

export function atMost(of: string, limit: number, got: number, unit = "×"): Bar {
  return { of, is: "at most", limit, got, unit };
}

/** @param tolerance Of the bar; 0.5 lets pass what is half as good. */
export function isMet({ is, limit, got }: Bar, tolerance = 1): boolean {
  return is === "at least" ? got >= limit * tolerance : got <= limit / tolerance;
}

/** For people: "rate 1.38× of ≥ 1.5×: not met". */
export function tellBar(bar: Bar): string {
  const sign = bar.is === "at least" ? "≥" : "≤";
  const unit = bar.unit === "×" ? "×" : ` ${bar.unit}`;
  return `${bar.of} ${bar.got}${unit} (${sign} ${bar.limit}${unit}) ${isMet(bar) ? "met" : "**not met**"}`;
}

/** Two sides of one row. */
export interface Comparison {
  readonly row: string;
  /** Bytes that one run moves or hashes. */
  readonly size: number;
  readonly ours: readonly Sample[];
  readonly theirs: readonly Sample[];
  /** Undefined where nothing was promised of it. */
  readonly bars: {
    /** Least ratio of our rate to theirs. */
    readonly rate?: number;
    /** Most ratio of our processor time to theirs. */
    readonly cpu?: number;
    /** Most memory of our side, in bytes. */
    readonly rss?: number;
  };
}

export interface Summary {
  readonly size: number;
  readonly pairs: number;
  /** Our rate over theirs: the median of the pairs, and each. */
  readonly ratio: number;
  readonly ratios: readonly number[];
  /** The same with the process's start and end in it. */
  readonly processRatio: number;
  /** Our processor time over theirs, median over median. */
  readonly cpuRatio: number;
  readonly ours: SideSummary;
  readonly theirs: SideSummary;
}

/** Medians. */
export interface SideSummary {
  /** Of 10^6 bytes. */
  readonly megabytesPerSecond: number;
  readonly wallSeconds: number;
  readonly cpuSecondsPerGiB: number;
  /** The largest of all runs, of 10^6 bytes. */
  readonly peakRssMegabytes: number;
}

/** A comparison as a row answers it. */
export function compared({ row, size, ours, theirs, bars }: Comparison): Outcome {
  const ratios = ours.map((own, i) => theirs[i]!.workMs / own.workMs);
  const processRatios = ours.map((own, i) => theirs[i]!.wallMs / own.wallMs);
  const [own, other] = [sideOf(ours, size), sideOf(theirs, size)];
  const comparison: Summary = {
    size,
    pairs: ratios.length,
    ratio: round(median(ratios), 3),
    ratios: ratios.map((ratio) => round(ratio, 3)),
    processRatio: round(median(processRatios), 3),
    cpuRatio: round(cpuOf(ours) / cpuOf(theirs), 3),
    ours: own,
    theirs: other,
  };
  const held: Bar[] = [];
  if (bars.rate !== undefined) held.push(atLeast("rate", bars.rate, round(comparison.ratio, 2)));
  if (bars.cpu !== undefined) held.push(atMost("CPU", bars.cpu, round(comparison.cpuRatio, 2)));
  if (bars.rss !== undefined) held.push(atMost("RSS", bars.rss / MB, own.peakRssMegabytes, "MB"));
  const figure = `${Math.round(own.megabytesPerSecond)} / ${Math.round(other.megabytesPerSecond)} MB/s`;
  return { row, figure, bars: held, comparison };
}

function sideOf(samples: readonly Sample[], size: number): SideSummary {
  return {
    megabytesPerSecond: round(median(samples.map(({ workMs }) => size / MB / (workMs / 1000))), 1),
    wallSeconds: round(median(samples.map(({ wallMs }) => wallMs / 1000)), 2),
    cpuSecondsPerGiB: round(cpuOf(samples) * GIB / size, 2),
    peakRssMegabytes: round(Math.max(...samples.map(({ peakRssBytes }) => peakRssBytes)) / MB, 1),
  };
}

function cpuOf(samples: readonly Sample[]): number {
  return median(samples.map(({ userSeconds, systemSeconds }) => userSeconds + systemSeconds));
}

export const TABLE_HEAD = [
  "| row | ours / theirs | ratio (least–most) | CPU s per GiB | peak RSS MB | bars |",
  "| --- | --- | --- | --- | --- | --- |",
].join("\n");

/** One JSON object. */
export function jsonLine(outcome: Outcome): string {
  const { row, figure, bars, details, comparison, missing } = outcome;
  const held = bars.map((bar) => ({ ...bar, met: isMet(bar) }));
  const what = missing === undefined ? { figure } : { missing };
  return JSON.stringify({ row, ...what, bars: held, ...comparison, ...details });
}

/** One line of the table. */
export function tableRow({ row, figure, bars, comparison, missing }: Outcome): string {
  const cells = [row, missing ?? figure];
  if (comparison === undefined) cells.push("", "", "");
  else {
    const { ratio, ratios, ours, theirs } = comparison;
    cells.push(
      `${ratio.toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`,
      `${ours.cpuSecondsPerGiB} / ${theirs.cpuSecondsPerGiB}`,
      `${Math.round(ours.peakRssMegabytes)} / ${Math.round(theirs.peakRssMegabytes)}`,
    );
  }
  cells.push(bars.map(tellBar).join("; "));
  return `| ${cells.join(" | ")} |`;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
