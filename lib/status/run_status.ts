// What a run is doing, at one moment: the content of status.json and of /status, both ways. A health check in another
// process has nothing else, so every key is always there, absent facts are null, and times are ISO 8601.

import type { Phase, Publication, Traffic } from "../events.ts";
import { isJsonObject, type JsonObject } from "../json_file.ts";
import type { Progress } from "./progress.ts";

/** Which job a run does. */
export type Role = "get" | "swarm" | "produce";

/** The snapshot that a run serves; while it has none, the one that it fetches. */
export interface Generation {
  /** Hex: v2, or v1 where the torrent has no other. */
  readonly infoHash: string;
  /** Of the pointer that named it; undefined when none did. */
  readonly seq: number | undefined;
  readonly torrentName: string | undefined;
  readonly originalFilename: string | undefined;
  readonly sizeBytes: number | undefined;
  /** All of it is here, verified, and offered to others. */
  readonly isServed: boolean;
}

/** Times are in milliseconds since 1970. */
export interface RunStatus {
  readonly role: Role;
  readonly phase: Phase;
  /** false in what a run leaves when it ends. */
  readonly isRunning: boolean;
  readonly pid: number;
  /** The machine that `pid` counts on. */
  readonly hostName: string;
  readonly version: string;
  readonly startedUnixMs: number;
  /** When this phase began. */
  readonly sinceUnixMs: number;
  readonly updatedUnixMs: number;
  /** When its loop last turned; undefined for a job whose loop does not tell. */
  readonly beatUnixMs: number | undefined;
  /** When its work last came on: bytes, a newer snapshot, the first word of one. */
  readonly advancedUnixMs: number;
  readonly generation: Generation | undefined;
  /** What is being gone through at the moment. */
  readonly progress: (Progress & { readonly etaSeconds: number | undefined }) | undefined;
  readonly traffic: Traffic;
  readonly discoveredUnixMs: number | undefined;
  readonly isReachable: boolean | undefined;
  readonly degraded: string | undefined;
  readonly publication: Publication | undefined;
  readonly lastError: string | undefined;
  /** Where its metrics are: "http://127.0.0.1:9109". */
  readonly metricsUrl: string | undefined;
}

/** Whether it does what it is there for: a mirror that seeds, a producer that seeds what the DHT names. */
export function isReady(status: RunStatus): boolean {
  if (!status.isRunning || status.phase === "error" || status.phase === "stopped") return false;
  const isServing = status.phase === "seeding" || status.generation?.isServed === true;
  switch (status.role) {
    case "get":
      return false;
    case "swarm":
      return isServing;
    case "produce":
      return isServing && (status.publication?.isVerified ?? true);
  }
}

/** As JSON. */
export function statusJson(status: RunStatus): JsonObject {
  const { generation, progress, traffic, publication } = status;
  return {
    role: status.role,
    phase: status.phase,
    since: iso(status.sinceUnixMs),
    running: status.isRunning,
    ready: isReady(status),
    pid: status.pid,
    host: status.hostName,
    version: status.version,
    started_at: iso(status.startedUnixMs),
    updated_at: iso(status.updatedUnixMs),
    heartbeat_at: iso(status.beatUnixMs),
    advanced_at: iso(status.advancedUnixMs),
    seq: generation?.seq ?? null,
    info_hash: generation?.infoHash ?? null,
    torrent_name: generation?.torrentName ?? null,
    original_filename: generation?.originalFilename ?? null,
    size_bytes: generation?.sizeBytes ?? null,
    served: generation?.isServed ?? false,
    progress: progress === undefined ? null : {
      label: progress.label,
      done_bytes: progress.doneBytes,
      total_bytes: progress.totalBytes,
      eta_seconds: progress.etaSeconds === undefined ? null : Math.round(progress.etaSeconds),
    },
    peers: { leechers: traffic.peers, seeds: traffic.seeds, connections: traffic.connections },
    rates: { down_bytes_per_sec: Math.round(traffic.downRate), up_bytes_per_sec: Math.round(traffic.upRate) },
    totals: { downloaded_bytes: traffic.downloadedBytes, uploaded_bytes: traffic.uploadedBytes },
    dht_nodes: traffic.dhtNodes,
    last_discovery: iso(status.discoveredUnixMs),
    reachable: status.isReachable ?? null,
    degraded: status.degraded ?? null,
    publication: publication === undefined ? null : {
      verified: publication.isVerified,
      last_success: iso(publication.lastUnixMs),
      last_error: publication.lastError,
    },
    metrics: status.metricsUrl ?? null,
    last_error: status.lastError ?? null,
  };
}

