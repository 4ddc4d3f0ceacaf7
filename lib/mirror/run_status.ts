// status.json: what a running instance does, for whoever looks from outside (a health check has only the directory).
// It is written by the holder of the directory's lock and describes that process; a process that died leaves its
// last words, so readers look at the lock and at `updated_at` first.

import type { Phase, TransferProgress } from "../events.ts";
import type { Files } from "../ports.ts";
import { writeJsonFile } from "../json_file.ts";

export interface RunStatus {
  readonly role: "get" | "swarm" | "produce";
  readonly pid: number;
  readonly version: string;
  /** Milliseconds since 1970, both. */
  readonly startedUnixMs: number;
  readonly updatedUnixMs: number;
  readonly phase: Phase;
  /** Hex: v2, or v1 where the torrent has no other. */
  readonly infoHash: string | undefined;
  readonly seq: number | undefined;
  readonly progress: TransferProgress | undefined;
  readonly lastError: string | undefined;
}

/** Replaces the status. Times become ISO 8601 text, absent facts null, so that every key is always there. */
export function writeRunStatus(files: Files, path: string, status: RunStatus): void {
  const progress = status.progress;
  writeJsonFile(files, path, {
    role: status.role,
    pid: status.pid,
    version: status.version,
    started_at: new Date(status.startedUnixMs).toISOString(),
    updated_at: new Date(status.updatedUnixMs).toISOString(),
    phase: status.phase,
    info_hash: status.infoHash ?? null,
    seq: status.seq ?? null,
    done_bytes: progress?.doneBytes ?? null,
    total_bytes: progress?.totalBytes ?? null,
    down_rate: progress?.downRate ?? 0,
    up_rate: progress?.upRate ?? 0,
    peers: progress?.peers ?? 0,
    seeds: progress?.seeds ?? 0,
    connections: progress?.connections ?? 0,
    last_error: status.lastError ?? null,
  });
}
