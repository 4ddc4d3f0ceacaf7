// qBittorrent without a face, on loopback, steered by its WebUI API. Its profile lies in a folder of the test's.

import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort, type RunningProgram, startProgram } from "./support.ts";

export interface QbPeer {
  readonly client: string;
  readonly ip: string;
  readonly port: number;
}

export class QBittorrent implements AsyncDisposable {
  readonly port: number;
  readonly #program: RunningProgram;
  readonly #api: string;

  private constructor(program: RunningProgram, port: number, api: string) {
    this.#program = program;
    this.port = port;
    this.#api = api;
  }

  /** Starts it and waits until it answers. @param folder Made if need be. */
  static async start(folder: string): Promise<QBittorrent> {
    const [port, webPort] = [freePort(), freePort()];
    const config = join(folder, "qBittorrent", "config");
    await Deno.mkdir(config, { recursive: true });
    await Deno.writeTextFile(join(config, "qBittorrent.conf"), configOf(port, folder));
    const program = startProgram("qbittorrent-nox", [`--profile=${folder}`, `--webui-port=${webPort}`], {
      stdin: "y\n",
      deadlineMs: 120_000,
      env: { HOME: folder, QT_QPA_PLATFORM: "offscreen" },
    });
    const qb = new QBittorrent(program, port, `http://127.0.0.1:${webPort}/api/v2/`);
    try {
      await qb.#until("an answer", async () => (await fetch(`${qb.#api}app/version`)).ok);
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
    return qb;
  }

  /** Adds a torrent, by its file or a magnet, and names it a peer. @param hash As qBittorrent calls it, 40 digits. */
  async add(what: { torrent: string } | { magnet: string }, hash: string, peer: string): Promise<void> {
    const form = new FormData();
    if ("magnet" in what) form.set("urls", what.magnet);
    else form.set("torrents", new Blob([await Deno.readFile(what.torrent)]), "t.torrent");
    assert.equal(await this.#post("torrents/add", form), "Ok.");
    await this.#until(
      "the torrent",
      async () => (await this.#get(`torrents/info?hashes=${hash}`)).length === 1,
    );
    await this.addPeer(hash, peer);
  }

  async addPeer(hash: string, peer: string): Promise<void> {
    const body = new URLSearchParams({ hashes: hash, peers: peer });
    await this.#post("torrents/addPeers", body);
  }

  /** Waits until it has everything. @returns Where it is. */
  async done(hash: string): Promise<string> {
    let path = "";
    await this.#until("all of the torrent", async () => {
      const [torrent] = await this.#get(`torrents/info?hashes=${hash}`) as Record<string, string | number>[];
      path = String(torrent?.["content_path"]);
      return torrent?.["progress"] === 1 && torrent["amount_left"] === 0;
    });
    return path;
  }

  async peers(hash: string): Promise<QbPeer[]> {
    const { peers } = await this.#get(`sync/torrentPeers?hash=${hash}`) as { peers?: Record<string, QbPeer> };
    return Object.values(peers ?? {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#program.kill("SIGTERM");
    await this.#program.finished().catch(() => {});
    await this.#program[Symbol.asyncDispose]();
  }

  // deno-lint-ignore no-explicit-any
  async #get(path: string): Promise<any> {
    return await (await fetch(this.#api + path)).json();
  }

  async #post(path: string, body: BodyInit): Promise<string> {
    return await (await fetch(this.#api + path, { method: "POST", body })).text();
  }

  /** The API has no way to wait: it is asked again until it says so. */
  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + DEADLINE_MS;
    for (;;) {
      if (await holds().catch(() => false)) return;
      assert.ok(performance.now() < endMs, `qBittorrent: no ${what} in time`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function configOf(port: number, folder: string): string {
  return `[LegalNotice]
Accepted=true

[BitTorrent]
Session\\Port=${port}
Session\\DefaultSavePath=${folder}/downloads
Session\\DHTEnabled=false
Session\\LSDEnabled=false
Session\\PeXEnabled=true
Session\\MultiConnectionsPerIp=true
Session\\BTProtocol=TCP
Session\\QueueingSystemEnabled=false

[Network]
PortForwardingEnabled=false

[Preferences]
WebUI\\Address=127.0.0.1
WebUI\\LocalHostAuth=false
WebUI\\CSRFProtection=false
WebUI\\HostHeaderValidation=false
General\\Locale=en
`;
}

const DEADLINE_MS = 45_000;
