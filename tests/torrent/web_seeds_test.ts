// A torrent's web seeds on virtual time, their servers as hostile as a test wants. The swarm and its content are real.

import assert from "node:assert/strict";
import { OperationFailed } from "../../lib/errors.ts";
import type { HttpStream, HttpStreams } from "../../lib/ports.ts";
import type { PieceIndex } from "../../lib/torrent/layout.ts";
import { Swarm } from "../../lib/torrent/swarm.ts";
import { TokenBucket } from "../../lib/torrent/token_bucket.ts";
import { runWebSeeds, webSeedsOf } from "../../lib/torrent/web_seeds.ts";
import { hashesOf } from "../../lib/torrent/handshake.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";
import { FixtureTorrent } from "./fixture_torrent.ts";
import { seeded } from "./seeded.ts";

type Answer = { status: number; headers: Record<string, string>; body: Uint8Array[]; everyMs?: number };
/** What a server does with a request for a part: the right answer is given to be spoiled. */
type Manners = (right: Answer, request: { url: string; number: number }) => Answer | Error;

const HONEST: Manners = (right) => right;
const SIZE = 3_000_000;
const MIB = 1 << 20;

class World {
  readonly clock = new VirtualClock();
  readonly torrent: FixtureTorrent;
  readonly swarm: Swarm;
  readonly notes: string[] = [];
  readonly asked: { url: string; range: string; atMs: number }[] = [];
  #bytes: Uint8Array;

  constructor(
    readonly manners: Record<string, Manners>,
    options: { kind?: "v1" | "v2" | "hybrid"; lengths?: number[]; pieceLength?: number } = {},
  ) {
    const { kind = "hybrid", lengths = [SIZE], pieceLength = 65_536 } = options;
    this.torrent = new FixtureTorrent(kind, pieceLength, lengths);
    const { info, layout } = this.torrent;
    this.swarm = new Swarm({
      hashes: hashesOf(info),
      wanted: undefined,
      peerId: new Uint8Array(20),
      client: "us 1",
      listenPort: undefined,
      dhtPort: undefined,
      random: seeded(1),
      upLimit: undefined,
      listener: {
        onInfo: () => {},
        onLayers: () => {},
        onGoodPiece: () => {},
        onComplete: () => {},
        onFault: () => assert.fail("no peer is here"),
        onDhtNode: () => {},
      },
    });
    const layers = this.torrent.layers();
    this.swarm.learnInfo(info, layout, layers);
    this.swarm.start(this.torrent.download(layers === undefined ? {} : { layers }));
    this.swarm.onWake = () => this.swarm.collect();
    this.#bytes = new Uint8Array(0);
  }

  /** Runs its web seeds until the torrent is whole or the (virtual) time is over. @returns Whether it is whole. */
  async run(limitMs: number, limits: { down?: number; own?: number } = {}): Promise<boolean> {
    const stop = new AbortController();
    const bucket = (rate?: number) =>
      rate === undefined ? undefined : new TokenBucket(rate, this.clock.nowMs());
    let isOver = false;
    const running = runWebSeeds({
      urls: Object.keys(this.manners),
      swarm: this.swarm,
      http: this.#http,
      clock: this.clock,
      client: "us 1",
      downLimit: bucket(limits.down),
      ownLimit: bucket(limits.own),
      note: (_level, text) => this.notes.push(text),
    }, stop.signal).finally(() => isOver = true);
    await this.clock.run(() => isOver, limitMs);
    stop.abort();
    await running;
    return this.swarm.download!.isComplete;
  }

