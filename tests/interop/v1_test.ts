// A v1-only torrent has no hash of a block, only of a piece: what one bad block costs there. The liar is libtorrent
// itself, told not to check what it has, with a file that differs in one byte.

import assert from "node:assert/strict";
import { join } from "node:path";
import { fingerprint, startGet, writeNoise } from "./kinds.ts";
import { freePort, need, tempDir } from "./support.ts";
import { LibtorrentSwarm } from "./swarm.ts";

const SIZE = 3_000_000;
const PIECE_SIZE = 262_144;

for (const shape of ["file", "folder"]) {
  Deno.test({
    name: `get of a v1 ${shape} bans who sends a bad block, and fetches that piece again`,
    ignore: need("libtorrent"),
    async fn() {
      await using temp = await tempDir();
      await using swarm = await LibtorrentSwarm.start();
      const write = async (folder: string) => {
        if (shape === "file") return await writeNoise(join(folder, "content"), SIZE);
        await writeNoise(join(folder, "content", "a"), SIZE / 2);
        await writeNoise(join(folder, "content", "b"), SIZE / 2);
      };
      for (const dir of ["good", "bad"]) await write(temp.join(dir));
      const spoiled = temp.join("bad", "content", ...(shape === "file" ? [] : ["b"]));
      await Deno.writeFile(spoiled, await withOneByteChanged(spoiled));
      const torrent = temp.join("t.torrent");
      const content = temp.join("good", "content");
      await swarm.createTorrent({ path: content, torrent, kind: "v1", pieceSize: PIECE_SIZE });
      // An address of its own: who lies is banned by address.
      const liar = await swarm.addSeed({
        dir: temp.join("bad"),
        torrent,
        seedMode: true,
        listen: "127.0.0.2:0",
        // Who was banned comes again as soon as it can: from its own address too, or it would be taken for the other.
        settings: { disable_hash_checks: true, outgoing_interfaces: "127.0.0.2" },
      });
      const honest = await swarm.addSeed({ dir: temp.join("good"), torrent });
      const port = freePort();
      await using run = startGet({
        dataDir: temp.join("data"),
        source: { kind: "torrent", path: torrent },
        peers: [{ host: "127.0.0.2", port: liar.port }],
        port,
      });
      await run.note(/^Banned 127\.0\.0\.2 .*bad/);
      await swarm.connect(honest, port);
      const { path } = await run.result;
      assert.deepEqual(await fingerprint(path), await fingerprint(content));
      assert.ok(
        (await swarm.status(honest)).uploaded >= PIECE_SIZE,
        "the bad piece came from the honest seed",
      );
    },
  });
}

async function withOneByteChanged(path: string): Promise<Uint8Array> {
  const bytes = await Deno.readFile(path);
  bytes[1_234_567]! ^= 1;
  return bytes;
}
