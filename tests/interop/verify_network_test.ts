// verify and inspect of torrents that are not here: their metadata and hashes come from a libtorrent seed, and nothing of
// their content does. Every fact is compared with what libtorrent, or the file itself, says.

import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { flip } from "./damage.ts";
import { nanoSnap } from "./stage.ts";
import { need, tempDir } from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent, type SwarmSession, TEST_KEY } from "./swarm.ts";

const ignore = need("libtorrent");
const PIECE = 16_384;
/** More pieces than one hash request covers, and an odd end. */
const SIZE = 1100 * PIECE + 77;

Deno.test({
  ignore,
  name: "verify --magnet asks a libtorrent seed for the hashes, and names the piece with a flipped byte",
  fn: async () => {
    await using scene = await Scene.open();
    for (const kind of ["v2", "hybrid", "v1"] as const) {
      const { torrent, seed, copy } = await scene.seed(kind);
      const peer = ["--peer", `127.0.0.1:${seed.port}`];
      const { v1, v2 } = torrent;
      const magnets = [
        ...(v1 === null ? [] : [`magnet:?xt=urn:btih:${v1}`]),
        ...(v2 === null ? [] : [`magnet:?xt=urn:btmh:1220${v2}`]),
      ];
      for (const magnet of magnets) {
        const sound = await verified(copy, "--magnet", magnet, ...peer, ...ALONE);
        assert.equal(sound.code, 0, `${magnet}: ${sound.stderr}`);
        assert.deepEqual(sound.checks.map(({ check, result }) => [check, result]), [["pieces", "good"]]);
        assert.match(sound.checks[0]!.detail, /^all 1101 pieces are those of torrent /);
      }
      // In the middle, and in the short piece at the end.
      for (const at of [700 * PIECE + 5, SIZE - 1]) {
        flip(copy, at);
        const { code, checks } = await verified(copy, "--info-hash", v2 ?? v1 ?? "", ...peer, ...ALONE);
        assert.equal(code, 4);
        const piece = Math.floor(at / PIECE);
        assert.deepEqual(checks[0]!.differing, [{
          path: copy,
          begin: piece * PIECE,
          end: Math.min((piece + 1) * PIECE, SIZE),
          first_piece: piece,
          last_piece: piece,
        }]);
        flip(copy, at);
      }
      assert.equal((await scene.swarm.status(seed)).uploaded, 0, "no content was asked for");
      assert.deepEqual([...Deno.readDirSync(join(copy, ".."))].map(({ name }) => name), [basename(copy)]);
    }
  },
});

Deno.test({
  ignore,
  name:
    "verify --latest finds the pointer in the DHT, and its torrent's hashes at a seed that is found there",
  fn: async () => {
    await using scene = await Scene.open(8);
    const { torrent, copy } = await scene.seed("hybrid", { dht: true });
    const { seq } = await scene.swarm.dhtPut(torrent.v2 ?? "");
    const words = [
      "--latest",
      "--authority",
      TEST_KEY,
      "--dht-bootstrap",
      scene.swarm.bootstrap(),
      "--no-trackers",
      "--bind",
      "127.0.0.1",
    ];
    const short = torrent.v2?.slice(0, 16);
    const sound = await verified(copy, ...words);
    assert.equal(sound.code, 0, sound.stderr);
    assert.deepEqual(sound.checks.map(({ check, result }) => [check, result]), [["pointer", "good"], [
      "pieces",
      "good",
    ]]);
    assert.equal(sound.checks[0]!.detail, `${TEST_KEY} signed torrent ${short} last, at seq ${seq}`);
    flip(copy, 3 * PIECE);
    const bad = await verified(copy, ...words);
    assert.deepEqual([bad.code, bad.checks[1]!.differing?.map((range) => range.first_piece)], [4, [3]]);
    // The same by a magnet that names the authority; and what inspect says of it.
    const magnet = `magnet:?xs=urn:btpk:${TEST_KEY}&s=6461696c79`;
    const common = words.slice(3);
    assert.equal((await verified(copy, "--magnet", magnet, ...common)).code, 4);
    const run = nanoSnap(["inspect", magnet, "--fetch", "--json", ...common], 60_000);
    const { code, stdout, stderr } = await run.finished();
    assert.equal(code, 0, stderr);
    const facts = JSON.parse(stdout);
    assert.deepEqual(
      [facts.kind, facts.path, facts.authority, facts.seq, facts.info_hash, facts.info_hash_v1],
      ["torrent", null, TEST_KEY, seq, torrent.v2, torrent.v1],
    );
    assert.deepEqual([facts.name, facts.size, facts.piece_count], [torrent.name, SIZE, 1101]);
    // Nobody signed anything for this salt.
    const none = await nanoSnap(["verify", copy, ...words, "--salt", "other", "--timeout", "2"], 60_000)
      .finished();
    assert.equal(none.code, 3, none.stderr);
  },
});

