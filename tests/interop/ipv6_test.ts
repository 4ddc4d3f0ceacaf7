// IPv6 on loopback: libtorrent seeds at ::1, dialed by every way in which such a peer is named, and dialing us; and one
// port that both families reach. The DHT is IPv4's and has no part in this.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { join } from "node:path";
import { decodeDict, encode } from "../../lib/bencode.ts";
import type { GetOptions } from "../../lib/mirror/options.ts";
import { encodeHandshake, HANDSHAKE_BYTES, parseHandshake } from "../../lib/torrent/handshake.ts";
import { fingerprint, startGet, writeNoise } from "./kinds.ts";
import { freePort, need, say, type TempDir, tempDir } from "./support.ts";
import { LibtorrentSwarm, type MadeTorrent, type SwarmSession } from "./swarm.ts";

const IGNORE = need("libtorrent") || !await hasIpv6();

Deno.test({
  name: "get --peer and x.pe take an IPv6 address, with --bind ::1",
  ignore: IGNORE,
  async fn() {
    await using scene = await Scene.open();
    const seed = await scene.seedAt("[::1]:0");
    await scene.mustGet({ bind: ["::1"], peers: [{ host: "::1", port: seed.port }] });
    const text = `${scene.torrent.magnet_v2}&x.pe=[::1]:${seed.port}`;
    await scene.mustGet({ bind: ["::1"], source: { kind: "magnet", text } });
  },
});

Deno.test({
  name: "get with no --bind is reached by libtorrent at ::1 and at 127.0.0.1 alike",
  ignore: IGNORE,
  async fn() {
    await using scene = await Scene.open();
    for (const host of ["::1", "127.0.0.1"]) {
      const seed = await scene.seedAt(host === "::1" ? "[::1]:0" : "127.0.0.1:0");
      const port = freePort();
      await scene.mustGet({ bind: [], port }, () => scene.swarm.connect(seed, port, { host }));
      assert.ok((await scene.swarm.status(seed)).uploaded >= SIZE);
    }
  },
});

Deno.test({
  name: "get dials the IPv6 peers that PEX names",
  ignore: IGNORE,
  async fn() {
    await using scene = await Scene.open();
    const seed = await scene.seedAt("[::1]:0");
    await using teller = new PexTeller(seed.port);
    await scene.mustGet({ bind: ["::1"], peers: [{ host: "::1", port: teller.port }] });
    assert.ok((await scene.swarm.status(seed)).uploaded >= SIZE);
  },
});

const SIZE = 300_000;

/** Whether ::1 can be bound; a sandbox may have no IPv6 at all. */
async function hasIpv6(): Promise<boolean> {
  const server = createServer();
  const listening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(0, "::1", () => resolve(true));
  });
  await new Promise((resolve) => server.close(resolve));
  if (!listening) say("interop: IPv6 tests are skipped: this machine has no ::1");
  return listening;
}

/** A peer with nothing to give but the address of one that has everything (BEP 11, `added6`). */
class PexTeller implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #task: Promise<void>;

  constructor(readonly seedPort: number) {
    this.#listener = Deno.listen({ hostname: "::1", port: 0 });
    this.#task = this.#serve().catch(() => {}); // the test sees whether the message came
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  async #serve(): Promise<void> {
    using conn = await this.#listener.accept();
    const reader = new ExactReader(conn);
    const { infoHash } = parseHandshake(await reader.bytes(HANDSHAKE_BYTES));
    const peerId = crypto.getRandomValues(new Uint8Array(20));
    await conn.write(
      encodeHandshake({ extended: true, fast: true, dht: false, upgrade: false, infoHash, peerId }),
    );
    await conn.write(message(20, 0, encode({ m: { ut_pex: 1 }, v: "teller" })));
    for (;;) {
      const length = new DataView((await reader.bytes(4)).buffer).getUint32(0);
      const body = await reader.bytes(length);
      if (body[0] !== 20 || body[1] !== 0) continue;
      const id = decodeDict(body.subarray(2)).dict("m")?.int("ut_pex") ?? 0;
      const added6 = new Uint8Array(18);
      added6[15] = 1; // ::1
      new DataView(added6.buffer).setUint16(16, this.seedPort);
      await conn.write(message(20, id, encode({ added6, "added6.f": Uint8Array.of(2) })));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#task;
  }
}

function message(id: number, extension: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(6 + payload.length);
  new DataView(bytes.buffer).setUint32(0, 2 + payload.length);
  bytes.set([id, extension], 4);
  bytes.set(payload, 6);
  return bytes;
}

class ExactReader {
  constructor(readonly conn: Deno.TcpConn) {}

  async bytes(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    for (let got = 0; got < length;) {
      got += await this.conn.read(bytes.subarray(got)) ?? assert.fail("closed");
    }
    return bytes;
  }
}

class Scene implements AsyncDisposable {
  #runs = 0;

  private constructor(
    readonly swarm: LibtorrentSwarm,
    readonly temp: TempDir,
    readonly torrent: MadeTorrent,
  ) {}

  static async open(): Promise<Scene> {
    const [temp, swarm] = await Promise.all([tempDir(), LibtorrentSwarm.start()]);
    const path = temp.join("seed", "content");
    await writeNoise(path, SIZE);
    return new Scene(
      swarm,
      temp,
      await swarm.createTorrent({ path, torrent: temp.join("t.torrent"), pieceSize: 32_768 }),
    );
  }

  seedAt(listen: string): Promise<SwarmSession> {
    return this.swarm.addSeed({ dir: this.temp.join("seed"), torrent: this.torrent.torrent, listen });
  }

  /** @param whenReady Called once the run listens and knows the torrent. */
  async mustGet(options: Partial<GetOptions>, whenReady?: () => Promise<void>): Promise<void> {
    await using run = startGet({
      dataDir: this.temp.join(`data${++this.#runs}`),
      source: { kind: "torrent", path: this.torrent.torrent },
      ...options,
    });
    if (whenReady !== undefined) {
      await run.phase("downloading");
      await whenReady();
    }
    const { path } = await run.result;
    assert.deepEqual(await fingerprint(path), await fingerprint(join(this.temp.path, "seed", "content")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm[Symbol.asyncDispose]();
    await this.temp[Symbol.asyncDispose]();
  }
}
