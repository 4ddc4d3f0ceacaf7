// Our seed among other people's clients: qBittorrent as users have it, and several libtorrent leeches that share what we
// send.

import assert from "node:assert/strict";
import { join } from "node:path";
import { writeNoise } from "./kinds.ts";
import { QBittorrent } from "./qbittorrent.ts";
import { SeedHost } from "./seed_host.ts";
import { need, sha256OfFile, tempDir } from "./support.ts";
import { LibtorrentSwarm } from "./swarm.ts";

for (const by of [".torrent", "v2 magnet", "magnet"] as const) {
  Deno.test({
    name: `qBittorrent gets everything from our seed by ${by}`,
    ignore: need("libtorrent", "qbittorrent-nox"),
    async fn() {
      await using temp = await tempDir();
      await using swarm = await LibtorrentSwarm.start();
      await using host = await SeedHost.open(temp.path);
      const path = temp.join("made", "snapshot.7z");
      await writeNoise(path, 3_000_000);
      const torrent = await swarm.createTorrent({ path, torrent: `${path}.torrent`, pieceSize: 65_536 });
      await host.seed(path, torrent.torrent);
      await using qb = await QBittorrent.start(temp.join("qb"));
      const what = by === ".torrent"
        ? { torrent: torrent.torrent }
        : { magnet: by === "magnet" ? torrent.magnet : torrent.magnet_v2! };
      const hash = torrent.v2!.slice(0, 40);
      await qb.add(what, hash, `127.0.0.1:${host.port}`);
      const got = await qb.done(hash);
      assert.equal(sha256OfFile(got), sha256OfFile(path));
    },
  });
}

Deno.test({
  name: "our seed tells libtorrent leeches of one another, and they share",
  ignore: need("libtorrent"),
  async fn() {
    await using temp = await tempDir();
    await using swarm = await LibtorrentSwarm.start();
    await using host = await SeedHost.open(temp.path, { upLimit: 300_000 });
    const path = temp.join("made", "snapshot.7z");
    await writeNoise(path, 6_000_000);
    const torrent = await swarm.createTorrent({ path, torrent: `${path}.torrent`, pieceSize: 65_536 });
    const { swarm: own } = await host.seed(path, torrent.torrent);
    const leeches = await Promise.all([1, 2, 3].map(async (number) => {
      const dir = temp.join(`leech${number}`);
      await Deno.mkdir(dir);
      return { dir, session: await swarm.addLeech({ dir, torrent: torrent.torrent }) };
    }));
    for (const { session } of leeches) await swarm.connect(session, host.port);
    await Promise.all(leeches.map(({ session }) => swarm.done(session, 60_000)));
    for (const { dir } of leeches) assert.equal(sha256OfFile(join(dir, "snapshot.7z")), sha256OfFile(path));
    assert.ok(own.uploadedBytes < 2.7 * torrent.size, "they had some of it from one another");
  },
});

Deno.test({
  name: "our seed gives each of four libtorrent leeches at least half of what another gets",
  ignore: need("libtorrent"),
}, async (t) => {
  for (const upLimit of [4_000_000, undefined]) {
    await t.step(
      upLimit === undefined ? "as fast as it goes" : `with ${upLimit} bytes per second`,
      async () => {
        await using temp = await tempDir();
        await using swarm = await LibtorrentSwarm.start();
        await using host = await SeedHost.open(temp.path, { upLimit });
        const path = temp.join("made", "snapshot.7z");
        const size = upLimit === undefined ? 200_000_000 : 12_000_000;
        await writeNoise(path, size);
        const torrent = await swarm.createTorrent({ path, torrent: `${path}.torrent`, pieceSize: 1 << 20 });
        const { swarm: own } = await host.seed(path, torrent.torrent);
        const leeches = await Promise.all([1, 2, 3, 4].map(async (number) => {
          const dir = temp.join(`leech${number}`);
          await Deno.mkdir(dir);
          return await swarm.addLeech({ dir, torrent: torrent.torrent });
        }));
        for (const session of leeches) await swarm.connect(session, host.port);
        const got = async (of: typeof leeches[number]) => {
          const { peers } = await swarm.status(of);
          return peers.find(({ port }) => port === host.port)?.downloaded ?? 0;
        };
        // From when the last of them has begun, while all of them want something still.
        let begun = [0, 0, 0, 0];
        while (begun.includes(0)) begun = await Promise.all(leeches.map(got));
        const from = own.uploadedBytes;
        const span = Math.min(1.5 * size, 3.5 * size - from);
        assert.ok(span > size / 2, `${from} bytes were sent before the last had its first`);
        let all = [0, 0, 0, 0];
        while (own.uploadedBytes < from + span) {
          all = (await Promise.all(leeches.map(got))).map((bytes, i) => bytes - begun[i]!);
        }
        assert.ok(Math.min(...all) >= Math.max(...all) / 2, `${all}`);
      },
    );
  }
});
