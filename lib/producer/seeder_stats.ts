// seeder-stats.json, under upstream's names (upstream.md 4): what the seeder does, for scripts and dashboards.

import { utf8 } from "../bytes.ts";
import type { Files } from "../ports.ts";
import type { PublishStatus } from "./keep_published.ts";

/** A moment of the seeder. Bytes are of content. */
export interface SeederMoment {
  readonly state: "checking" | "seeding" | "stopped";
  /** Connected peers, all torrents together. */
  readonly peers: number;
  readonly upBytesPerSec: number;
  readonly uploadedBytes: number;
  /** undefined while the first archive is being checked. */
  readonly current: { readonly name: string; readonly size: number; readonly v2: string } | undefined;
  readonly uptimeMs: number;
  readonly unixMs: number;
  /** undefined without a key, or without the DHT. */
  readonly publishing: PublishStatus | undefined;
  /** Earlier torrents that are seeded too. */
  readonly retained: number;
}

/** Writes the file: old or new for whoever reads it, but not worth a flush of the disk every few seconds. */
export function writeSeederStats(files: Files, path: string, moment: SeederMoment): void {
  files.replace(path, utf8(JSON.stringify(seederStats(moment), null, 2) + "\n"));
}

/** The object. Rates are KiB/s whatever the name says, as upstream's. */
export function seederStats(moment: SeederMoment): Record<string, string | number | boolean> {
  const { state, current, publishing, unixMs } = moment;
  const last = publishing?.lastUnixMs;
  return {
    state,
    progress_pct: state === "checking" ? 0 : 100,
    peers: moment.peers,
    upload_rate_kbps: round(moment.upBytesPerSec / KIB, 1),
    download_rate_kbps: 0,
    total_upload_mib: round(moment.uploadedBytes / KIB ** 2, 2),
    total_download_mib: 0,
    snapshot_size_gib: round((current?.size ?? 0) / KIB ** 3, 3),
    torrent_name: current?.name ?? "",
    torrent_info_hash: current?.v2 ?? "",
    uptime_seconds: Math.floor(moment.uptimeMs / 1000),
    updated_at: new Date(unixMs).toISOString(),
    dht_publishing: publishing?.isPublishing ?? false,
    last_dht_publish: last === undefined ? "" : new Date(last).toISOString(),
    dht_verified: publishing?.isVerified ?? false,
    dht_sequence: publishing?.seq ?? 0,
    dht_direct_acknowledgements: publishing?.stored ?? 0,
    dht_publish_attempt: publishing?.attempts ?? 0,
    dht_last_error: publishing?.lastError ?? "",
    // Whoever seeds what others publish is ready when it seeds.
    seeder_ready: state === "seeding" && (publishing?.isVerified ?? true),
    retained_torrent_count: moment.retained,
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

const KIB = 1024;
