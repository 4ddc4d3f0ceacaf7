// Our seed inside the test's own process: a real line on loopback that serves any number of torrents, so that many small
// ones are cheap, and what peers ask for can be looked at.

import { Line } from "../../lib/line/line.ts";
import type { LineOptions } from "../../lib/line/line.ts";
import { SystemMachine } from "../../lib/io/machine.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import type { HashSpan } from "../../lib/torrent/wire.ts";
import { toHex } from "../../lib/bytes.ts";
import { Served } from "../../lib/producer/served.ts";

export class SeedHost implements AsyncDisposable {
  readonly line: Line;
  /** What did not go as it should. */
  readonly notes: string[] = [];
  readonly #folder: string;
  readonly #served: Served[] = [];
  readonly #machine = new SystemMachine("nano-snap test");

  private constructor(line: Line, folder: string) {
    this.line = line;
    this.#folder = folder;
    line.session.failed.catch((error) => this.notes.push(String(error)));
  }

  /** @param folder For what it keeps. */
  static async open(folder: string, options: Partial<LineOptions> = {}): Promise<SeedHost> {
    const closed: string[] = [];
    const line = await Line.open(
      new SystemMachine("nano-snap test"),
      `${folder}/dht.json`,
      {
        port: 0,
        bind: ["127.0.0.1"],
        dht: { enabled: false, bootstrap: undefined },
        maxPeers: 200,
        downLimit: undefined,
        upLimit: undefined,
        ...options,
      },
      (event) => {
        if (event.kind === "note") closed.push(event.text);
      },
    );
    const host = new SeedHost(line, folder);
    host.closed = closed;
    return host;
  }

  /** Why connections ended, in order. */
  closed: string[] = [];

  get port(): number {
    return this.line.port;
  }

  /** Begins to serve FILE by FILE's torrent. */
  async seed(archivePath: string, torrentPath: string): Promise<Served> {
    const metainfo = parseTorrent(await Deno.readFile(torrentPath));
    const v2 = toHex(metainfo.info.infoHashV2!);
    const served = await Served.open(
      {
        pair: { archivePath, torrentPath, metainfo, v2 },
        machine: this.#machine,
        recordPath: `${this.#folder}/${v2}.json`,
        isVouched: () => false,
        line: this.line,
        trackers: [],
        bind: ["127.0.0.1"],
        report: (event) => {
          if (event.kind === "note") this.notes.push(event.text);
        },
        onBug: (error) => this.notes.push(String(error)),
      },
      new AbortController().signal,
      () => Promise.resolve(),
    );
    this.#served.push(served);
    return served;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const served of this.#served) await served[Symbol.asyncDispose]();
    await this.line[Symbol.asyncDispose]();
  }
}

/** Hash requests that come to it from now on. */
export function watchHashRequests({ swarm }: Served): HashSpan[] {
  const asked: HashSpan[] = [];
  const answer = swarm.onHashRequest.bind(swarm);
  swarm.onHashRequest = (peer, span) => {
    asked.push(span);
    answer(peer, span);
  };
  return asked;
}
