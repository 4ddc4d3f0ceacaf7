// Limits and giving, with libtorrent on the other side: the rates hold, so does the number of connections, and whoever
// fetches helps others who fetch the same.

import assert from "node:assert/strict";
import { writeNoise } from "./kinds.ts";
import { nanoSnap } from "./stage.ts";
import { freePort, need, type RunningProgram, sha256OfFile, type TempDir, tempDir } from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent, type SwarmSession } from "./swarm.ts";

const MB = 1_000_000;
const KIB = 1024;

/** A file, its torrent, and the process that its libtorrent peers live in. */
class Scene implements AsyncDisposable {
  #folders = 0;

  private constructor(
    readonly swarm: LibtorrentSwarm,
    readonly temp: TempDir,
    readonly size: number,
    readonly torrent: MadeTorrent,
  ) {}

  static async open(size: number, options: { dhtNodes?: number } = {}): Promise<Scene> {
    const temp = await tempDir();
    const swarm = await LibtorrentSwarm.start({ dhtNodes: options.dhtNodes ?? 0 });
    const path = temp.join("seed", "noise.bin");
    await writeNoise(path, size);
    const torrent = await swarm.createTorrent({
      path,
      torrent: temp.join("noise.torrent"),
      pieceSize: 256 * KIB,
    });
    return new Scene(swarm, temp, size, torrent);
  }

  seed(options: { upLimit?: number; dht?: boolean } = {}): Promise<SwarmSession> {
    return this.swarm.addSeed({ dir: this.temp.join("seed"), torrent: this.torrent.torrent, ...options });
  }

  async leech(): Promise<SwarmSession & { readonly dir: string }> {
    const dir = this.temp.join(`leech${++this.#folders}`);
    await Deno.mkdir(dir);
    return { ...await this.swarm.addLeech({ dir, torrent: this.torrent.torrent }), dir };
  }

  /** Starts `get` of the torrent into a folder of its own. */
  get(...more: readonly string[]): RunningProgram {
    const dir = this.temp.join(`get${++this.#folders}`);
    const where = ["--torrent", this.torrent.torrent, "--data-dir", dir, "--bind", "127.0.0.1"];
    const dht = this.swarm.dhtPorts.length > 0 ? ["--dht-bootstrap", this.swarm.bootstrap()] : ["--no-dht"];
    const quiet = ["--port", "0", "--no-trackers", "--json"];
    return nanoSnap(["get", ...where, ...dht, ...quiet, ...more], 120_000);
  }

  /** Waits for its good end, and compares what it got. @returns Milliseconds from its start. */
  async mustFinish(run: RunningProgram): Promise<number> {
    const result = await run.finished();
    assert.equal(result.code, 0, result.stderr);
    const { path } = JSON.parse(result.stdout.trimEnd().split("\n").at(-1) ?? "") as { path: string };
    this.mustBeWhole(path);
    return result.elapsedMs;
  }

  mustBeWhole(path: string): void {
    assert.equal(sha256OfFile(path), sha256OfFile(this.temp.join("seed", "noise.bin")));
  }

