// Every kind of torrent that libtorrent makes, by every name that it goes by, from a libtorrent seed: v1, v2 and hybrid,
// one file and many, small and large pieces, padded or not; by .torrent and by each kind of magnet, from a named peer
// and through the DHT. What comes is the seed's content, file by file and byte by byte, and nothing besides.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Source } from "../../lib/mirror/options.ts";
import { awkwardTree, fingerprint, startGet, writeNoise, writeTree } from "./kinds.ts";
import { need, type TempDir, tempDir } from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent, type SwarmSession, type TorrentRecipe } from "./swarm.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK = 16 * KIB;

type Kind = "v1" | "v2" | "hybrid";

interface Content {
  readonly name: string;
  readonly pieceSize: number;
  /** The size of a single file; a folder when not given. */
  readonly size?: number;
  readonly padding?: NonNullable<TorrentRecipe["padding"]>;
  readonly only?: Kind;
}

const CONTENTS: readonly Content[] = [
  { name: "file of 65 pieces and a byte, 16 KiB", pieceSize: 16 * KIB, size: 65 * BLOCK + 1 },
  { name: "file of 4 whole pieces, 256 KiB", pieceSize: 256 * KIB, size: MIB },
  { name: "file smaller than a block, 1 MiB", pieceSize: MIB, size: 100 },
  { name: "folder, 16 KiB", pieceSize: 16 * KIB },
  { name: "folder, 256 KiB", pieceSize: 256 * KIB, padding: "no tail" },
  { name: "folder, 1 MiB", pieceSize: MIB },
  { name: "folder with padding, 256 KiB", pieceSize: 256 * KIB, padding: "tail", only: "v1" },
];

for (const kind of ["v1", "v2", "hybrid"] as const) {
  for (const content of CONTENTS.filter(({ only = kind }) => only === kind)) {
    Deno.test({
      name: `get of ${kind}: ${content.name}`,
      ignore: need("libtorrent"),
      async fn(t) {
        await using scene = await Scene.open(kind, content);
        for (const [name, source] of scene.sources()) {
          for (const by of ["peer", "dht"] as const) {
            await t.step(
              `by ${name}, ${by === "peer" ? "--peer" : "through the DHT"}`,
              () => scene.get(source, by),
            );
          }
        }
      },
    });
  }
}

/** One torrent, its seed, and the DHT that knows both. */
class Scene implements AsyncDisposable {
  #runs = 0;

  private constructor(
    readonly swarm: LibtorrentSwarm,
    readonly temp: TempDir,
    readonly torrent: MadeTorrent,
    readonly seed: SwarmSession,
    readonly fingerprint: Record<string, string>,
  ) {}

  static async open(kind: Kind, content: Content): Promise<Scene> {
    const temp = await tempDir();
    const swarm = await LibtorrentSwarm.start({ dhtNodes: 4 });
    const path = temp.join("seed", "The Content");
    if (content.size === undefined) await writeTree(path, awkwardTree(content.pieceSize));
    else await writeNoise(path, content.size);
    const torrent = await swarm.createTorrent({
      path,
      torrent: temp.join("one.torrent"),
      kind,
      pieceSize: content.pieceSize,
      ...(content.padding === undefined ? {} : { padding: content.padding }),
    });
    assert.equal(torrent.v1 !== null, kind !== "v2");
    assert.equal(torrent.v2 !== null, kind !== "v1");
    const seed = await swarm.addSeed({ dir: temp.join("seed"), torrent: torrent.torrent, dht: true });
    return new Scene(swarm, temp, torrent, seed, await fingerprint(path));
  }

  /** Each way to name the torrent. The first is a .torrent, the others leave the metadata to be fetched. */
  sources(): [string, Source][] {
    const { v1, v2, torrent, magnet } = this.torrent;
    const links: [string, string][] = [[
      "libtorrent's magnet",
      `${magnet}&dn=x&tr=http%3A%2F%2F127.0.0.1%3A1%2Fa`,
    ]];
    if (v1 !== null && v2 !== null) links.push(["btih and btmh", `xt=urn:btih:${v1}&xt=urn:btmh:1220${v2}`]);
    if (v1 !== null) links.push(["btih", `xt=urn:btih:${v1}`]);
    if (v2 !== null) links.push(["btmh", `xt=urn:btmh:1220${v2}`]);
    if (v2 !== null) links.push(["btih of the short v2", `xt=urn:btih:${v2.slice(0, 40)}`]);
    return [
      [".torrent", { kind: "torrent", path: torrent }],
      ...links.map(([name, link]): [string, Source] => {
        const text = link.startsWith("magnet:?") ? link : `magnet:?${link}`;
        return [name, { kind: "magnet", text }];
      }),
    ];
  }

  /** Fetches into a folder of its own and compares. */
  async get(source: Source, by: "peer" | "dht"): Promise<void> {
    const dataDir = this.temp.join(`data${++this.#runs}`);
    const bootstrap = this.swarm.dhtPorts.map((port) => ({ host: "127.0.0.1", port }));
    await using run = startGet({
      dataDir,
      source,
      ...(by === "peer"
        ? { peers: [{ host: "127.0.0.1", port: this.seed.port }] }
        : { dht: { enabled: true, bootstrap } }),
    });
    const result = await run.result;
    assert.equal(result.path, join(dataDir, "The Content"));
    assert.equal(result.size, this.torrent.size);
    assert.equal(result.infoHash ?? null, this.torrent.v2);
    assert.equal(result.infoHashV1 ?? null, this.torrent.v1);
    assert.deepEqual(await fingerprint(result.path), this.fingerprint);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}
