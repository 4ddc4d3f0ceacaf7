// A hub that is down is told by a later run; the hub is a function here (tests/producer/hub_test.ts has a real one).

import assert from "node:assert/strict";
import { join } from "node:path";
import { toHex } from "../../lib/bytes.ts";
import { Interrupted, NotEnoughSpace } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import { systemFiles } from "../../lib/io/files.ts";
import type { HttpStreams } from "../../lib/ports.ts";
import { HubNews } from "../../lib/producer/hub_news.ts";
import { SigningKey } from "../../lib/producer/keys.ts";
import { OutputPaths } from "../../lib/producer/pairs.ts";
import { encodeTorrent } from "../../lib/torrent/metainfo.ts";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";

const MINUTE = 60_000;

class World implements Disposable {
  readonly folder = Deno.makeTempDirSync();
  readonly paths = new OutputPaths(this.folder);
  readonly torrent = join(this.folder, "a.7z.torrent");
  readonly v2: string;
  /** What the hub answers; 0: nobody answers. */
  status = 200;
  unixMs = Date.UTC(2026, 10, 22);
  files = systemFiles;
  readonly notes: string[] = [];
  /** What the hub was told. */
  readonly told: Record<string, unknown>[] = [];
  stop = new AbortController();
  onTold = () => {};

  constructor() {
    const torrent = new FixtureTorrent("hybrid", 16_384, [100_000]);
    this.v2 = toHex(torrent.info.infoHashV2!);
    const pieceLayers = torrent.layers()!.layersByRoot();
    const bytes = encodeTorrent({ infoBytes: torrent.info.bytes, pieceLayers, trackers: [] });
    Deno.writeFileSync(this.torrent, bytes);
  }

  /** As each run makes its own. */
  get news(): HubNews {
    const clock = {
      nowMs: () => this.unixMs,
      unixMs: () => this.unixMs,
      sleep: (ms: number) => Promise.resolve(void (this.unixMs += ms)),
    };
    const open: HttpStreams["open"] = (_url, { body }) => {
      this.told.push(JSON.parse(new TextDecoder().decode(body)));
      this.onTold();
      const answer = {
        status: this.status,
        headers: new Map(),
        read: () => Promise.resolve(null),
        close() {},
      };
      return Promise.resolve(answer);
    };
    return new HubNews({
      machine: { files: this.files, clock, http: { open } },
      paths: this.paths,
      hub: "http://hub.example",
      key: new SigningKey(new Uint8Array(32)),
      report: (event: RunEvent) => void (event.kind === "note" && this.notes.push(event.text)),
      signal: this.stop.signal,
    });
  }

  /** A later run, which finds nothing new. @returns How often the hub was asked in it. */
  async later(ms: number, v2 = this.v2): Promise<number> {
    const before = this.told.length;
    this.unixMs += ms;
    await this.news.tellAgain(this.torrent, v2);
    return this.told.length - before;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("HubNews tells a hub that was down again in later runs, after longer and longer pauses", async () => {
  using world = new World();
  world.status = 503;
  await world.news.tell(world.torrent, { v2: world.v2, seq: 7 });
  assert.equal(world.told.length, 3);
  assert.match(
    world.notes.at(-1)!,
    /answers 503.*published all the same, and the first run in more than 5 min/,
  );
  const asked: number[] = [];
  for (const ms of [5 * MINUTE - 1, 1, 10 * MINUTE - 1, 1, 20 * MINUTE - 1, 1]) {
    asked.push(await world.later(ms));
  }
  assert.deepEqual(asked, [0, 1, 0, 1, 0, 1]);
  for (let i = 0; i < 10; i++) {
    assert.equal(await world.later(6 * 60 * MINUTE), 1, "never longer than six hours");
  }
  world.status = 200;
  assert.equal(await world.later(6 * 60 * MINUTE), 1);
  assert.equal(await world.later(24 * 60 * MINUTE), 0, "it knows");
  const [first] = world.told;
  assert.deepEqual([first!["sequence"], first!["info_hash"], first!["torrent_name"]], [
    7,
    world.v2,
    "fixture",
  ]);
  for (const body of world.told) assert.deepEqual(body, first, "the time of its publication too");
});

Deno.test("HubNews forgets what is not the newest any more, and what the hub refuses", async () => {
  using world = new World();
  world.status = 503;
  await world.news.tell(world.torrent, { v2: world.v2, seq: 7 });
  assert.equal(await world.later(60 * MINUTE, "ab".repeat(32)), 0);
  world.status = 409;
  assert.equal(await world.later(MINUTE), 1);
  assert.equal(await world.later(60 * MINUTE), 0);
});

Deno.test("HubNews leaves it to the next run when this one is stopped, and needs no room on the disk", async () => {
  using world = new World();
  world.status = 503;
  world.onTold = () => world.stop.abort(new Interrupted("SIGTERM", "Stopped by SIGTERM"));
  await assert.rejects(world.news.tell(world.torrent, { v2: world.v2, seq: 7 }), Interrupted);
  assert.equal(world.told.length, 1);
  [world.onTold, world.stop, world.status] = [() => {}, new AbortController(), 200];
  assert.equal(await world.later(1), 1);
  using full = new World();
  const writeAtomic = () => {
    throw new NotEnoughSpace("Cannot write: the disk is full");
  };
  full.files = { ...systemFiles, writeAtomic };
  await full.news.tell(full.torrent, { v2: full.v2, seq: 7 });
  assert.equal(full.told.length, 1);
  assert.deepEqual(full.notes, ["Cannot write: the disk is full", "The status hub was told"]);
});