  /** Bytes of a file of the torrent. */
  #file(index: number): Uint8Array {
    const { layout } = this.torrent;
    const { offset, length } = layout.files[index]!;
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const piece = Math.floor((offset + done) / layout.pieceLength) as PieceIndex;
      const begin = offset + done - piece * layout.pieceLength;
      const take = Math.min(length - done, layout.pieceLength - begin);
      bytes.set(this.torrent.bytes(piece, begin, take), done);
      done += take;
    }
    return bytes;
  }

  readonly #http: HttpStreams = {
    open: async (url, { signal, headers = {}, timeoutMs }) => {
      const range = headers["range"] ?? "";
      this.asked.push({ url, range, atMs: this.clock.nowMs() });
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range)!.map(Number);
      const index = Math.max(
        0,
        this.torrent.layout.files.findIndex(({ path }) => url.endsWith(`/${path.at(-1)}`)),
      );
      this.#bytes = this.#file(index);
      const body = [this.#bytes.subarray(first!, last! + 1)];
      const right = {
        status: 206,
        headers: { "content-range": `bytes ${first}-${last}/${this.#bytes.length}` },
        body,
      };
      const base = Object.keys(this.manners).find((one) => url.startsWith(one))!;
      const answer = this.manners[base]!(right, { url, number: this.asked.length - 1 });
      await this.clock.sleep(20, signal);
      if (answer instanceof Error) throw answer;
      return this.#stream(answer, timeoutMs, signal);
    },
  };

  #stream(
    { status, headers, body, everyMs = 0 }: Answer,
    timeoutMs: number,
    signal: AbortSignal,
  ): HttpStream {
    const chunks = body.values();
    return {
      status,
      headers: new Map(Object.entries(headers)),
      close: () => {},
      read: async () => {
        await this.clock.sleep(Math.min(everyMs, timeoutMs), signal);
        if (signal.aborted || everyMs > timeoutMs) {
          throw new OperationFailed("Cannot get from h: nothing came");
        }
        return chunks.next().value ?? null;
      },
    };
  }
}

const URL_A = "http://a.example/f";
const URL_B = "http://b.example/f";

for (
  const [kind, lengths] of [["hybrid", [SIZE]], ["v2", [30_000, 0, 200_000]], ["v1", [
    30_000,
    0,
    200_000,
  ]]] as const
) {
  Deno.test(`runWebSeeds() brings a whole ${kind} torrent of ${lengths.length} files where there is no peer`, async () => {
    const base = lengths.length === 1 ? URL_A : "http://a.example/";
    const world = new World({ [base]: HONEST }, { kind, lengths: [...lengths] });
    assert.equal(await world.run(60_000), true);
    assert.ok(world.asked[0]!.atMs >= 5000, "peers have their time first");
    assert.equal(world.swarm.download!.wastedBytes, 0);
    const names = new Set(world.asked.map(({ url }) => url));
    const wanted = lengths.length === 1
      ? [URL_A]
      : ["http://a.example/fixture/f0.bin", "http://a.example/fixture/f2.bin"];
    assert.deepEqual([...names].toSorted(), wanted);
  });
}

Deno.test("runWebSeeds() asks for short pieces in runs of neighbours, of a bounded length", async () => {
  for (const kind of ["hybrid", "v1"] as const) {
    const world = new World({ [URL_A]: HONEST }, { kind, pieceLength: 16_384, lengths: [8 * MIB] });
    assert.equal(await world.run(60_000), true);
    assert.equal(world.swarm.download!.wastedBytes, 0);
    const lengths = world.asked.map(({ range }) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range)!.map(Number);
      return last! - first! + 1;
    });
    assert.ok(lengths[0]! <= MIB && Math.max(...lengths) <= 16 * MIB, lengths.join());
    // 512 pieces.
    assert.ok(lengths.length <= 12, `${lengths.length} requests`);
  }
});

const FAULTS: Record<string, [Manners, RegExp]> = {
  "200 for a part": [
    (right) => ({ ...right, status: 200, headers: {} }),
    /^Web seed a\.example is not asked any more: it sends the whole file when asked for a part/,
  ],
  "another part": [
    (right) => ({ ...right, headers: { "content-range": `bytes 1-1/${SIZE}` } }),
    /is not asked any more: it sends bytes 1-1 when asked for others/,
  ],
  "a body without end": [
    (right) => ({ ...right, body: [...right.body, new Uint8Array(70_000)] }),
    /is not asked any more: it sends more than it was asked for/,
  ],
  "404": [(right) => ({ ...right, status: 404, body: [] }), /is not asked any more: it answers 404/],
  "spoiled bytes": [
    (right) => ({ ...right, body: right.body.map((bytes) => bytes.map((byte) => byte ^ 1)) }),
    /^Banned web seed a\.example: it sent a bad piece \d+$/,
  ],
};

