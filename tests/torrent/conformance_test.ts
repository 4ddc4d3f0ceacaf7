// Foreign .torrent files against what libtorrent 2.0.8 makes of them (tests/vectors/torrents/README.md). A file with a
// v2 part is accepted or refused as there, with the same hashes and counts; of a plain v1 file the hash must agree.

import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { MetainfoInvalid } from "../../lib/errors.ts";
import type { Info, Metainfo } from "../../lib/torrent/info.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { assertSafePaths } from "./path_asserts.ts";

interface Expected {
  readonly ok: boolean;
  readonly why?: string;
  readonly v1: string | null;
  readonly v2: string | null;
  readonly name: string;
  readonly total_size: number;
  readonly piece_length: number;
  readonly num_pieces: number;
  readonly num_files: number;
}

const FOLDER = new URL("../vectors/torrents/", import.meta.url);
const EXPECTED: Record<string, Expected> = JSON.parse(
  Deno.readTextFileSync(new URL("expected.json", FOLDER)),
);

Deno.test("the vectors are all there", () => {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) =>
    name.endsWith(".torrent")
  );
  assert.equal(names.length, 53);
  assert.deepEqual(names.sort(), Object.keys(EXPECTED).sort());
});

for (const [name, expected] of Object.entries(EXPECTED)) {
  Deno.test(`parseTorrent() judges ${name} as libtorrent does`, () => {
    const bytes = Deno.readFileSync(new URL(name, FOLDER));
    if (!expected.ok) {
      assert.throws(() => parseTorrent(bytes), MetainfoInvalid, expected.why);
      return;
    }
    const metainfo = parseTorrent(bytes);
    const { info } = metainfo;
    assert.equal(info.infoHashV1 && toHex(info.infoHashV1), expected.v1 ?? undefined);
    assert.equal(info.infoHashV2 && toHex(info.infoHashV2), expected.v2 ?? undefined);
    assert.equal(info.name, expected.name);
    assert.equal(info.pieceLength, expected.piece_length);
    assert.equal(info.pieceCount, expected.num_pieces);
    const { files, bytes: size } = paddedCounts(info);
    assert.equal(files, expected.num_files);
    assert.equal(size, expected.total_size);
    assert.equal(info.totalLength, info.files.reduce((sum, file) => sum + file.length, 0));
    assertSafePaths(info);
    assertLayers(metainfo);
  });
}

Deno.test("parseTorrent() treats a piece layer that does not lead to its root as absent", () => {
  const bytes = Deno.readFileSync(new URL("v2_invalid_root_hash.torrent", FOLDER));
  const { info, pieceLayers } = parseTorrent(bytes);
  assert(info.totalLength > info.pieceLength);
  assert.equal(pieceLayers.size, 0);
});

Deno.test("parseTorrent() reads URLs as libtorrent does", () => {
  const read = (name: string) => parseTorrent(Deno.readFileSync(new URL(name, FOLDER)));
  assert.deepEqual(read("v2.torrent").trackers, [["http://example.com/announce"]]);
  assert.deepEqual(read("url_seed.torrent").webSeeds, ["http://test.com/file"]);
  assert.deepEqual(read("url_seed_multi_space.torrent").webSeeds, ["http://test.com/test%20file/foo%20bar"]);
  assert.deepEqual(read("duplicate_web_seeds.torrent").webSeeds, [
    "http://foobar.com/foo",
    "http://foobar.com/foobar",
    "http://foobar.com/bar",
  ]);
  assert.deepEqual(read("url_list2.torrent").webSeeds, []);
});

/** Files and bytes as libtorrent counts them: gaps are padding files, and v2-only pads behind the last file too. */
function paddedCounts(info: Info): { files: number; bytes: number } {
  let end = 0;
  let files = info.files.length;
  for (const file of info.files) {
    if (file.offset > end && file.length > 0) files++;
    if (file.length > 0) end = file.offset + file.length;
  }
  const bytes = info.kind === "v2" ? Math.ceil(end / info.pieceLength) * info.pieceLength : info.paddedLength;
  if (bytes > end) files++;
  return { files, bytes };
}

function assertLayers({ info, pieceLayers }: Metainfo): void {
  for (const [root, layer] of pieceLayers) {
    const file = info.files.find(({ piecesRoot }) => piecesRoot !== undefined && toHex(piecesRoot) === root);
    assert.equal(layer.length, 32 * Math.ceil(file!.length / info.pieceLength));
  }
}
