// How archives follow one another, on a real folder; the line only notes which swarms it has, and whoever checks an
// archive waits until the test lets it end: what happens meanwhile is what most of these are about.

import assert from "node:assert/strict";
import { join } from "node:path";
import { toHex } from "../../lib/bytes.ts";
import { PathUnusable } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { systemRandom } from "../../lib/io/random.ts";
import type { Line } from "../../lib/line/line.ts";
import { findCurrent, listRetained, OutputPaths, type Pair } from "../../lib/producer/pairs.ts";
import type { SeedMachine, Served } from "../../lib/producer/served.ts";
import { retain } from "../../lib/producer/retention.ts";
import { Succession } from "../../lib/producer/succession.ts";
import { encodeTorrent } from "../../lib/torrent/metainfo.ts";
import type { CheckJob } from "../../lib/torrent/piece_checker.ts";
import type { Swarm } from "../../lib/torrent/swarm.ts";
import { FixtureTorrent } from "../torrent/fixture_torrent.ts";

const NEVER = new AbortController().signal;
/** Archives by their size. */
const [A, B, C, D] = [100_000, 200_000, 300_000, 400_000] as const;

class World implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync();
  readonly paths = new OutputPaths(this.folder);
  readonly archives: Succession;
  readonly notes: string[] = [];
  /** Of the line's swarms, the most that there ever were of one hash. */
  mostOfOneHash = 0;
  /** Checks that wait, by the archive's size; each is begun only once it is asked for here. */
  readonly checks: { readonly size: number; readonly end: () => void }[] = [];
  nowMs = 0;
  /** Sizes whose check ends by itself. */
  readonly #quick = new Set<number>();
  readonly #swarms = new Set<Swarm>();
  readonly #asked: { readonly size: number; readonly tell: () => void }[] = [];
  #retainedMs = Date.UTC(2026, 0, 1);

  /** @param isStuck No folder can be removed any more. */
  constructor(keep: number, isStuck = false) {
    const session = {
      add: (swarm: Swarm) => {
        this.#swarms.add(swarm);
        const hashes = [...this.#swarms].map(({ download }) => toHex(download!.info.infoHashV2!));
        const most = Math.max(...hashes.map((one) => hashes.filter((other) => other === one).length));
        this.mostOfOneHash = Math.max(this.mostOfOneHash, most);
      },
      remove: (swarm: Swarm) => this.#swarms.delete(swarm),
    };
    const removeAll = (path: string) => {
      throw new PathUnusable(`Cannot remove ${path}: it is in use`);
    };
    const files = isStuck ? { ...systemFiles, removeAll } : systemFiles;
    const clock = {
      nowMs: () => this.nowMs,
      unixMs: () => this.nowMs,
      sleep: () => Promise.resolve(),
    };
    const checker = { check: (job: CheckJob) => this.#check(job) };
    const machine = { clock, random: systemRandom, files, checker, client: "test", pid: 1 };
    this.archives = new Succession({
      machine: machine as unknown as SeedMachine,
      paths: this.paths,
      line: { session, port: 6881 } as unknown as Line,
      trackers: { enabled: false, named: [] },
      bind: [],
      keep,
      report: (event: RunEvent) => void (event.kind === "note" && this.notes.push(event.text)),
      onBug: (error) => assert.fail(String(error)),
    });
  }

  /** Sizes of what is served, one for each swarm. */
  get served(): number[] {
    return [...this.#swarms].map(({ download }) => download!.info.totalLength).toSorted((a, b) => a - b);
  }

  /** Puts an archive into the directory, over the one before, as the pipeline does. */
  produce(size: number): Pair {
    const { info, layers } = torrentOf(size);
    const archive = join(this.folder, "a.7z");
    Deno.writeFileSync(`${archive}.new`, new Uint8Array(size));
    Deno.renameSync(`${archive}.new`, archive);
    Deno.writeFileSync(
      `${archive}.torrent`,
      encodeTorrent({ infoBytes: info.bytes, pieceLayers: layers, trackers: [] }),
    );
    const meta = JSON.stringify({ torrent_info_hash: toHex(info.infoHashV2!) });
    Deno.writeTextFileSync(this.paths.meta, meta);
    return findCurrent(systemFiles, this.paths);
  }

  /** What earlier runs retained, the last one last. */
  retained(...sizes: readonly number[]): void {
    for (const size of sizes) {
      const pair = this.produce(size);
      retain(systemFiles, this.paths, pair);
      const time = new Date(this.#retainedMs += 1000);
      Deno.utimeSync(join(this.paths.retainedPair(pair.v2), "a.7z.torrent"), time, time);
    }
  }

  /** Opens a pair at once and makes it the current one. */
  async begin(size: number): Promise<Served> {
    this.#quick.add(size);
    const pair = this.produce(size);
    const served = await this.archives.open(pair, NEVER);
    this.archives.makeCurrent(served, pair);
    return served;
  }

  /** Until the check of an archive of that size has begun. */
  async checking(size: number): Promise<void> {
    if (this.checks.some((check) => check.size === size)) return;
    await new Promise<void>((tell) => this.#asked.push({ size, tell }));
  }

  /** All checks of that size end well. */
  endChecks(size: number): void {
    for (const check of this.checks) if (check.size === size) check.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.archives[Symbol.asyncDispose]();
    assert.deepEqual(this.served, [], "nothing is served any more");
    Deno.removeSync(this.folder, { recursive: true });
  }

  async #check({ from: { layout }, pieces, onVerdicts }: CheckJob): Promise<void> {
    const size = layout.files[0]!.length;
    if (!this.#quick.has(size)) {
      const ended = Promise.withResolvers<void>();
      this.checks.push({ size, end: ended.resolve });
      for (const asked of this.#asked) if (asked.size === size) asked.tell();
      await ended.promise;
    }
    onVerdicts({ good: pieces.map((_, place) => place), bad: [] });
  }
}

function torrentOf(size: number) {
  const torrent = new FixtureTorrent("v2", 16_384, [size]);
  return { info: torrent.info, layers: torrent.layers()!.layersByRoot() };
}

function hashOf(size: number): string {
  return toHex(torrentOf(size).info.infoHashV2!);
}

Deno.test("loadRetained() serves what earlier runs retained, as many as are kept", async () => {
  await using world = new World(2);
  world.retained(A, B, C);
  await world.begin(D);
  const loading = world.archives.loadRetained(NEVER);
  for (const size of [C, B]) {
    await world.checking(size);
    world.endChecks(size);
  }
  await loading;
  assert.deepEqual([world.served, world.archives.retainedCount], [[B, C, D], 2]);
  assert.ok(!listRetained(systemFiles, world.paths).includes(hashOf(A)));
});

Deno.test("loadRetained() does not serve an archive that was pruned while it was checked", async () => {
  await using world = new World(1);
  world.retained(A);
  await world.begin(B);
  const loading = world.archives.loadRetained(NEVER);
  await world.checking(A);
  await world.begin(C);
  world.archives.settle();
  assert.deepEqual(listRetained(systemFiles, world.paths).toSorted(), [hashOf(B), hashOf(C)].toSorted());
  world.endChecks(A);
  await loading;
  assert.deepEqual([world.served, world.archives.retainedCount], [[B, C], 1]);
  assert.ok(!world.notes.some((text) => text.startsWith("Seeding the retained")), world.notes.join("\n"));
});

Deno.test("loadRetained() does not serve what is one too many by then, where that cannot be removed", async () => {
  await using world = new World(1, true);
  world.retained(A);
  await world.begin(B);
  const loading = world.archives.loadRetained(NEVER);
  await world.checking(A);
  await world.begin(C);
  world.archives.settle();
  world.endChecks(A);
  await loading;
  assert.ok(!world.served.includes(A), String(world.served));
});

Deno.test("loadRetained() passes over what was pruned before its turn came", async () => {
  await using world = new World(2);
  world.retained(A, B);
  await world.begin(C);
  const loading = world.archives.loadRetained(NEVER);
  await world.checking(B);
  await world.begin(D);
  world.archives.settle();
  const { length } = world.notes;
  world.endChecks(B);
  await loading;
  assert.deepEqual(world.served, [B, C, D]);
  assert.ok(!world.notes.slice(length).some((text) => text.includes("Cannot")), world.notes.join("\n"));
});

Deno.test("loadRetained() leaves it to the current one when the directory holds it again while it is checked", async () => {
  await using world = new World(2);
  world.retained(A);
  const before = await world.begin(B);
  const loading = world.archives.loadRetained(NEVER);
  await world.checking(A);
  // The very file, moved back by hand.
  const kept = join(world.paths.retainedPair(hashOf(A)), "a.7z");
  const pair = world.produce(A);
  Deno.removeSync(pair.archivePath);
  Deno.linkSync(kept, pair.archivePath);
  const opening = world.archives.open(pair, NEVER);
  world.endChecks(A);
  world.archives.makeCurrent(await opening, pair);
  await loading;
  assert.equal(world.archives.current?.pair.v2, hashOf(A));
  assert.deepEqual([world.served, world.archives.retainedCount, world.mostOfOneHash], [[A, B], 0, 1]);
  assert.equal(world.checks.length, 1, "it was checked once");
  world.archives.settle();
  assert.deepEqual([world.archives.retainedCount, before.isIntact], [1, true]);
});

Deno.test("open() never has two swarms of one hash, when another file of it comes while the retained one is checked", async () => {
  await using world = new World(1);
  world.retained(A);
  await world.begin(B);
  const loading = world.archives.loadRetained(NEVER);
  await world.checking(A);
  const pair = world.produce(A);
  const opening = world.archives.open(pair, NEVER);
  world.endChecks(A);
  await loading;
  while (world.checks.length < 2) await new Promise((resolve) => setTimeout(resolve));
  world.endChecks(A);
  const served = await opening;
  world.archives.makeCurrent(served, pair);
  assert.deepEqual([world.served, world.archives.retainedCount, world.mostOfOneHash], [[A, B], 0, 1]);
  assert.equal(served.mark.inode, systemFiles.stat(pair.archivePath)?.inode, "the directory's own");
});

Deno.test("settle() lets too many go, and letGo() closes them once nobody wants them", async () => {
  await using world = new World(1);
  for (const size of [A, B, C]) {
    await world.begin(size);
    world.archives.settle();
  }
  assert.deepEqual([world.served, world.archives.retainedCount], [[A, B, C], 1]);
  world.nowMs += 299_999;
  world.archives.letGo(world.nowMs);
  assert.deepEqual(world.served, [A, B, C]);
  world.archives.letGo(++world.nowMs);
  assert.deepEqual(world.served, [B, C]);
});

Deno.test("dropSpoiled() ends what somebody writes to, and nothing else", async () => {
  await using world = new World(1);
  const first = await world.begin(A);
  const { archivePath } = (await world.begin(B)).pair;
  assert.equal(world.archives.dropSpoiled(), false);
  Deno.truncateSync(archivePath, 5);
  assert.equal(world.archives.dropSpoiled(), true);
  assert.deepEqual([world.served, world.archives.current, first.isIntact], [[A], undefined, true]);
});
