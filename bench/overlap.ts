// Row "overlap": what `get --extract` takes over a line of limited rate, over the longer of its halves, the download alone
// (`get`) and the extraction alone. The line is as fast as makes both halves of a .7z equally long, which is where most
// is to be gained and to be lost; zstd unpacks so fast that the download is the longer half on any line.
// Halves of 7 seconds, so that `deno task bench` stays below its 15 minutes; with --full of 30, which is what the bar is for.

import { join } from "node:path";
import { mustRun } from "../tests/interop/support.ts";
import { LibtorrentSwarm } from "../tests/interop/swarm.ts";
import { ALONE, inTurns, measure, measureOurs, ROOT, type Row, RUN, type Sample } from "./harness.ts";
import { atMost, median, type Outcome, round } from "./report.ts";

interface Kind {
  readonly name: string;
  readonly archive: string;
  /** Makes it of data.ldb. */
  readonly pack: string;
}

const KINDS: readonly Kind[] = [
  { name: ".7z", archive: "a.7z", pack: "7zz a -mx=1 -mmt=2 -bso0 -bsp0 a.7z data.ldb" },
  { name: ".tar.zst", archive: "a.tar.zst", pack: "tar -cf - data.ldb | zstd -q -3 -T2 -o a.tar.zst" },
  { name: ".ldb.zst", archive: "data.ldb.zst", pack: "zstd -q -3 -T2 data.ldb -o data.ldb.zst" },
];

export const overlap: Row = {
  names: ["overlap"],
  async *run({ folder, pairs, full, variant }) {
    const seconds = full ? FULL_SECONDS : SECONDS;
    for (const kind of KINDS.filter(({ name }) => name.includes(variant))) {
      const own = join(folder, "overlap");
      await Deno.mkdir(own);
      try {
        yield await row(kind, { folder: own, pairs, seconds });
      } finally {
        await Deno.remove(own, { recursive: true });
      }
    }
  },
};

/** An archive of a ledger of that size. */
async function make(size: number, pack: string, folder: string): Promise<void> {
  const ledger = join(folder, "data.ldb");
  await measureOurs(["produce", "fixture", "--size", `${size}`, "--format", "ldb", "--out", ledger], folder);
  await mustRun("bash", ["-c", `set -e -o pipefail; ${pack}`], { cwd: folder, deadlineMs: 600_000 });
  await Deno.remove(ledger);
}

async function row(
  { name, archive, pack }: Kind,
  { folder, pairs, seconds }: { folder: string; pairs: number; seconds: number },
): Promise<Outcome> {
  const path = join(folder, archive);
  const size = Math.round(seconds * LEDGER_BYTES_PER_SECOND);
  await make(size, pack, folder);
  let alone = await into(folder, (target) => extract(path, target, folder));
  const longer = Math.round(size * ROOM * seconds * 1000 / alone.wallMs);
  if (alone.wallMs < seconds * 1000 && longer <= MOST_LEDGER_BYTES) {
    await Deno.remove(path);
    await make(longer, pack, folder);
    alone = await into(folder, (target) => extract(path, target, folder));
  }
  const bytes = (await Deno.stat(path)).size;
  const rate = Math.round(bytes / Math.max(seconds, alone.wallMs / 1000));
  await using swarm = await LibtorrentSwarm.start();
  const made = await swarm.createTorrent({
    path,
    torrent: join(folder, "a.torrent"),
    pieceSize: PIECE_BYTES,
  });
  const { port } = await swarm.addSeed({ dir: folder, torrent: made.torrent });
  const get = (target: string, words: readonly string[]) => {
    const what = ["--torrent", made.torrent, "--peer", `127.0.0.1:${port}`, "--down-limit", `${rate}`];
    return ofProcess(measureOurs(["get", ...ALONE, "--data-dir", target, ...what, ...words], folder));
  };
  const samples = await inTurns(pairs, {
    both: () => into(folder, (target) => get(target, ["--extract"])),
    download: () => into(folder, (target) => get(target, [])),
    extraction: () => into(folder, (target) => extract(path, target, folder)),
  });
  const ratios = samples.both.map(({ wallMs }, turn) => {
    return wallMs / Math.max(samples.download[turn]!.wallMs, samples.extraction[turn]!.wallMs);
  });
  const inSeconds = (of: readonly Sample[]) => round(median(of.map(({ wallMs }) => wallMs / 1000)), 1);
  const parts = [samples.both, samples.download, samples.extraction];
  const [both, download, extraction] = parts.map(inSeconds);
  return {
    row: `overlap ${name}, ${seconds} s`,
    figure: `${both} / ${download}, ${extraction} s`,
    bars: [atMost("time", BAR, round(median(ratios), 3))],
    details: {
      archiveBytes: bytes,
      bytesPerSecond: rate,
      ratios: ratios.map((ratio) => round(ratio, 3)),
      // Where both halves are as long as that takes on all cores, nobody can be faster than their sum allows.
      cpuSeconds: parts.map((of) => round(median(of.map((one) => one.userSeconds + one.systemSeconds)), 1)),
      peakRssMegabytes: round(Math.max(...samples.both.map(({ peakRssBytes }) => peakRssBytes)) / 1e6, 1),
    },
  };
}

/** Whole processes are compared: each half has to start too. */
async function ofProcess(measured: ReturnType<typeof measureOurs>): Promise<Sample> {
  const { cost } = await measured;
  return { ...cost, workMs: cost.wallMs };
}

async function extract(archive: string, target: string, scratch: string): Promise<Sample> {
  const words = [...RUN, join(ROOT, "bench", "unpack_main.ts"), archive, target];
  return await ofProcess(measure(Deno.execPath(), words, { scratch, cwd: ROOT }));
}

async function into(folder: string, run: (target: string) => Promise<Sample>): Promise<Sample> {
  const target = join(folder, "target");
  await Deno.mkdir(target);
  try {
    return await run(target);
  } finally {
    await Deno.remove(target, { recursive: true });
  }
}

/** design.md 9. */
const BAR = 1.05;
const SECONDS = 7;
const FULL_SECONDS = 30;
const PIECE_BYTES = 1 << 20;
/** What 7-Zip makes of an archive in a second, on one core. Where blocks are unpacked side by side it is more. */
const LEDGER_BYTES_PER_SECOND = 30e6;
/** So that the extraction is not just too short again. */
const ROOM = 1.05;
/** Beyond that the row would measure memory. A .zst of 30 seconds would be of 30 GB. */
const MOST_LEDGER_BYTES = 4e9;
