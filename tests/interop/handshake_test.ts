// Who speaks which version of the protocol (BEP 52, "Upgrade Path"), by libtorrent's own log and by handshakes written
// to a socket: what we dial with, what we answer to each kind of dialer, and that content comes over each of them.

import assert from "node:assert/strict";
import { join } from "node:path";
import { parseHex, toHex } from "../../lib/bytes.ts";
import { encodeHandshake, HANDSHAKE_BYTES, parseHandshake } from "../../lib/torrent/handshake.ts";
import { fingerprint, startGet, writeNoise } from "./kinds.ts";
import { freePort, need, type TempDir, tempDir, within } from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent, type SwarmSession } from "./swarm.ts";

type Kind = "v1" | "v2" | "hybrid";
const KINDS = ["v1", "v2", "hybrid"] as const;
const SIZE = 300_000;

for (const kind of KINDS) {
  Deno.test({
    name: `get dials a libtorrent seed of ${kind} under the right hash`,
    ignore: need("libtorrent"),
    async fn() {
      await using scene = await Scene.open(kind);
      const seed = await scene.seed();
      await using run = startGet({
        dataDir: scene.temp.join("data"),
        source: { kind: "magnet", text: scene.magnet },
        peers: [{ host: "127.0.0.1", port: seed.port }],
      });
      await scene.mustBeWhole((await run.result).path);
      const { sent, asked } = await scene.log(seed);
      assert.deepEqual(sent, [kind === "v1" ? scene.v1 : scene.v2]);
      assert.equal(
        asked,
        kind === "v1" ? 0 : 1,
        "one request for the piece layer, none where there are no hashes",
      );
    },
  });

  for (const by of kind === "hybrid" ? ["v1", "v2"] as const : [kind]) {
    Deno.test({
      name: `get takes all of ${kind} from a libtorrent seed that dials with ${by}`,
      ignore: need("libtorrent"),
      async fn() {
        await using scene = await Scene.open(kind);
        const seed = await scene.seed();
        const port = freePort();
        await using run = startGet({
          dataDir: scene.temp.join("data"),
          source: { kind: "magnet", text: scene.torrent.magnet },
          port,
        });
        await run.phase("downloading_metadata");
        await scene.swarm.connect(seed, port, { asV2: by === "v2" });
        await scene.mustBeWhole((await run.result).path);
        const { sent, asked } = await scene.log(seed);
        assert.deepEqual(sent, [by === "v1" ? scene.v1 : scene.v2]);
        // On the v1 + bit dial of a hybrid too: libtorrent took our answer for v2, or it would have hung up on us.
        assert.equal(asked, kind === "v1" ? 0 : 1);
      },
    });
  }
}

for (const dialer of ["we", "libtorrent"]) {
  Deno.test({
    name: `get --magnet with the v1 hash of a hybrid finds its v2 side when ${dialer} dialed first`,
    ignore: need("libtorrent"),
    async fn() {
      await using scene = await Scene.open("hybrid");
      const seed = await scene.seed();
      const port = freePort();
      await using run = startGet({
        dataDir: scene.temp.join("data"),
        source: { kind: "magnet", text: `magnet:?xt=urn:btih:${scene.v1}` },
        peers: dialer === "we" ? [{ host: "127.0.0.1", port: seed.port }] : [],
        port,
      });
      await run.phase("downloading_metadata");
      if (dialer === "libtorrent") await scene.swarm.connect(seed, port);
      await scene.mustBeWhole((await run.result).path);
      const { sent, asked } = await scene.log(seed);
      assert.equal(sent[0], scene.v1);
      assert.ok(sent.includes(scene.v2));
      assert.equal(asked, 1, "hashes are asked for on the v2 connection only: libtorrent hangs up on others");
    },
  });
}

/** What strangers dial with, and what we must answer; undefined: nothing but the end. */
const DIALERS: readonly {
  name: string;
  hash: "v1" | "v2" | "none";
  upgrade: boolean;
  answer: { hash: "v1" | "v2"; upgrade: boolean } | undefined;
}[] = [
  { name: "v1", hash: "v1", upgrade: false, answer: { hash: "v1", upgrade: true } },
  { name: "v1 and the upgrade bit", hash: "v1", upgrade: true, answer: { hash: "v2", upgrade: false } },
  { name: "v2 cut short", hash: "v2", upgrade: false, answer: { hash: "v2", upgrade: false } },
  { name: "v2 cut short and the bit", hash: "v2", upgrade: true, answer: { hash: "v2", upgrade: false } },
  { name: "another torrent's hash", hash: "none", upgrade: false, answer: undefined },
];

