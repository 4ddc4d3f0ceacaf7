import assert from "node:assert/strict";
import { type SeederMoment, seederStats } from "../../lib/producer/seeder_stats.ts";

const MOMENT: SeederMoment = {
  state: "seeding",
  peers: 3,
  upBytesPerSec: 1_536_000,
  uploadedBytes: 5 << 20,
  current: { name: "nano-ledger-snapshot.7z", size: 3 * 2 ** 29, v2: "ab".repeat(32) },
  uptimeMs: 61_900,
  unixMs: 1_700_000_000_000,
  publishing: {
    isVerified: true,
    isPublishing: false,
    seq: 1370,
    stored: 8,
    lastUnixMs: 1_699_999_000_000,
    attempts: 4,
    lastError: "",
  },
  retained: 2,
};

Deno.test("seederStats() has upstream's names and units", () => {
  assert.deepEqual(seederStats(MOMENT), {
    state: "seeding",
    progress_pct: 100,
    peers: 3,
    upload_rate_kbps: 1500,
    download_rate_kbps: 0,
    total_upload_mib: 5,
    total_download_mib: 0,
    snapshot_size_gib: 1.5,
    torrent_name: "nano-ledger-snapshot.7z",
    torrent_info_hash: "ab".repeat(32),
    uptime_seconds: 61,
    updated_at: "2023-11-14T22:13:20.000Z",
    dht_publishing: false,
    last_dht_publish: "2023-11-14T21:56:40.000Z",
    dht_verified: true,
    dht_sequence: 1370,
    dht_direct_acknowledgements: 8,
    dht_publish_attempt: 4,
    dht_last_error: "",
    seeder_ready: true,
    retained_torrent_count: 2,
  });
});

Deno.test("seederStats() calls a seeder ready when it seeds and its pointer was read back, or is not its to publish", () => {
  const publishing = { ...MOMENT.publishing!, isVerified: false };
  assert.equal(seederStats({ ...MOMENT, publishing })["seeder_ready"], false);
  assert.equal(seederStats({ ...MOMENT, publishing: undefined })["seeder_ready"], true);
  assert.equal(seederStats({ ...MOMENT, state: "checking", current: undefined })["seeder_ready"], false);
});
