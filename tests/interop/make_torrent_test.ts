// The torrents that we make against libtorrent's own: the same file with the same options has the same info
// dictionary, byte for byte, and libtorrent loads the .torrent with its layers.

import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { mustRun, need, PYTHON, tempDir } from "./support.ts";

/** What upstream's producer does (create_torrent, then x-snapshot into the entry), and what libtorrent makes of ours. */
const ASK = `
import json, os, sys, libtorrent as lt
out = []
for job in json.load(sys.stdin):
    files = lt.file_storage()
    lt.add_files(files, job["path"])
    flags = lt.create_torrent.v2_only if job.get("kind") == "v2" else 0
    creator = lt.create_torrent(files, piece_size=job["pieceLength"], flags=flags)
    for tracker in job["trackers"]:
        creator.add_tracker(tracker)
    lt.set_piece_hashes(creator, os.path.dirname(job["path"]))
    entry = creator.generate()
    if job["original"] is not None:
        told = {"original_filename": job["original"]}
        entry[b"info"][b"x-snapshot"] = json.dumps(told, separators=(",", ":")).encode("utf-8")
    ours = lt.torrent_info(job["path"] + ".torrent")
    hashes = ours.info_hashes()
    raw = lt.bdecode(open(job["path"] + ".torrent", "rb").read())
    same = lambda key: raw.get(key) == entry.get(key)
    out.append({
        "info": lt.bencode(entry[b"info"]).hex(),
        "different": [key.decode() for key in (b"piece layers", b"announce", b"announce-list") if not same(key)],
        "v1": str(hashes.v1) if hashes.has_v1() else None,
        "v2": str(hashes.v2),
        "comment": ours.comment(),
        "metadata": ours.info_section().hex(),
    })
json.dump(out, sys.stdout)
`;

interface Answer {
  readonly info: string;
  /** What is around it and not as in libtorrent's. */
  readonly different: readonly string[];
  readonly v1: string | null;
  readonly v2: string;
  readonly comment: string;
  readonly metadata: string;
}

interface Case {
  readonly name: string;
  readonly size: number;
  readonly pieceLength: number;
  readonly kind?: "v2";
  readonly original?: string;
  readonly trackers?: readonly string[];
}

/** A case with its file written. null for no name at all. */
interface Job extends Omit<Case, "original" | "trackers"> {
  readonly path: string;
  readonly original: string | null;
  readonly trackers: readonly string[];
}

const KIB = 1 << 10;
const MIB = 1 << 20;
const ARCHIVE = "nano-ledger-snapshot.7z";

const CASES: readonly Case[] = [
  ...[1, 16_383, 16_384, 16_385, 100_000].map((size) => ({ name: ARCHIVE, size, pieceLength: 16 * KIB })),
  ...[16_385, 32_768, 32_769, 200_000].map((size) => ({ name: ARCHIVE, size, pieceLength: 32 * KIB })),
  { name: ARCHIVE, size: 513 * 16 * KIB, pieceLength: 16 * KIB },
  { name: ARCHIVE, size: 70 * MIB + 12_345, pieceLength: 32 * MIB, original: "Nano_64_2026_04_23_09.7z" },
  { name: ARCHIVE, size: 5 * MIB, pieceLength: 128 * MIB, original: "x.7z" },
  { name: "data.ldb", size: 9 * MIB + 1, pieceLength: 4 * MIB, original: "data.ldb" },
  { name: ARCHIVE, size: 3 * MIB + 1, pieceLength: MIB, kind: "v2", original: "x.7z" },
  { name: ARCHIVE, size: 100, pieceLength: 32 * MIB, kind: "v2" },
  { name: "Größe 台 (1).7z", size: 100_000, pieceLength: 64 * KIB, original: 'Größe "台" 😀.7z' },
  { name: ARCHIVE, size: 100_000, pieceLength: 64 * KIB, trackers: [] },
  { name: ARCHIVE, size: 100_000, pieceLength: 64 * KIB, trackers: ["udp://127.0.0.1:1/announce"] },
];

Deno.test({
  name:
    "produce torrent: the info dictionary is libtorrent's, byte for byte, and libtorrent loads the .torrent",
  ignore: need("libtorrent"),
}, async (t) => {
  await using dir = await tempDir();
  const jobs: Job[] = [];
  for (const [i, one] of CASES.entries()) {
    await Deno.mkdir(dir.join(`${i}`));
    const path = dir.join(`${i}`, one.name);
    // libtorrent records whether a file may be executed.
    await Deno.writeFile(path, fixtureBytes(one.size), { mode: 0o644 });
    jobs.push({ trackers: STREAM, ...one, path, original: one.original ?? null });
  }
  const said: string[] = [];
  for (const job of jobs) said.push(await produceTorrent(job));
  const { stdout } = await mustRun(PYTHON, ["-B", "-c", ASK], { stdin: JSON.stringify(jobs) });
  const answers = JSON.parse(stdout) as Answer[];
  for (const [i, one] of CASES.entries()) {
    const theirs = answers[i]!;
    const name = `${one.name}, ${one.size} bytes, pieces of ${one.pieceLength}, ${one.kind ?? "hybrid"}`;
    await t.step(name, () => {
      const { info } = parseTorrent(systemFiles.read(`${jobs[i]!.path}.torrent`, 1 << 24)!);
      assert.equal(toHex(info.bytes), theirs.info);
      assert.equal(theirs.metadata, theirs.info, "libtorrent keeps our info dictionary as it is");
      assert.deepEqual(theirs.different, []);
      assert.match(theirs.comment, /^\{"created_at":"\d{4}-\d\d-\d\dT[\d:.]+Z"\}$/);
      const v1 = theirs.v1 === null ? "" : `info_hash_v1=${theirs.v1}\n`;
      assert.equal(said[i], `${v1}info_hash=${theirs.v2}\n`);
    });
  }
});

/** What the program says on stdout. */
async function produceTorrent(job: Job): Promise<string> {
  const args = ["produce", "torrent", job.path, "--piece-size", `${job.pieceLength}`];
  // An absent name is an empty one here: by default ours is the file's own.
  args.push("--original-filename", job.original ?? "");
  if (job.kind === "v2") args.push("--v2-only");
  if (job.trackers.length === 0) args.push("--no-trackers");
  else if (job.trackers !== STREAM) { for (const url of job.trackers) args.push("--tracker", url); }
  const { stdout } = await mustRun(Deno.execPath(), ["run", "--quiet", "-A", MAIN, ...args]);
  return stdout;
}

/** upstream.md 2. */
const STREAM: readonly string[] = [
  "udp://tracker.opentrackr.org:1337/announce",
  "udp://tracker.torrent.eu.org:451/announce",
];
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
