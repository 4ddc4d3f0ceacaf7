// Row "start": from exec to the first verified block on disk, by the signed pointer in a local DHT of 16 nodes. Cold:
// nothing is known but where the DHT is. Warm: a run before this one left what it keeps (nodes, the highest seq, the
// torrent), but no content. Upstream's Python mirror waits 30 s before it looks for the first time.

import { join } from "node:path";
import { nanoSnap, Stage } from "../tests/interop/stage.ts";
import type { Row } from "./harness.ts";
import { atMost, median, type Outcome, round } from "./report.ts";

export const start: Row = {
  names: ["start"],
  async *run({ pairs }) {
    await using stage = await Stage.open(DHT_NODES);
    await stage.publish({ blocks: BLOCKS, archive: "ldb.zst", pieceSize: 1 << 20 });
    await firstBlockMs(stage); // the first run of all compiles our modules
    const cold: number[] = [];
    const warm: number[] = [];
    for (let turn = 0; turn < pairs; turn++) {
      await Deno.remove(stage.dataDir, { recursive: true });
      cold.push(await firstBlockMs(stage));
      await forgetContent(stage.dataDir);
      warm.push(await firstBlockMs(stage));
    }
    yield outcome("start, cold", cold, 2);
    yield outcome("start, warm", warm, 1);
  },
};

function outcome(row: string, runsMs: readonly number[], limit: number): Outcome {
  const seconds = round(median(runsMs) / 1000, 2);
  return {
    row,
    figure: `${seconds} / ${UPSTREAM_S} s`,
    bars: [atMost("time", limit, seconds, "s")],
    details: { runsMs: runsMs.map(Math.round), ratio: round(UPSTREAM_S / seconds, 1) },
  };
}

/** Runs to the end, so that everything that is to be kept is kept. */
async function firstBlockMs(stage: Stage): Promise<number> {
  const words = ["get", "--json", ...stage.common(), "--log-level", "DEBUG"];
  await using run = nanoSnap(words, 60_000);
  const { atMs } = await run.stderrLine(/first verified block/);
  const { code, stderr } = await run.finished();
  if (code !== 0) throw new Error(stderr);
  return atMs;
}

/** What a run leaves beside the content stays. */
async function forgetContent(dataDir: string): Promise<void> {
  const kept = new Set(["dht.json", "peers.json", "trust.json", "torrents"]);
  for await (const { name } of Deno.readDir(dataDir)) {
    if (name !== ".nano-snap") await Deno.remove(join(dataDir, name), { recursive: true });
  }
  for await (const { name } of Deno.readDir(join(dataDir, ".nano-snap"))) {
    if (!kept.has(name)) await Deno.remove(join(dataDir, ".nano-snap", name), { recursive: true });
  }
}

const DHT_NODES = 16;
/** A ledger of 15 MB: the row is over with its first block. */
const BLOCKS = 25_000;
const UPSTREAM_S = 30;
