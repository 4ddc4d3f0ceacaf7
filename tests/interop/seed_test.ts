// libtorrent fetches from our seed and from nobody else: every kind of torrent, every way to learn of it, and the numbers
// of pieces at which the exchange of hashes goes wrong between others (protocol.md 4.7-4.12, 5.4).

import assert from "node:assert/strict";
import { join } from "node:path";
import { writeNoise } from "./kinds.ts";
import { Liar, LIES, truthOf } from "./liars.ts";
import { SeedHost, watchHashRequests } from "./seed_host.ts";
import { need, sha256OfFile, type TempDir, tempDir } from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent } from "./swarm.ts";

const PIECE = 16_384;

interface Made {
  readonly torrent: MadeTorrent;
  readonly path: string;
}

async function make(
  swarm: LibtorrentSwarm,
  temp: TempDir,
  options: { name: string; size: number; kind: "hybrid" | "v2"; pieceSize?: number },
): Promise<Made> {
  const { name, size, kind, pieceSize = PIECE } = options;
  const path = temp.join("made", name);
  await writeNoise(path, size);
  return { path, torrent: await swarm.createTorrent({ path, torrent: `${path}.torrent`, kind, pieceSize }) };
}

const CASES = [
  { name: "40 pieces", size: 40 * PIECE - 5, kind: "hybrid" },
  { name: "40 pieces, v2 alone", size: 40 * PIECE - 5, kind: "v2" },
  { name: "513 pieces", size: 513 * PIECE, kind: "hybrid" },
  { name: "513 pieces, v2 alone", size: 512 * PIECE + 1, kind: "v2" },
  { name: "1537 pieces", size: 1537 * PIECE - 100, kind: "hybrid" },
  { name: "1537 pieces, v2 alone", size: 1537 * PIECE - 100, kind: "v2" },
  { name: "one piece, v2 alone", size: 100_000, kind: "v2", pieceSize: 131_072 },
  { name: "pieces of four blocks, v2 alone", size: 3_000_001, kind: "v2", pieceSize: 65_536 },
] as const;

for (const made of CASES) {
  for (const by of ["v2 magnet", "v1 magnet", ".torrent"] as const) {
    if (by === "v1 magnet" && made.kind === "v2") continue;
    Deno.test({
      name: `a libtorrent leech gets ${made.name} from our seed alone by ${by}`,
      ignore: need("libtorrent"),
      async fn() {
        await using temp = await tempDir();
        await using swarm = await LibtorrentSwarm.start();
        await using host = await SeedHost.open(temp.path);
        const { torrent, path } = await make(swarm, temp, made);
        const served = await host.seed(path, torrent.torrent);
        const asked = watchHashRequests(served);
        const target = await Deno.makeTempDir({ dir: temp.path });
        const what = by === ".torrent"
          ? { torrent: torrent.torrent }
          : { magnet: by === "v2 magnet" ? torrent.magnet_v2! : `magnet:?xt=urn:btih:${torrent.v1}` };
        const leech = await swarm.addLeech({ dir: target, ...what });
        await swarm.connect(leech, host.port, { asV2: by === "v2 magnet" || made.kind === "v2" });
        await swarm.done(leech, 30_000);
        assert.equal(sha256OfFile(join(target, made.name)), sha256OfFile(path));
        // A connection by v1 carries no hashes, and a hybrid can do without.
        const needsLayers = by === "v2 magnet" && torrent.pieces > 1;
        assert.equal(
          asked.length > 0,
          needsLayers,
          "piece layers come by hash requests, or with the .torrent",
        );
        if (needsLayers && torrent.pieces % 512 === 1) {
          assert.ok(
            asked.some(({ count }) => count === 1),
            "the case that libtorrent itself answers wrongly",
          );
        }
        assert.deepEqual(host.notes.filter((note) => !note.startsWith("Checking")), []);
        // Two that have everything part; nothing else may have ended the connection.
        for (const why of host.closed) assert.match(why, /needs nothing|closed by the peer/);
      },
    });
  }
}

Deno.test({
  name:
    "a libtorrent leech that got bad blocks asks our seed for leaves, finds the liar, and gets everything",
  ignore: need("libtorrent"),
  async fn() {
    await using temp = await tempDir();
    await using swarm = await LibtorrentSwarm.start();
    await using host = await SeedHost.open(temp.path, { upLimit: 1_000_000 });
    const { torrent, path } = await make(swarm, temp, {
      name: "content",
      size: 4_000_000,
      kind: "v2",
      pieceSize: 262_144,
    });
    const served = await host.seed(path, torrent.torrent);
    const asked = watchHashRequests(served);
    const lie = "flips a bit in one block of each piece";
    await using liar = new Liar(LIES[lie], await truthOf(torrent.torrent, path));
    const target = await Deno.makeTempDir({ dir: temp.path });
    const leech = await swarm.addLeech({
      dir: target,
      torrent: torrent.torrent,
      downLimit: 1_500_000,
      settings: { whole_pieces_threshold: 0 },
    });
    await swarm.connect(leech, host.port, { asV2: true });
    const [liarHost, liarPort] = liar.address.split(":");
    await swarm.connect(leech, Number(liarPort), { host: liarHost!, asV2: true });
    await swarm.done(leech, 60_000);
    assert.equal(sha256OfFile(join(target, "content")), sha256OfFile(path));
    assert.ok(liar.visits > 0);
    const leaves = asked.filter(({ base }) => base === 0);
    assert.ok(leaves.length > 0, `${asked.length} requests, none for leaves`);
  },
});