Deno.test({
  ignore,
  name: "verify and inspect say so when nobody tells what the torrent is, with exit code 8",
  fn: async () => {
    await using scene = await Scene.open();
    const { seed, copy } = await scene.seed("v2");
    const stranger = "ab".repeat(32);
    const words = ["--peer", `127.0.0.1:${seed.port}`, ...ALONE, "--timeout", "2"];
    const runs = [["verify", copy, "--info-hash", stranger], ["inspect", stranger, "--fetch"]];
    for (const run of runs) {
      const { code, stderr } = await nanoSnap([...run, ...words], 60_000).finished();
      assert.equal(code, 8, stderr);
      assert.match(stderr, /Cannot fetch abababababababab: no data for \d+ s, /);
    }
  },
});

/** No DHT, no tracker, loopback: only the peer that is named. */
const ALONE = ["--no-dht", "--no-trackers", "--bind", "127.0.0.1"];

class Scene implements AsyncDisposable {
  private constructor(
    readonly swarm: LibtorrentSwarm,
    readonly temp: Awaited<ReturnType<typeof tempDir>>,
  ) {}

  static async open(dhtNodes = 0): Promise<Scene> {
    return new Scene(await LibtorrentSwarm.start({ dhtNodes }), await tempDir());
  }

  /** Seeds a file of chance. `copy`: the same bytes, alone in a folder. */
  async seed(
    kind: "v1" | "v2" | "hybrid",
    options: { dht?: boolean } = {},
  ): Promise<{ torrent: MadeTorrent; seed: SwarmSession; copy: string }> {
    const [dir, other] = [this.temp.join(kind), this.temp.join(`${kind}-copy`)];
    for (const folder of [dir, other]) Deno.mkdirSync(folder);
    const [path, copy] = [join(dir, "thing.bin"), join(other, "thing.bin")];
    const bytes = new Uint8Array(SIZE);
    for (let at = 0; at < SIZE; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    for (const file of [path, copy]) Deno.writeFileSync(file, bytes);
    const torrent = await this.swarm.createTorrent({
      path,
      torrent: this.temp.join(`${kind}.torrent`),
      kind,
      pieceSize: PIECE,
    });
    const seed = await this.swarm.addSeed({ dir, torrent: torrent.torrent, ...options });
    return { torrent, seed, copy };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}

interface Row {
  readonly check: string;
  readonly result: string;
  readonly detail: string;
  readonly differing?: {
    path: string;
    begin: number;
    end: number;
    first_piece: number;
    last_piece: number;
  }[];
}

async function verified(path: string, ...words: string[]) {
  const { code, stdout, stderr } = await nanoSnap(["verify", path, "--json", ...words], 60_000).finished();
  assert.ok(stdout !== "", stderr);
  const { checks } = JSON.parse(stdout) as { checks: Row[] };
  return { code, stderr, checks };
}
