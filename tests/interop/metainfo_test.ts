// libtorrent reads the torrents and magnets that we write, and we read its magnets: both see the same facts.

import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { formatMagnet, parseMagnet } from "../../lib/torrent/magnet.ts";
import { encodeTorrent, type Metainfo, parseTorrent } from "../../lib/torrent/metainfo.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { buildTorrent, type TorrentPlan } from "../torrent/torrent_builder.ts";
import { mustRun, need, PYTHON, tempDir } from "./support.ts";

const TRACKERS = [["udp://a.example:1337/announce", "http://b.example/announce"], ["https://c.example/x"]];
const WEB_SEEDS = ["https://seed.example/files/"];
const PEER = { host: "127.0.0.1", port: 6881 };
const MULTI = [["a.bin", 16_384], ["b.bin", 40_000], ["empty", 0], ["sub/z.bin", 70_000]] as const;

/** Tells what libtorrent makes of a torrent file and of a magnet, and writes a magnet of its own. */
const ASK = `
import json, sys, libtorrent as lt
ti = lt.torrent_info(sys.argv[1]); ih = ti.info_hashes(); fs = ti.files()
m = lt.parse_magnet_uri(sys.argv[2])
hashes = lambda ih: [str(ih.v1) if ih.has_v1() else None, str(ih.v2) if ih.has_v2() else None]
real = [i for i in range(fs.num_files()) if not fs.file_flags(i) & lt.file_flags_t.flag_pad_file]
print(json.dumps({
  "hashes": hashes(ih), "name": ti.name(), "pieceLength": ti.piece_length(), "pieceCount": ti.num_pieces(),
  "files": [[fs.file_path(i), fs.file_size(i), fs.root(i).to_bytes().hex()] for i in real],
  "trackers": sorted([t.url, t.tier] for t in ti.trackers()),
  "webSeeds": [s["url"] for s in ti.web_seeds()], "comment": ti.comment(),
  "magnet": {"hashes": hashes(m.info_hashes), "name": m.name, "trackers": m.trackers, "webSeeds": m.url_seeds,
    "peers": [list(p) for p in m.peers]},
  "theirs": lt.make_magnet_uri(ti)}))
`;

for (const kind of ["hybrid", "v2", "v1"] as const) {
  for (const shape of ["one file", "folder"] as const) {
    Deno.test({
      name: `libtorrent and we read the same in a torrent and a magnet of ours: ${kind}, ${shape}`,
      ignore: need("libtorrent"),
      async fn() {
        await using temp = await tempDir();
        const { infoBytes, pieceLayers } = buildTorrent(plan(kind, shape));
        const bytes = encodeTorrent({
          infoBytes,
          pieceLayers,
          trackers: TRACKERS,
          webSeeds: WEB_SEEDS,
          comment: "ä",
        });
        const ours = parseTorrent(bytes);
        const magnet = formatMagnet({
          infoHashV1: ours.info.infoHashV1,
          infoHashV2: ours.info.infoHashV2,
          name: ours.info.name,
          trackers: TRACKERS.flat(),
          webSeeds: WEB_SEEDS,
          peers: [PEER],
        });
        const path = temp.join("ours.torrent");
        Deno.writeFileSync(path, bytes);
        const { stdout } = await mustRun(PYTHON, ["-c", ASK, path, magnet]);
        const { theirs, ...seen } = JSON.parse(stdout);
        const hashes = [ours.info.infoHashV1, ours.info.infoHashV2].map((hash) =>
          hash === undefined ? null : toHex(hash)
        );
        assert.deepEqual(seen, {
          ...facts(ours),
          hashes,
          trackers: TRACKERS.flatMap((tier, i) => tier.map((url) => [url, i])).sort(),
          webSeeds: WEB_SEEDS,
          comment: "ä",
          magnet: {
            hashes,
            name: ours.info.name,
            trackers: TRACKERS.flat(),
            webSeeds: WEB_SEEDS,
            peers: [[PEER.host, PEER.port]],
          },
        });
        const read = parseMagnet(theirs);
        assert.deepEqual(read.infoHashV1, ours.info.infoHashV1);
        assert.deepEqual(read.infoHashV2, ours.info.infoHashV2);
        assert.equal(read.name, ours.info.name);
        assert.deepEqual([...read.trackers].sort(), TRACKERS.flat().sort());
        assert.deepEqual(read.webSeeds, WEB_SEEDS);
      },
    });
  }
}

function plan(kind: TorrentPlan["kind"], shape: "one file" | "folder"): TorrentPlan {
  const files = shape === "one file"
    ? [{ path: [], data: fixtureBytes(100_000) }]
    : MULTI.map(([path, length]) => ({ path: path.split("/"), data: fixtureBytes(length) }));
  return { kind, name: "Schnappschuß", pieceLength: 32_768, files };
}

/** What libtorrent's torrent_info says of the same. */
function facts({ info }: Metainfo): Record<string, unknown> {
  return {
    name: info.name,
    pieceLength: info.pieceLength,
    pieceCount: info.pieceCount,
    files: info.files.map(({ path, length, piecesRoot }) => [
      info.isSingleFile ? info.name : [info.name, ...path].join("/"),
      length,
      toHex(piecesRoot ?? new Uint8Array(32)),
    ]),
  };
}
