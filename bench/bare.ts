// Row "bare": our seed and our leech over what the same transfer takes of the machine itself: sendfile, recv, SHA-256 by
// OpenSSL and pwrite, in two processes and on as many threads, with no protocol and nothing that is checked
// (py/bare.py). No program that keeps each byte and hashes it gets further; nothing is promised of how near we come.

import assert from "node:assert/strict";
import { join } from "node:path";
import { sha256OfFile } from "../tests/interop/support.ts";
import { LibtorrentSwarm } from "../tests/interop/swarm.ts";
import { writeRandomFile } from "./data.ts";
import { inTurns, measureTheirs, type Row, type Sample } from "./harness.ts";
import { addUp, ourLeech, spentBetween, startOurSeeds } from "./parties.ts";
import { compared, type Outcome } from "./report.ts";

export const bare: Row = {
  names: ["bare"],
  async *run({ folder, size, pairs }) {
    const own = join(folder, "bare");
    await Deno.mkdir(own);
    try {
      yield await row({ folder: own, size, pairs });
    } finally {
      await Deno.remove(own, { recursive: true });
    }
  },
};

async function row(
  { folder, size, pairs }: { folder: string; size: number; pairs: number },
): Promise<Outcome> {
  const content = join(folder, "content.bin");
  await writeRandomFile(content, size, "nano-snap bench bare");
  const sha256 = sha256OfFile(content);
  await using swarm = await LibtorrentSwarm.start();
  const torrent = await swarm.createTorrent({
    path: content,
    torrent: join(folder, "content.torrent"),
    pieceSize: PIECE_BYTES,
  });
  await using seeds = await startOurSeeds({ torrent, content, folder, count: 1 });
  const samples = await inTurns(pairs, {
    ours: async () => {
      const target = join(folder, "leech");
      await Deno.mkdir(target);
      const before = await seeds.spent();
      const { sample, path } = await ourLeech({ torrent, ports: seeds.ports, target, count: 1 });
      const after = await seeds.spent();
      assert.equal(sha256OfFile(path), sha256);
      await Deno.remove(target, { recursive: true });
      const serving = spentBetween(before, after);
      return { ...sample, ...addUp([sample, serving]) };
    },
    theirs: () => bareTransfer(content, { folder, sha256 }),
  });
  return compared({ row: "bare: our pair over the machine alone", size, ...samples, bars: {} });
}

async function bareTransfer(
  content: string,
  { folder, sha256 }: { folder: string; sha256: string },
): Promise<Sample> {
  const copy = join(folder, "copy.bin");
  const { stdout, cost } = await measureTheirs("bare.py", [content, copy], folder);
  assert.equal(sha256OfFile(copy), sha256);
  await Deno.remove(copy);
  const { transferMs } = JSON.parse(stdout) as { transferMs: number };
  return { ...cost, workMs: transferMs };
}

const PIECE_BYTES = 32 << 20;
