// Roots, piece layers and piece arithmetic against libtorrent's own, over random files.

import assert from "node:assert/strict";
import { parseHex, toHex } from "../../lib/bytes.ts";
import { Layout } from "../../lib/torrent/layout.ts";
import { blockHashes, MerkleTree } from "../../lib/torrent/merkle.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { need, PYTHON, tempDir, within } from "./support.ts";

/** Reads [folder, kind, piece length] rows; says for each the .torrent and what of which file each piece holds. */
const ASK = `
import json, sys, libtorrent as lt
FLAGS = {"hybrid": 0, "v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only}
out = []
for folder, kind, piece_length in json.load(sys.stdin):
    files = lt.file_storage()
    lt.add_files(files, folder)
    creator = lt.create_torrent(files, piece_size=piece_length, flags=FLAGS[kind])
    lt.set_piece_hashes(creator, folder.rsplit("/", 1)[0])
    entry = creator.generate()
    info = lt.torrent_info(entry)
    files = info.files()
    pieces = []
    for piece in range(info.num_pieces()):
        spans = info.map_block(piece, 0, info.piece_size(piece))
        pieces.append([[files.file_name(s.file_index), s.offset, s.size] for s in spans
                       if not files.file_flags(s.file_index) & lt.file_storage.flag_pad_file])
    out.append({"torrent": lt.bencode(entry).hex(), "pieces": pieces})
json.dump(out, sys.stdout)
`;

interface Answer {
  readonly torrent: string;
  readonly pieces: readonly (readonly (readonly [string, number, number])[])[];
}

Deno.test({
  name: "MerkleTree, Layout and parseTorrent() agree with libtorrent over random torrents",
  ignore: need("libtorrent"),
}, async (t) => {
  await using dir = await tempDir();
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const random = mulberry32(seed);
  const cases: { folder: string; kind: string; pieceLength: number; contents: Map<string, Uint8Array> }[] =
    [];
  for (let i = 0; i < 36; i++) {
    const pieceLength = 16384 << Math.floor(random() * 4);
    const contents = new Map<string, Uint8Array>();
    const folder = dir.join(`t${i}`);
    await Deno.mkdir(folder);
    // The first is not empty: a torrent of empty files only is none.
    for (let file = 0; file < 1 + i % 4; file++) {
      const length = file > 0 && random() < 0.15 ? 0 : randomLength(random, pieceLength);
      const content = Uint8Array.from({ length }, () => random() * 256);
      contents.set(`f${file}`, content);
      await Deno.writeFile(`${folder}/f${file}`, content);
    }
    cases.push({ folder, kind: ["hybrid", "v1", "v2"][i % 3]!, pieceLength, contents });
  }
  const answers = await askLibtorrent(
    cases.map(({ folder, kind, pieceLength }) => [folder, kind, pieceLength]),
  );

  for (const [i, { kind, pieceLength, contents }] of cases.entries()) {
    const lengths = [...contents.values()].map((content) => content.length);
    await t.step(`seed ${seed}: ${kind}, pieces of ${pieceLength}, files of ${lengths}`, () => {
      const { torrent, pieces } = answers[i]!;
      const { info, pieceLayers } = parseTorrent(parseHex(torrent)!);
      const layout = Layout.of(info);
      const ours = [...layout.pieces()].map((piece) =>
        layout.spans(piece, 0, layout.pieceSize(piece)).flatMap(({ file, at, length }) =>
          file === undefined ? [] : [[layout.files[file]!.path.at(-1), at, length]]
        )
      );
      assert.deepEqual(ours, pieces);
      if (kind === "v1") return;
      for (const file of info.files) {
        const content = contents.get(file.path.at(-1)!)!;
        assert.equal(file.length, content.length);
        if (content.length === 0) continue;
        const tree = new MerkleTree({ hashes: blockHashes(content) });
        const root = toHex(file.piecesRoot!);
        assert.equal(toHex(tree.root), root);
        const layer = pieceLayers.get(root);
        assert.equal(layer === undefined, content.length <= pieceLength);
        const level = Math.log2(layout.blocksPerPiece);
        for (let at = 0; at < (layer?.length ?? 0); at += 32) {
          assert.equal(toHex(layer!.subarray(at, at + 32)), toHex(tree.node(level, at / 32)!));
        }
      }
    });
  }
});

async function askLibtorrent(rows: readonly unknown[]): Promise<Answer[]> {
  const child = new Deno.Command(PYTHON, {
    args: ["-c", ASK],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(rows)));
  await writer.close();
  const { success, stdout, stderr } = await within(child.output(), 60_000, "torrents from libtorrent");
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Near an edge of blocks or pieces as often as not. */
function randomLength(random: () => number, pieceLength: number): number {
  if (random() < 0.5) return 1 + Math.floor(random() * 10 * pieceLength);
  const unit = random() < 0.5 ? 16384 : pieceLength;
  return Math.max(1, unit * (1 + Math.floor(random() * 9)) + Math.floor(random() * 3) - 1);
}

/** Numbers in [0, 1) from a seed, so that a failure can be had again. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