for (const [name, [manners, words]] of Object.entries(FAULTS)) {
  Deno.test(`runWebSeeds() drops a server for ${name}, by name, and an honest one goes on`, async () => {
    const alone = new World({ [URL_A]: manners });
    assert.equal(await alone.run(3_600_000), false);
    assert.equal(alone.notes.filter((text) => words.test(text)).length, 1, alone.notes.join("\n"));
    assert.ok(alone.asked.length <= 2, `${alone.asked.length} requests in an hour`);
    const both = new World({ [URL_A]: manners, [URL_B]: HONEST });
    assert.equal(await both.run(120_000), true);
    assert.equal(both.notes.filter((text) => words.test(text)).length, 1, both.notes.join("\n"));
  });
}

Deno.test("runWebSeeds() asks a busy or broken server again, later each time, and goes on when it is well", async () => {
  const world = new World({ [URL_A]: (right, { number }) => number < 5 ? { ...right, status: 503 } : right });
  assert.equal(await world.run(1_000_000), true);
  const times = world.asked.slice(0, 6).map(({ atMs }) => atMs);
  const pauses = times.slice(1).map((atMs, i) => Math.round((atMs - times[i]!) / 1000));
  assert.deepEqual(pauses.map((s, i) => s >= 10 * 2 ** i && s <= 10 * 2 ** i + 2), [
    true,
    true,
    true,
    true,
    true,
  ]);
  assert.ok(world.notes.includes("Web seed a.example answers 503; again in 10 s"), world.notes.join("\n"));
});

Deno.test("runWebSeeds() gives back what a server does not send, or sends by drops", async () => {
  const cut: Manners = (right) => ({ ...right, body: right.body.map((bytes) => bytes.subarray(0, 20_000)) });
  const drops: Manners = (right) => ({
    ...right,
    body: Array.from({ length: 10_000 }, (_, i) => right.body[0]!.subarray(i, i + 1)),
    everyMs: 1000,
  });
  const gone: Manners = () => new OperationFailed("Cannot get from a.example: the connection failed");
  const said = [
    /ends its answer \d+ bytes early; again/,
    /is too slow to be of use; again/,
    /the connection failed; again/,
  ];
  for (const [i, manners] of [cut, drops, gone].entries()) {
    const alone = new World({ [URL_A]: manners });
    assert.equal(await alone.run(300_000), false);
    assert.ok(alone.notes.some((text) => said[i]!.test(text)), alone.notes.join("\n"));
    const both = new World({ [URL_A]: manners, [URL_B]: HONEST });
    assert.equal(await both.run(300_000), true, `${i}`);
  }
});

Deno.test("runWebSeeds() keeps both limits within 5 %", async () => {
  for (const limits of [{ down: 50_000 }, { own: 50_000 }, { down: 1e6, own: 50_000 }]) {
    const chunked: Manners = (right) => ({
      ...right,
      body: Array.from(
        { length: Math.ceil(right.body[0]!.length / 8000) },
        (_, i) => right.body[0]!.subarray(8000 * i, 8000 * (i + 1)),
      ),
    });
    const world = new World({ [URL_A]: chunked }, { lengths: [1_000_000] });
    assert.equal(await world.run(60_000, limits), true);
    const tookMs = world.clock.nowMs() - world.asked[0]!.atMs;
    assert.ok(tookMs > 0.95 * 20_000 && tookMs < 1.05 * 20_000 + 1000, `${tookMs}`);
  }
});

Deno.test("webSeedsOf() takes the user's first, all once, none when they are off, and no queries into this network", () => {
  const own = [
    "http://a.example/f?key=1",
    "http://192.168.1.1/reboot?now",
    "http://127.0.0.1/x?y",
    "http://[fd00::1]/x?y",
    "http://192.168.1.2/f",
  ];
  const named = ["http://10.0.0.1/f?key", "http://192.168.1.2/f"];
  assert.deepEqual(webSeedsOf({ webSeeds: own }, { enabled: true, named }), [
    ...named,
    "http://a.example/f?key=1",
  ]);
  assert.deepEqual(webSeedsOf({ webSeeds: own }, { enabled: false, named }), []);
  assert.deepEqual(webSeedsOf({}, { enabled: true, named: [] }), []);
});
