// When the pointer is put, on virtual time and a DHT of scripted nodes.

import assert from "node:assert/strict";
import { KeepPublished } from "../../lib/producer/keep_published.ts";
import { SigningKey } from "../../lib/producer/keys.ts";
import { DAILY, SEED } from "../dht/vectors.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";
import { A, B, DhtWorld, MortalFiles, run, signed, STATE } from "./publish_world.ts";

class Scene {
  readonly clock = new VirtualClock();
  readonly dht = new DhtWorld();
  readonly files = new MortalFiles();
  readonly published: Uint8Array[] = [];
  readonly warnings: string[] = [];
  /** Minutes at which something was put. */
  readonly puts: number[] = [];
  readonly keeper: KeepPublished;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const { clock, dht } = this;
    dht.beforePut = () => void this.puts.push(clock.nowMs() / 60_000);
    this.keeper = new KeepPublished({
      machine: { clock, files: this.files.files, pid: 1 },
      dht,
      openReader: () =>
        Promise.resolve({ getItem: () => dht.getItem(), [Symbol.asyncDispose]: () => Promise.resolve() }),
      key: new SigningKey(SEED),
      salt: DAILY,
      statePath: STATE,
      report: (event) => {
        if (event.kind === "note" && event.level === "warning") this.warnings.push(event.text);
      },
      onPublished: (value) => void this.published.push(value),
    });
    this.#running = this.keeper.run(this.#stop.signal);
  }

  async until(minute: number): Promise<void> {
    let isOver = false;
    this.clock.at(minute * 60_000, () => void (isOver = true));
    await this.clock.run(() => isOver, Infinity);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

Deno.test("KeepPublished publishes at once, and puts the same again every half hour", async () => {
  const scene = new Scene();
  scene.keeper.publish(A);
  await scene.until(100);
  assert.deepEqual(scene.puts, [0, 30, 60, 90]);
  assert.equal(new Set(scene.dht.puts.map(({ seq }) => seq)).size, 1);
  const { isVerified, seq, stored, lastError, attempts } = scene.keeper.status;
  assert.deepEqual([isVerified, seq, stored, lastError, attempts], [true, 1, 8, "", 4]);
  await scene.end();
});

Deno.test("KeepPublished publishes a new value at once, with the next seq", async () => {
  const scene = new Scene();
  scene.keeper.publish(A);
  await scene.until(10);
  scene.keeper.publish(B);
  assert.equal(scene.keeper.status.isVerified, false);
  await scene.until(50);
  assert.deepEqual(scene.puts, [0, 10, 40]);
  assert.deepEqual(scene.dht.puts.map(({ seq }) => seq), [1, 2, 2]);
  assert.deepEqual(scene.published, [A, B, B]);
  await scene.end();
});

Deno.test("KeepPublished tries again five minutes after a failure, and says what it was", async () => {
  const scene = new Scene();
  scene.dht.habits.fill("refuses");
  scene.keeper.publish(A);
  await scene.until(7);
  assert.match(scene.keeper.status.lastError, /no DHT node stored it/);
  assert.equal(scene.keeper.status.isVerified, false);
  scene.dht.habits.fill("stores");
  await scene.until(45);
  assert.deepEqual(scene.puts, [0, 5, 10, 40]);
  assert.equal(scene.warnings.length, 2);
  assert.equal(scene.keeper.status.lastError, "");
  await scene.end();
});

Deno.test("KeepPublished calls nothing published that nodes have forgotten, until it is there again", async () => {
  const scene = new Scene();
  scene.keeper.publish(A);
  await scene.until(1);
  scene.dht.habits.fill("refuses");
  await scene.until(119);
  assert.equal(scene.keeper.status.isVerified, true);
  await scene.until(121);
  assert.equal(scene.keeper.status.isVerified, false);
  scene.dht.habits.fill("stores");
  await scene.until(130);
  assert.equal(scene.keeper.status.isVerified, true);
  await scene.end();
});

Deno.test("KeepPublished puts nothing against another producer, and waits while somebody else publishes", async () => {
  const scene = new Scene();
  scene.keeper.publish(A);
  await scene.until(1);
  scene.dht.hold(signed(7, B));
  await scene.until(36);
  assert.deepEqual(scene.puts, [0]);
  assert.match(scene.keeper.status.lastError, /another producer uses this key/);
  // A lookup that misses the other's value is no leave to go above it.
  scene.dht.hold(signed(1, A));
  await scene.until(41);
  assert.deepEqual(scene.puts, [0]);
  assert.match(
    scene.keeper.status.lastError,
    /seq 7 with this key was somebody else's when it was seen last/,
  );
  scene.files.isLocked = true;
  await scene.until(46);
  assert.match(scene.keeper.status.lastError, /another process is publishing/);
  // `produce publish` goes above it, and then there is something to keep alive again.
  scene.files.isLocked = false;
  const publication = await run({ dht: scene.dht, files: scene.files, value: A, how: "publish" });
  assert.equal(publication.item.seq, 8);
  scene.puts.length = 0;
  await scene.until(56);
  assert.deepEqual([scene.puts, scene.keeper.status.lastError], [[50], ""]);
  await scene.end();
});
