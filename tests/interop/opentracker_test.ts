// A real tracker between libtorrent and us, by HTTP and by UDP, both ways: what it lists is what it took from our announces,
// and what we leave is gone from its lists. tracker_test.ts looks at the announces themselves.

import assert from "node:assert/strict";
import { join } from "node:path";
import { writeNoise } from "./kinds.ts";
import { OpenTracker } from "./opentracker.ts";
import { nanoSnap } from "./stage.ts";
import { freePort, need, sha256OfFile, tempDir } from "./support.ts";
import { LibtorrentSwarm } from "./swarm.ts";

/** libtorrent tells trackers that it stops, as its users' clients do. */
const settings = { stop_tracker_timeout: 5 };
/** No DHT, no neighbours: what is found is found by the tracker. */
const COMMON = ["--no-dht", "--bind", "127.0.0.1", "--port", "0"];

for (const scheme of ["http", "udp"] as const) {
  Deno.test({
    name: `get and produce seed meet libtorrent through opentracker by ${scheme}, and leave it when they end`,
    ignore: need("libtorrent", "opentracker"),
    async fn() {
      await using temp = await tempDir();
      await using swarm = await LibtorrentSwarm.start();
      const port = freePort();
      const url = `${scheme}://127.0.0.1:${port}/announce`;
      const path = temp.join("made", "snapshot.7z");
      await writeNoise(path, 3_000_000);
      const recipe = { path, torrent: `${path}.torrent`, pieceSize: 65_536, trackers: [url] };
      const torrent = await swarm.createTorrent(recipe);
      const sum = sha256OfFile(path);
      const hashes = [torrent.v1!, torrent.v2!];
      await using tracker = await OpenTracker.start(port, hashes);

      const seed = await swarm.addSeed({ dir: temp.join("made"), torrent: torrent.torrent, settings });
      await tracker.has(hashes, { complete: 1, incomplete: 0, downloaded: 0 });
      const ways = [["--torrent", torrent.torrent], ["--magnet", torrent.magnet_v2!, "--tracker", url]];
      for (const [i, way] of ways.entries()) {
        const dataDir = temp.join(`get${i}`);
        const got = await nanoSnap(["get", "--json", "--data-dir", dataDir, ...way, ...COMMON], 60_000)
          .finished();
        assert.equal(got.code, 0, got.stderr);
        assert.equal(sha256OfFile(JSON.parse(got.stdout).path), sum);
        // It heard that we were complete, once by each name, and that we went.
        await tracker.has(hashes, { complete: 1, incomplete: 0, downloaded: i + 1 });
      }
      // Who only wants the hashes is no leech for long, and never says that he was complete.
      const got = temp.join("get1", "snapshot.7z");
      const verify = ["verify", got, "--magnet", torrent.magnet_v2!, "--tracker", url, ...COMMON];
      Deno.removeSync(temp.join("get1", ".nano-snap"), { recursive: true });
      const verified = await nanoSnap([...verify, "--json"], 60_000).finished();
      // It is noise, and no archive: but it is what the torrent says.
      assert.match(verified.stdout, /"check":"pieces","result":"good"/, verified.stderr);
      await tracker.has(hashes, { complete: 1, incomplete: 0, downloaded: ways.length });
      await swarm.pause(seed);
      await tracker.has(hashes, { complete: 0, incomplete: 0 });

      const meta = JSON.stringify({ torrent_info_hash: torrent.v2 });
      await Deno.writeTextFile(temp.join("made", "snapshot-meta.json"), meta);
      const words = ["produce", "seed", "--output-dir", temp.join("made"), "--no-metrics", ...COMMON];
      await using ours = nanoSnap(words, 120_000);
      await tracker.has(hashes, { complete: 1, incomplete: 0 });
      const dir = temp.join("leech");
      await Deno.mkdir(dir);
      const leech = await swarm.addLeech({ dir, torrent: torrent.torrent, settings });
      await swarm.done(leech);
      assert.equal(sha256OfFile(join(dir, "snapshot.7z")), sum);
      await swarm.pause(leech);
      await tracker.has(hashes, { complete: 1, incomplete: 0 });
      ours.kill("SIGTERM");
      assert.equal((await ours.finished()).code, 143);
      await tracker.has(hashes, { complete: 0, incomplete: 0 });
    },
  });
}
