// A run's status in a few lines, for `nano-snap status`. What a stranger may have named comes escaped: the status may
// have come from another machine.

import { formatBytes, formatPercent, formatRate, formatSeconds, formatShare, printable } from "../format.ts";
import { judge, type Look, nameOf } from "./health.ts";
import type { RunStatus } from "./run_status.ts";

/** Lines of a name and what holds; the first is the whole in a sentence, the last says where more is to be had. */
export function describe(status: RunStatus, look: Look): string {
  const { isHealthy, why } = judge(status, look);
  const spent = (unixMs: number) => formatSeconds(Math.max(0, look.nowUnixMs - unixMs) / 1000);
  const lines: [name: string, text: string | undefined][] = [
    ["trouble", isHealthy ? undefined : why],
    ["snapshot", snapshotText(status)],
    ["progress", progressText(status)],
    ["peers", peersText(status)],
    ["total", totalText(status)],
    ["network", networkText(status, spent)],
    ["pointer", pointerText(status, spent)],
    ["degraded", status.degraded],
    ["last error", status.lastError],
    ["process", `${status.pid}, version ${status.version}, for ${spent(status.startedUnixMs)}`],
    ["metrics", status.metricsUrl && `${status.metricsUrl}/metrics`],
  ];
  const told = lines.flatMap(([name, text]) => text === undefined ? [] : [`  ${name.padEnd(11)}${text}`]);
  const first = `nano-snap ${nameOf(status)}: ${status.phase} for ${spent(status.sinceUnixMs)}`;
  return [first, ...told].map(printable).join("\n") + "\n";
}

function snapshotText({ generation }: RunStatus): string | undefined {
  if (generation === undefined) return undefined;
  const { seq, infoHash, sizeBytes, originalFilename } = generation;
  const parts = [
    seq === undefined ? undefined : `seq ${seq}`,
    infoHash,
    sizeBytes === undefined ? undefined : formatBytes(sizeBytes),
    originalFilename,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

function progressText({ progress }: RunStatus): string | undefined {
  if (progress === undefined) return undefined;
  const { label, doneBytes, totalBytes, etaSeconds } = progress;
  const left = etaSeconds === undefined ? "" : `, ${formatSeconds(etaSeconds)} left`;
  return `${label} ${formatPercent(doneBytes, totalBytes)}, ${formatShare(doneBytes, totalBytes)}${left}`;
}

function peersText({ traffic }: RunStatus): string {
  const { peers, seeds, connections, downRate, upRate } = traffic;
  return `${peers} leechers, ${seeds} seeds, ${connections} connections; ` +
    `down ${formatRate(downRate)}, up ${formatRate(upRate)}`;
}

function totalText({ traffic: { downloadedBytes, uploadedBytes } }: RunStatus): string | undefined {
  if (downloadedBytes + uploadedBytes === 0) return undefined;
  return `down ${formatBytes(downloadedBytes)}, up ${formatBytes(uploadedBytes)}`;
}

function networkText(status: RunStatus, spent: (unixMs: number) => string): string | undefined {
  const { traffic, discoveredUnixMs, isReachable } = status;
  const parts = [
    traffic.dhtNodes === 0 ? undefined : `${traffic.dhtNodes} DHT nodes`,
    discoveredUnixMs === undefined ? undefined : `pointer last found ${spent(discoveredUnixMs)} ago`,
    isReachable === undefined
      ? undefined
      : isReachable
      ? "others can connect to it"
      : "others cannot connect to it",
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(", ");
}

function pointerText({ publication }: RunStatus, spent: (unixMs: number) => string): string | undefined {
  if (publication === undefined) return undefined;
  const { isVerified, lastUnixMs, lastError } = publication;
  const last = lastUnixMs === undefined ? "" : `, last ${spent(lastUnixMs)} ago`;
  const why = lastError === "" ? "" : `: ${lastError}`;
  return `${isVerified ? "published and read back" : "not published yet"}${last}${why}`;
}
