// A run's status to start from, for tests that change one thing in it.

import type { RunStatus } from "../../lib/status/run_status.ts";

export const NOW = Date.UTC(2026, 7, 13, 4, 5, 6);

/** A mirror that seeds. */
export const SEEDING: RunStatus = {
  role: "swarm",
  phase: "seeding",
  isRunning: true,
  pid: 4711,
  hostName: "here",
  version: "1.2.3",
  startedUnixMs: NOW - 7_200_000,
  sinceUnixMs: NOW - 3_600_000,
  updatedUnixMs: NOW - 2_000,
  beatUnixMs: NOW - 3_000,
  advancedUnixMs: NOW - 3_600_000,
  generation: {
    infoHash: "ab".repeat(32),
    seq: 1370,
    torrentName: "nano-ledger-snapshot.7z",
    originalFilename: "Nano_64_version_27_2026_08_12.7z",
    sizeBytes: 57_600_000_000,
    isServed: true,
  },
  progress: undefined,
  traffic: {
    downloadedBytes: 57_600_000_000,
    uploadedBytes: 1_000_000_007,
    downRate: 0,
    upRate: 1_200_000,
    peers: 3,
    seeds: 2,
    connections: 7,
    dhtNodes: 120,
  },
  discoveredUnixMs: NOW - 240_000,
  isReachable: true,
  degraded: undefined,
  publication: undefined,
  lastError: undefined,
  metricsUrl: "http://127.0.0.1:9109",
};

/** A mirror on its first download. */
export const FETCHING: RunStatus = {
  ...SEEDING,
  phase: "downloading",
  advancedUnixMs: NOW - 5_000,
  generation: { ...SEEDING.generation!, isServed: false },
  progress: {
    label: "Download",
    doneBytes: 28_800_000_000,
    totalBytes: 57_600_000_000,
    etaSeconds: 4320,
  },
};

/** A producer that seeds and publishes. */
export const PRODUCING: RunStatus = {
  ...SEEDING,
  role: "produce",
  publication: { isVerified: true, lastUnixMs: NOW - 600_000, lastError: "" },
};