Deno.test({
  name: "get answers each handshake of a hybrid as libtorrent does",
  ignore: need("libtorrent"),
  async fn(t) {
    await using scene = await Scene.open("hybrid");
    const seed = await scene.seed();
    const port = freePort();
    await using run = startGet({
      dataDir: scene.temp.join("data"),
      source: { kind: "torrent", path: scene.torrent.torrent },
      port,
    });
    await run.phase("downloading");
    for (const { name, hash, upgrade, answer } of DIALERS) {
      await t.step(name, async () => {
        const infoHash = hash === "none" ? new Uint8Array(20) : scene.bytesOf(hash);
        const ours = await shakeHands(port, { infoHash, upgrade });
        if (answer === undefined) return assert.equal(ours, undefined);
        assert.equal(toHex(ours!.infoHash), toHex(scene.bytesOf(answer.hash)));
        assert.equal(ours!.upgrade, answer.upgrade);
        // libtorrent itself, asked the same.
        const theirs = await shakeHands(seed.port, { infoHash, upgrade });
        assert.equal(toHex(theirs!.infoHash), toHex(ours!.infoHash));
        assert.equal(theirs!.upgrade, ours!.upgrade);
      });
    }
  },
});

/** Opens a connection, says a handshake and reads the other's; undefined when it is closed instead. */
async function shakeHands(port: number, hand: { infoHash: Uint8Array; upgrade: boolean }) {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const peerId = crypto.getRandomValues(new Uint8Array(20));
  await conn.write(encodeHandshake({ extended: true, fast: true, dht: false, peerId, ...hand }));
  const bytes = new Uint8Array(HANDSHAKE_BYTES);
  for (let got = 0; got < bytes.length;) {
    const count = await within(conn.read(bytes.subarray(got)), 10_000, "a handshake").catch((error) => {
      if (error instanceof Deno.errors.ConnectionReset) return null;
      throw error;
    });
    if (count === null) return undefined;
    got += count;
  }
  return parseHandshake(bytes);
}

class Scene implements AsyncDisposable {
  private constructor(
    readonly swarm: LibtorrentSwarm,
    readonly temp: TempDir,
    readonly torrent: MadeTorrent,
  ) {}

  static async open(kind: Kind): Promise<Scene> {
    const [temp, swarm] = await Promise.all([tempDir(), LibtorrentSwarm.start()]);
    const path = temp.join("seed", "content");
    await writeNoise(path, SIZE);
    const made = await swarm.createTorrent({
      path,
      torrent: temp.join("t.torrent"),
      kind,
      pieceSize: 32_768,
    });
    return new Scene(swarm, temp, made);
  }

  seed(): Promise<SwarmSession> {
    return this.swarm.addSeed({ dir: this.temp.join("seed"), torrent: this.torrent.torrent, logPeers: true });
  }

  get v1(): string {
    return this.torrent.v1 ?? "none";
  }

  /** Cut short, as on the wire. */
  get v2(): string {
    return this.torrent.v2?.slice(0, 40) ?? "none";
  }

  /** With the v2 hash where there is one, otherwise with v1. */
  get magnet(): string {
    return this.torrent.magnet_v2 ?? `magnet:?xt=urn:btih:${this.torrent.v1}`;
  }

  bytesOf(hash: "v1" | "v2"): Uint8Array {
    return parseHex(hash === "v1" ? this.v1 : this.v2)!;
  }

  async mustBeWhole(path: string): Promise<void> {
    assert.deepEqual(await fingerprint(path), await fingerprint(join(this.temp.path, "seed", "content")));
  }

  /** By libtorrent's log: the hashes of its own handshakes, dialed or answered, and how often it was asked for hashes. */
  async log(seed: SwarmSession): Promise<{ sent: string[]; asked: number }> {
    const lines = await this.swarm.handshakes(seed);
    const sent = lines.map((line) => /^==> HANDSHAKE \[ ih: (\w+)/.exec(line)?.[1]).filter((ih) =>
      ih !== undefined
    );
    return { sent, asked: lines.filter((line) => line === "<== HASH_REQUEST").length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}
