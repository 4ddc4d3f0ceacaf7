// A comparison as one JSON object and as one row of a Markdown table. Ratios are taken pair by pair: what slowed the
// machine down for a while slowed both halves of a pair.

import { type Comparison, median, type Sample } from "./harness.ts";

const MB = 1e6;
const GIB = 1 << 30;

export interface Summary {
  readonly row: string;
  readonly size: number;
  readonly pairs: number;
  /** Our rate over theirs: the median of the pairs, the least and the most. */
  readonly ratio: number;
  readonly ratios: readonly number[];
  /** The same with the process's start and end in it. */
  readonly processRatio: number;
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

export function summarize({ row, size, ours, theirs }: Comparison): Summary {
  const ratios = ours.map((own, i) => theirs[i]!.workMs / own.workMs);
  const processRatios = ours.map((own, i) => theirs[i]!.wallMs / own.wallMs);
  return {
    row,
    size,
    pairs: ratios.length,
    ratio: round(median(ratios), 3),
    ratios: ratios.map((ratio) => round(ratio, 3)),
    processRatio: round(median(processRatios), 3),
    ours: side(ours, size),
    theirs: side(theirs, size),
  };
}

function side(samples: readonly Sample[], size: number): SideSummary {
  const cpu = samples.map(({ userSeconds, systemSeconds }) => userSeconds + systemSeconds);
  return {
    megabytesPerSecond: round(median(samples.map(({ workMs }) => size / MB / (workMs / 1000))), 1),
    wallSeconds: round(median(samples.map(({ wallMs }) => wallMs / 1000)), 2),
    cpuSecondsPerGiB: round(median(cpu) * GIB / size, 2),
    peakRssMegabytes: round(Math.max(...samples.map(({ peakRssBytes }) => peakRssBytes)) / MB, 1),
  };
}

export const TABLE_HEAD = [
  "| row | ratio (least–most) | whole process | rate MB/s | CPU s per GiB | peak RSS MB |",
  "|---|---|---|---|---|---|",
].join("\n");

/** ours / theirs in each column. */
export function tableRow(summary: Summary): string {
  const { row, ratio, ratios, processRatio, ours, theirs } = summary;
  const range = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
  const cells = [
    row,
    `${ratio.toFixed(2)} (${range})`,
    processRatio.toFixed(2),
    `${ours.megabytesPerSecond} / ${theirs.megabytesPerSecond}`,
    `${ours.cpuSecondsPerGiB} / ${theirs.cpuSecondsPerGiB}`,
    `${ours.peakRssMegabytes} / ${theirs.peakRssMegabytes}`,
  ];
  return `| ${cells.join(" | ")} |`;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
