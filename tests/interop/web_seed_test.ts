// Web seeds (BEP 19) as `get` uses them: torrents that libtorrent made, servers that BusyBox runs or that lie, and
// libtorrent seeds beside them.

import assert from "node:assert/strict";
import { writeNoise, writeTree } from "./kinds.ts";
import { nanoSnap } from "./stage.ts";
import { freePort, need, type RunningProgram, sha256OfFile, startProgram, tempDir } from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent } from "./swarm.ts";

const SIZE = 12_000_000;
const KB = 1000;

/** BusyBox's own HTTP server, which sends parts. */
async function busybox(folder: string) {
  const port = freePort();
  const program = startProgram("busybox", ["httpd", "-f", "-p", `127.0.0.1:${port}`, "-h", folder], {
    deadlineMs: 300_000,
  });
  // It says nothing when it is ready.
  for (let isUp = false; !isUp;) {
    isUp = await Deno.connect({ hostname: "127.0.0.1", port }).then((c) => (c.close(), true), () => false);
  }
  return { url: `http://127.0.0.1:${port}/`, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

/** A server of ours; `answer` gets the bytes that are asked for. */
function liar(answer: (request: Request, first: number, last: number) => Response) {
  let requests = 0;
  const stop = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, signal: stop.signal, onListen: () => {} },
    (request) => {
      requests++;
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "")?.map(Number) ??
        [];
      return answer(request, first ?? 0, last ?? -1);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/noise.bin`,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
    },
  };
}

interface Scene extends AsyncDisposable {
  readonly swarm: LibtorrentSwarm;
  readonly torrent: MadeTorrent;
  readonly folder: string;
  readonly data: Uint8Array<ArrayBuffer>;
  get(...more: readonly string[]): RunningProgram;
  mustBeWhole(run: RunningProgram): Promise<string>;
}

async function scene(options: { webSeeds?: (folder: string) => Promise<string[]> } = {}): Promise<Scene> {
  const temp = await tempDir();
  const folder = temp.join("files");
  await writeNoise(`${folder}/noise.bin`, SIZE);
  const swarm = await LibtorrentSwarm.start();
  const webSeeds = await options.webSeeds?.(folder) ?? [];
  const torrent = await swarm.createTorrent({
    path: `${folder}/noise.bin`,
    torrent: temp.join("noise.torrent"),
    pieceSize: 256 * 1024,
    webSeeds,
  });
  return {
    swarm,
    torrent,
    folder,
    data: Deno.readFileSync(`${folder}/noise.bin`),
    get: (...more) =>
      nanoSnap([
        "get",
        ...["--torrent", torrent.torrent, "--data-dir", temp.join("got"), "--bind", "127.0.0.1"],
        ...["--no-dht", "--no-trackers", "--json", ...more],
      ], 120_000),
    async mustBeWhole(run) {
      const result = await run.finished();
      assert.equal(result.code, 0, result.stderr);
      const { path } = JSON.parse(result.stdout) as { path: string };
      assert.equal(sha256OfFile(path), sha256OfFile(`${folder}/noise.bin`));
      return result.stderr;
    },
    async [Symbol.asyncDispose]() {
      await swarm[Symbol.asyncDispose]();
      await temp[Symbol.asyncDispose]();
    },
  };
}

Deno.test({
  name: "get fetches from a torrent's url-list alone, where nobody else is",
  ignore: need("libtorrent", "busybox"),
  async fn() {
    await using stack = new AsyncDisposableStack();
    await using world = await scene({
      webSeeds: async (folder) => [stack.use(await busybox(folder)).url],
    });
    await using run = world.get("--port", "0");
    const stderr = await world.mustBeWhole(run);
    assert.match(stderr, /asking web seed 127\.0\.0\.1:\d+/);
  },
});

Deno.test({
  name: "get fetches a folder from --web-seed by the paths of its files, v1, v2 and hybrid",
  ignore: need("libtorrent", "busybox"),
  async fn() {
    await using temp = await tempDir();
    const tree = { "a/b c/one.bin": 70_001, "a/two é+#.bin": 16_384, "three.bin": 200_000, "zero": 0 };
    await writeTree(temp.join("folder"), tree);
    await using swarm = await LibtorrentSwarm.start();
    await using server = await busybox(temp.path);
    await Promise.all((["v1", "v2", "hybrid"] as const).map(async (kind) => {
      const made = await swarm.createTorrent({
        path: temp.join("folder"),
        torrent: temp.join(`${kind}.torrent`),
        pieceSize: 32_768,
        kind,
      });
      await using run = nanoSnap([
        "get",
        ...["--torrent", made.torrent, "--data-dir", temp.join(kind), "--bind", "127.0.0.1", "--port", "0"],
        ...["--no-dht", "--no-trackers", "--json", "--web-seed", server.url],
      ], 60_000);
      const result = await run.finished();
      assert.equal(result.code, 0, result.stderr);
      for (const name of Object.keys(tree)) {
        const got = `${temp.join(kind)}/folder/${name}`;
        assert.equal(sha256OfFile(got), sha256OfFile(temp.join("folder", name)), got);
      }
    }));
  },
});

Deno.test({
  name: "get has a slow libtorrent seed and a redirected web seed work together, the peer first",
  ignore: need("libtorrent", "busybox"),
  async fn() {
    await using world = await scene();
    await using server = await busybox(world.folder);
    await using redirecting = liar(() =>
      new Response(null, { status: 302, headers: { location: `${server.url}noise.bin` } })
    );
    const seed = await world.swarm.addSeed({
      dir: world.folder,
      torrent: world.torrent.torrent,
      upLimit: 200 * KB,
    });
    await using run = world.get(
      ...["--port", "0", "--peer", `127.0.0.1:${seed.port}`, "--web-seed", redirecting.url],
    );
    await world.swarm.uploaded(seed, 1_000_000);
    assert.equal(redirecting.requests(), 0, "the peer was left alone at first");
    await world.mustBeWhole(run);
    const { uploaded } = await world.swarm.status(seed);
    assert.ok(redirecting.requests() > 0 && uploaded < SIZE, `${uploaded}`);
  },
});

Deno.test({
  name: "get bans a web seed that spoils bytes, and ends well by a libtorrent seed",
  ignore: need("libtorrent"),
  async fn() {
    await using world = await scene();
    await using spoiling = liar((_, first, last) => {
      const part = world.data.slice(first, last + 1);
      part[part.length >> 1]! ^= 1;
      const headers = { "content-range": `bytes ${first}-${last}/${SIZE}` };
      return new Response(part, { status: 206, headers });
    });
    const port = freePort();
    await using run = world.get("--port", `${port}`, "--web-seed", spoiling.url);
    await run.stderrLine(/Banned web seed 127\.0\.0\.1:\d+: it sent a bad piece \d+/);
    const seed = await world.swarm.addSeed({ dir: world.folder, torrent: world.torrent.torrent });
    await world.swarm.connect(seed, port);
    await world.mustBeWhole(run);
    assert.ok(spoiling.requests() <= 2, `${spoiling.requests()} requests`);
  },
});

Deno.test({
  name: "get asks a web seed that sends everything for a part no more, and ends well by a libtorrent seed",
  ignore: need("libtorrent"),
  async fn() {
    await using world = await scene();
    await using careless = liar(() => new Response(world.data));
    const port = freePort();
    await using run = world.get("--port", `${port}`, "--web-seed", careless.url);
    await run.stderrLine(/Web seed \S+ is not asked any more: it sends the whole file when asked for a part/);
    const seed = await world.swarm.addSeed({ dir: world.folder, torrent: world.torrent.torrent });
    await world.swarm.connect(seed, port);
    await world.mustBeWhole(run);
    assert.equal(careless.requests(), 1);
  },
});