  async uploaded(session: SwarmSession): Promise<number> {
    return (await this.swarm.status(session)).uploaded;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}

const at = ({ port }: { readonly port: number }) => `127.0.0.1:${port}`;

/** The rate over ten seconds, in parts of what it should be, once the first bytes have passed. */
async function rateOf(
  run: RunningProgram,
  reach: (bytes: number) => Promise<void>,
  rate: number,
): Promise<number> {
  const ended = run.finished().then((result) => assert.fail(`it ended early: ${result.stderr}`));
  const reached = (bytes: number) => Promise.race([reach(bytes), ended]);
  await reached(3 * rate);
  const startMs = performance.now();
  await reached(13 * rate);
  return 10_000 / (performance.now() - startMs);
}

Deno.test({
  name: "get --down-limit 2M takes 2 MB a second from a seed that has more, within 5 % over 10 s",
  ignore: need("libtorrent"),
  async fn() {
    await using scene = await Scene.open(40 * MB);
    const seed = await scene.seed();
    await using run = scene.get("--peer", at(seed), "--down-limit", "2M");
    const rate = await rateOf(run, (bytes) => scene.swarm.uploaded(seed, bytes), 2 * MB);
    assert.ok(rate > 0.95 && rate < 1.05, `${rate} of the limit`);
  },
});

Deno.test({
  name: "get --down-limit 2M takes 2 MB a second from six seeds together, within 5 % over 10 s",
  ignore: need("libtorrent"),
  async fn() {
    await using scene = await Scene.open(40 * MB);
    const seeds = await Promise.all(Array.from({ length: 6 }, () => scene.seed()));
    await using run = scene.get(...seeds.flatMap((seed) => ["--peer", at(seed)]), "--down-limit", "2M");
    const elapsedMs = await scene.mustFinish(run);
    const sum = (await Promise.all(seeds.map((seed) => scene.uploaded(seed)))).reduce((a, b) => a + b, 0);
    assert.ok(sum < 1.05 * scene.size, `${sum} bytes sent`);
    // Starting and looking at the end take a moment; the first tenth of a second's bytes are free.
    assert.ok(elapsedMs > 0.95 * 20_000 && elapsedMs < 1.05 * 20_000 + 3000, `${elapsedMs} ms`);
  },
});

Deno.test({
  name:
    "get --up-limit 2M gives 2 MB a second to a libtorrent leech while it still fetches, within 5 % over 10 s",
  ignore: need("libtorrent"),
  async fn() {
    await using scene = await Scene.open(48 * MB);
    const seed = await scene.seed({ upLimit: 10 * MB }); // slow enough to be stopped before the end
    const port = freePort();
    await using run = scene.get("--peer", at(seed), "--up-limit", "2M", "--port", `${port}`);
    await scene.swarm.uploaded(seed, 36 * MB);
    await scene.swarm.limits(seed, { upLimit: 20 * KIB });
    const leech = await scene.leech();
    await scene.swarm.connect(leech, port);
    const rate = await rateOf(run, (bytes) => scene.swarm.downloaded(leech, bytes), 2 * MB);
    assert.ok(rate > 0.95 && rate < 1.05, `${rate} of the limit`);
    await scene.swarm.limits(seed, {});
    await scene.mustFinish(run);
  },
});

Deno.test({
  name: "get --max-peers 2 never holds more than two connections, with four seeds that would dial it",
  ignore: need("libtorrent"),
  async fn() {
    await using scene = await Scene.open(24 * MB);
    const seeds = await Promise.all(Array.from({ length: 4 }, () => scene.seed({ upLimit: 2 * MB })));
    const port = freePort();
    await using run = scene.get(
      ...seeds.flatMap((seed) => ["--peer", at(seed)]),
      "--max-peers",
      "2",
      "--port",
      `${port}`,
    );
    let isOver = false;
    const finished = scene.mustFinish(run).finally(() => isOver = true);
    let most = 0;
    // The seeds are asked one after the other, and hear of an end a moment after it: what counts as open together is
    // what each of three whole rounds saw.
    let before = new Set<string>();
    let stillBefore = new Set<string>();
    for (let round = 0; !isOver; round++) {
      // They dial too, again and again, whenever it may have room.
      if (round % 10 === 0) await Promise.all(seeds.map((seed) => scene.swarm.connect(seed, port)));
      const all = await Promise.all(seeds.map((seed) => scene.swarm.status(seed)));
      const now = new Set(
        all.flatMap(({ peers }, seed) =>
          peers.filter(({ client }) => client !== "").map(({ port }) => `${seed} to ${port}`)
        ),
      );
      most = Math.max(most, now.intersection(before).intersection(stillBefore).size);
      [before, stillBefore] = [now, before];
    }
    await finished;
    assert.equal(most, 2);
  },
});

Deno.test({
  name:
    "two gets next to one limited seed exchange pieces: both are done in little more than the time of one",
  ignore: need("libtorrent"),
  async fn() {
    await using scene = await Scene.open(24 * MB);
    const rate = 2 * MB;
    const seed = await scene.seed({ upLimit: rate });
    const port = freePort();
    await using first = scene.get("--peer", at(seed), "--port", `${port}`);
    await using second = scene.get("--peer", at(seed), "--peer", `127.0.0.1:${port}`, "--port", "0");
    const times = await Promise.all([first, second].map((run) => scene.mustFinish(run)));
    mustHaveShared(scene, await scene.uploaded(seed), rate, times);
  },
});

Deno.test({
  name: "two gets that the DHT alone brings together exchange pieces",
  ignore: need("libtorrent"),
  async fn() {
    await using scene = await Scene.open(60 * MB, { dhtNodes: 8 });
    const rate = 2 * MB;
    const seed = await scene.seed({ upLimit: rate, dht: true });
    await using first = scene.get("--port", "0");
    await using second = scene.get("--port", "0");
    const times = await Promise.all([first, second].map((run) => scene.mustFinish(run)));
    mustHaveShared(scene, await scene.uploaded(seed), rate, times);
  },
});

Deno.test({
  name: "get and a libtorrent leech next to one limited seed help each other",
  ignore: need("libtorrent"),
  async fn() {
    await using scene = await Scene.open(24 * MB);
    const rate = 2 * MB;
    const seed = await scene.seed({ upLimit: rate });
    const leech = await scene.leech();
    const startMs = performance.now();
    await scene.swarm.connect(leech, seed.port);
    await using run = scene.get("--peer", at(seed), "--peer", at(leech), "--port", "0");
    const times = await Promise.all([
      scene.mustFinish(run),
      scene.swarm.done(leech).then(() => performance.now() - startMs),
    ]);
    scene.mustBeWhole(`${leech.dir}/noise.bin`);
    mustHaveShared(scene, await scene.uploaded(seed), rate, times);
    const { uploaded, downloaded } = await scene.swarm.status(leech);
    assert.ok(uploaded > 0.2 * scene.size, `it gave us ${uploaded}`);
    assert.ok(downloaded < 1.1 * scene.size, `it took ${downloaded}`);
  },
});

/** Without one another both would need everything from the seed, which takes twice the time of one. */
function mustHaveShared(scene: Scene, bySeed: number, rate: number, times: readonly number[]): void {
  const apartMs = 1000 * 2 * scene.size / rate;
  assert.ok(bySeed < 1.35 * scene.size, `the seed sent ${bySeed / scene.size} times the file`);
  const lastMs = Math.max(...times);
  assert.ok(lastMs < 0.8 * apartMs, `${lastMs} ms, apart ${apartMs}`);
}