/**
 * The way back. Keys that are missing read as null or 0, for older versions; unknown ones are skipped.
 *
 * @returns undefined when it is not a run's status: one without role, phase, process or times.
 */
export function parseStatus(json: JsonObject): RunStatus | undefined {
  const role = ROLES.find((one) => one === json["role"]);
  const phase = text(json["phase"]);
  const [pid, started, since, updated] = [
    count(json["pid"]),
    time(json["started_at"]),
    time(json["since"]),
    time(json["updated_at"]),
  ];
  if (
    role === undefined || phase === undefined || pid === undefined || started === undefined ||
    since === undefined || updated === undefined
  ) return undefined;
  return {
    role,
    // A newer version may have a phase more: it is shown as it is.
    phase: phase as Phase,
    isRunning: json["running"] === true,
    pid,
    hostName: text(json["host"]) ?? "",
    version: text(json["version"]) ?? "",
    startedUnixMs: started,
    sinceUnixMs: since,
    updatedUnixMs: updated,
    beatUnixMs: time(json["heartbeat_at"]),
    advancedUnixMs: time(json["advanced_at"]) ?? since,
    generation: parseGeneration(json),
    progress: parseProgress(json["progress"]),
    traffic: parseTraffic(json),
    discoveredUnixMs: time(json["last_discovery"]),
    isReachable: typeof json["reachable"] === "boolean" ? json["reachable"] : undefined,
    degraded: text(json["degraded"]),
    publication: parsePublication(json["publication"]),
    lastError: text(json["last_error"]),
    metricsUrl: text(json["metrics"]),
  };
}

function parseGeneration(json: JsonObject): Generation | undefined {
  const infoHash = text(json["info_hash"]);
  if (infoHash === undefined) return undefined;
  return {
    infoHash,
    seq: count(json["seq"]),
    torrentName: text(json["torrent_name"]),
    originalFilename: text(json["original_filename"]),
    sizeBytes: count(json["size_bytes"]),
    isServed: json["served"] === true,
  };
}

function parseProgress(json: unknown): RunStatus["progress"] {
  const label = isJsonObject(json) ? text(json["label"]) : undefined;
  if (!isJsonObject(json) || label === undefined) return undefined;
  return {
    label,
    doneBytes: count(json["done_bytes"]) ?? 0,
    totalBytes: count(json["total_bytes"]) ?? 0,
    etaSeconds: count(json["eta_seconds"]),
  };
}

function parseTraffic(json: JsonObject): Traffic {
  const [peers, rates, totals] = ["peers", "rates", "totals"].map((key) => {
    const part = json[key];
    return isJsonObject(part) ? part : {};
  }) as [JsonObject, JsonObject, JsonObject];
  return {
    downloadedBytes: count(totals["downloaded_bytes"]) ?? 0,
    uploadedBytes: count(totals["uploaded_bytes"]) ?? 0,
    downRate: count(rates["down_bytes_per_sec"]) ?? 0,
    upRate: count(rates["up_bytes_per_sec"]) ?? 0,
    peers: count(peers["leechers"]) ?? 0,
    seeds: count(peers["seeds"]) ?? 0,
    connections: count(peers["connections"]) ?? 0,
    dhtNodes: count(json["dht_nodes"]) ?? 0,
  };
}

function parsePublication(json: unknown): Publication | undefined {
  if (!isJsonObject(json)) return undefined;
  return {
    isVerified: json["verified"] === true,
    lastUnixMs: time(json["last_success"]),
    lastError: text(json["last_error"]) ?? "",
  };
}

function iso(unixMs: number | undefined): string | null {
  return unixMs === undefined ? null : new Date(unixMs).toISOString();
}

function time(value: unknown): number | undefined {
  const unixMs = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(unixMs) ? undefined : unixMs;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function count(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : undefined;
}

const ROLES: readonly Role[] = ["get", "swarm", "produce"];
