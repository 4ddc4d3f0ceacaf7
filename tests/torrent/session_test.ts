// The session against hand-made connections; tests/sim runs it against whole swarms.

import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { NotEnoughSpace } from "../../lib/errors.ts";
import type { Endpoint, Net, TcpConn, TcpListener } from "../../lib/ports.ts";
import { encodeHandshake, hashesOf } from "../../lib/torrent/handshake.ts";
import {
  CROWD_BUFFER_BYTES,
  MANY_PEERS,
  MAX_FAULTS,
  MAX_HALF_OPEN,
  RECEIVE_BUFFER_BYTES,
} from "../../lib/torrent/limits.ts";
import { Session } from "../../lib/torrent/session.ts";
import { Swarm } from "../../lib/torrent/swarm.ts";
import { ID, WireWriter } from "../../lib/torrent/wire.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";
import { FixtureTorrent } from "./fixture_torrent.ts";

/** A connection on which nothing comes, until it is closed. */
class SilentConn implements TcpConn {
  readonly #closed = Promise.withResolvers<null>();
  isClosed = false;
  /** Fails every write. */
  isBroken = false;

  constructor(readonly remote: Endpoint) {}

  read(): Promise<number | null> {
    return this.#closed.promise;
  }

  writeAll(): Promise<void> {
    return this.isBroken ? Promise.reject(new Error("broken pipe")) : Promise.resolve();
  }

  close(): void {
    this.isClosed = true;
  }

  /** The reader hears of it later than the writer. */
  endRead(): void {
    this.#closed.resolve(null);
  }
}

/** Says nothing, and hears of its end. */
class MuteConn extends SilentConn {
  override close(): void {
    super.close();
    this.endRead();
  }
}

/** Says these bytes, then nothing. */
class SayingConn extends SilentConn {
  #bytes: Uint8Array | undefined;

  constructor(remote: Endpoint, bytes: Uint8Array) {
    super(remote);
    this.#bytes = bytes;
  }

  override read(into?: Uint8Array): Promise<number | null> {
    const bytes = this.#bytes;
    this.#bytes = undefined;
    if (bytes === undefined) return super.read();
    into!.set(bytes);
    return Promise.resolve(bytes.length);
  }

  override close(): void {
    super.close();
    this.endRead();
  }
}

/** Says these bytes, then as many keep-alives as are taken, some times. */
class FloodingConn extends SayingConn {
  /** The most that was taken at once. */
  mostBytes = 0;
  #left = 10;

  override read(into: Uint8Array): Promise<number | null> {
    this.mostBytes = Math.max(this.mostBytes, into.length);
    if (this.#left-- === 10 || this.#left < 0) return super.read(into);
    into.fill(0);
    return Promise.resolve(into.length);
  }
}

/** A handshake for that torrent, and what comes behind it. */
function hello(torrent: FixtureTorrent, write: (out: WireWriter) => void = () => {}): Uint8Array {
  const out = new WireWriter();
  const infoHash = torrent.info.infoHashV2!.subarray(0, 20);
  const peerId = utf8("-XX0000-stranger....");
  out.raw(encodeHandshake({ extended: true, fast: true, dht: false, upgrade: false, infoHash, peerId }));
  write(out);
  return out.take()!;
}

/** A port that the test dials. */
class Door implements TcpListener {
  readonly local: Endpoint = { host: "10.1.0.1", port: 6881 };
  #waiting: ((conn: TcpConn | null) => void) | undefined;

  accept(): Promise<TcpConn | null> {
    return new Promise((resolve) => this.#waiting = resolve);
  }

  /** To be followed by some time for the session. */
  enter(conn: TcpConn): void {
    this.#waiting!(conn);
  }

  close(): void {
    this.#waiting?.(null);
  }
}

function world(options: { maxPeers?: number; listeners?: readonly TcpListener[] } = {}) {
  const torrent = new FixtureTorrent("v2", 32_768, [100_000]);
  const clock = new VirtualClock();
  const dials: { to: Endpoint; answer: (conn: TcpConn) => void; fail: (error: Error) => void }[] = [];
  const net = {
    dialTcp: (to: Endpoint) => new Promise<TcpConn>((answer, fail) => dials.push({ to, answer, fail })),
  } as Partial<Net> as Net;
  const closed: string[] = [];
  const faults: string[] = [];
  const session = new Session({
    net,
    clock,
    maxPeers: options.maxPeers ?? 100,
    listeners: options.listeners ?? [],
    onClosed: (_, why) => closed.push(why),
  });
  let failure: unknown;
  session.failed.catch((error) => failure = error);
  const nothing = () => {};
  const swarm = new Swarm({
    hashes: hashesOf(torrent.info),
    wanted: undefined,
    peerId: utf8("-NS0100-session....."),
    client: "nano-snap",
    listenPort: undefined,
    dhtPort: undefined,
    random: () => 0.5,
    upLimit: undefined,
    listener: {
      onInfo: nothing,
      onLayers: nothing,
      onGoodPiece: nothing,
      onComplete: nothing,
      onFault: ({ endpoint }, why, isBanned) => faults.push(`${endpoint.host} ${why}${isBanned ? "!" : ""}`),
      onDhtNode: nothing,
    },
  });
  session.add(swarm);
  /** Lets everybody go on for so long. */
  const pass = (ms: number) => {
    const endMs = clock.nowMs() + ms;
    return clock.run(() => clock.nowMs() >= endMs, endMs + 1000);
  };
  return { torrent, session, swarm, dials, closed, faults, pass, failure: () => failure };
}

function nth(n: number): Endpoint {
  return { host: `10.0.${n >> 8}.${n & 255}`, port: 6881 };
}

Deno.test("Session outlives a connection that breaks in a write before its reader hears of it", async () => {
  const { session, swarm, dials, pass, failure } = world();
  await using _ = session;
  session.learn(swarm, nth(1), "user");
  const conn = new SilentConn(nth(1));
  conn.isBroken = true;
  dials[0]!.answer(conn);
  await pass(0);
  for (const peer of swarm.peers) peer.out.keepAlive();
  session.flush();
  await pass(1000);
  conn.endRead();
  await pass(1000);
  assert.equal(failure(), undefined);
  assert.equal(conn.isClosed, true);
  assert.equal(swarm.connections, 0);
});

Deno.test("Session tells a torrent's owner that its disk takes no more, and goes on with the others", async () => {
  for (const isCaredFor of [true, false]) {
    const { torrent, session, swarm, dials, closed, pass, failure } = world();
    await using _ = session;
    const full = new NotEnoughSpace("Cannot write: no space left");
    const troubles: unknown[] = [];
    if (isCaredFor) session.add(swarm, (error) => troubles.push(error));
    // As when a block is written.
    swarm.onGreeted = () => {
      throw full;
    };
    session.learn(swarm, nth(1), "user");
    const conn = new SayingConn(nth(1), hello(torrent));
    dials[0]!.answer(conn);
    await pass(1000);
    assert.equal(conn.isClosed, true);
    assert.deepEqual([troubles, failure()], isCaredFor ? [[full], undefined] : [[], full]);
    if (isCaredFor) {
      assert.deepEqual(closed, ["10.0.0.1:6881 sends what cannot be kept: Cannot write: no space left"]);
    }
  }
});

Deno.test("Session dials a bounded number at a time, and goes on as dials end", async () => {
  const { session, swarm, dials, pass } = world();
  await using _ = session;
  for (let n = 1; n <= 50; n++) session.learn(swarm, nth(n), "dht-v2");
  assert.equal(dials.length, MAX_HALF_OPEN);
  assert.equal(session.halfOpen, MAX_HALF_OPEN);
  for (const { fail } of dials.splice(0)) fail(new Error("nobody there"));
  await pass(1000);
  assert.equal(dials.length, MAX_HALF_OPEN);
  assert.ok(dials.every(({ to }) => Number(to.host.split(".")[3]) > MAX_HALF_OPEN), "others first");
  for (const { fail } of dials) fail(new Error("nobody there"));
});

Deno.test("Session keeps to its number of peers, those being dialed among them", async () => {
  const { session, swarm, dials, pass } = world({ maxPeers: 3 });
  await using _ = session;
  for (let n = 1; n <= 10; n++) session.learn(swarm, nth(n), "dht-v2");
  assert.equal(dials.length, 3);
  const conns = dials.map(({ to }) => new SilentConn(to));
  for (const [i, { answer }] of dials.entries()) answer(conns[i]!);
  await pass(1000);
  assert.equal(dials.length, 3);
  assert.equal(swarm.connections, 3);
  conns[0]!.endRead();
  await pass(1000);
  assert.equal(conns[0]!.isClosed, true);
  assert.equal(dials.length, 4);
  dials[3]!.fail(new Error("nobody there"));
  for (const conn of conns) conn.endRead();
});

Deno.test("Session reads more at once from a few peers than from each of many", async () => {
  const { torrent, session, swarm, dials, pass } = world();
  await using _ = session;
  const conns: FloodingConn[] = [];
  for (let n = 1; n <= MANY_PEERS + 1; n++) {
    session.learn(swarm, nth(n), "dht-v2");
    const { to, answer } = dials[n - 1]!;
    conns.push(new FloodingConn(to, hello(torrent)));
    answer(conns.at(-1)!);
    await pass(1);
  }
  assert.deepEqual(
    conns.map(({ mostBytes }) => mostBytes),
    [...Array(MANY_PEERS).fill(RECEIVE_BUFFER_BYTES), CROWD_BUFFER_BYTES],
  );
});

Deno.test("Session closes who does not greet in time, and dials it again later", async () => {
  const { session, swarm, dials, closed, pass } = world();
  await using _ = session;
  session.learn(swarm, nth(1), "user");
  const conn = new SilentConn(nth(1));
  dials[0]!.answer(conn);
  await pass(11_000);
  assert.deepEqual(closed, ["10.0.0.1:6881 BEP 3: no handshake in time"]);
  assert.equal(conn.isClosed, true);
  conn.endRead();
  await pass(10_000);
  assert.equal(dials.length, 2);
  dials[1]!.fail(new Error("nobody there"));
});

Deno.test("Session bans a host that breaks the protocol again and again, and closes what else is open to it", async () => {
  const { torrent, session, swarm, dials, faults, pass } = world();
  await using _ = session;
  const other = { host: nth(1).host, port: 7000 };
  session.learn(swarm, other, "dht-v2");
  const quiet = new SayingConn(other, hello(torrent, (out) => out.bare(ID.haveNone)));
  dials[0]!.answer(quiet);
  await pass(100);
  session.learn(swarm, nth(1), "dht-v2");
  for (let n = 1; n <= MAX_FAULTS; n++) {
    assert.deepEqual(faults, []);
    const conn = new SayingConn(nth(1), hello(torrent, (out) => out.bare(99)));
    dials[n]!.answer(conn);
    await pass(1000);
    assert.equal(conn.isClosed, true);
    assert.equal(quiet.isClosed, n === MAX_FAULTS);
    await pass(20_000);
  }
  assert.deepEqual(faults, ["10.0.0.1 broke the protocol again and again!"]);
  assert.equal(swarm.book.isBanned("10.0.0.1"), true);
  await pass(400_000);
  assert.equal(dials.length, 1 + MAX_FAULTS);
});

Deno.test("Session that is full gives an idle peer's place to a new one, and never that of one the user named", async () => {
  const { torrent, session, swarm, dials, closed, pass } = world({ maxPeers: 2 });
  await using _ = session;
  const download = torrent.download({ seed: 1 });
  swarm.learnInfo(torrent.info, torrent.layout, download.layers);
  swarm.start(download);
  const conns: SayingConn[] = [];
  const answer = async () => {
    const { to, answer } = dials[conns.length]!;
    // It says that it has everything and lets us wait; each word of it is heard, and none is worth a place.
    conns.push(new SayingConn(to, hello(torrent, (out) => out.bare(ID.haveAll))));
    answer(conns.at(-1)!);
    await pass(60_000);
  };
  session.learn(swarm, nth(1), "user");
  session.learn(swarm, nth(2), "dht-v2");
  await answer();
  await answer();
  session.learn(swarm, nth(3), "dht-v2");
  assert.equal(dials.length, 2, "nobody has been idle for long");
  for (const peer of swarm.peers) peer.received(0, 130_000);
  await pass(65_000);
  assert.equal(dials.length, 3);
  assert.deepEqual(conns.map(({ isClosed }) => isClosed), [false, false], "not before the new one is there");
  await answer();
  assert.deepEqual(conns.map(({ isClosed }) => isClosed), [false, true, false]);
  assert.ok(closed.includes("10.0.0.2:6881 was idle, and another wants its place"), String(closed));
  assert.equal(dials.length, 3, "who lost its place does not take another's");
});

Deno.test("Session that is full of connections that say nothing lets in who comes, and keeps who has spoken", async () => {
  const door = new Door();
  const { torrent, session, pass, closed, failure } = world({ maxPeers: 3, listeners: [door] });
  await using _ = session;
  const enter = async (conn: SilentConn, ms: number) => {
    door.enter(conn);
    await pass(ms);
    return conn;
  };
  const honest = await enter(new SayingConn(nth(1), hello(torrent)), 10);
  const first = await enter(new MuteConn(nth(2)), 10);
  const second = await enter(new MuteConn(nth(3)), 500);
  const early = await enter(new SayingConn(nth(4), hello(torrent)), 10);
  assert.deepEqual([early, first, second].map(({ isClosed }) => isClosed), [true, false, false], "a moment");
  await pass(1000);
  const late = await enter(new SayingConn(nth(5), hello(torrent)), 10);
  assert.deepEqual(
    [honest, first, second, late].map(({ isClosed }) => isClosed),
    [false, true, false, false],
  );
  assert.ok(closed.includes("10.0.0.2:6881 was mute, and another wants its place"), String(closed));
  assert.equal(failure(), undefined);
});

Deno.test("Session does not ban who speaks another protocol, or of another torrent", async () => {
  const { session, swarm, dials, pass } = world();
  await using _ = session;
  const stranger = new FixtureTorrent("v2", 32_768, [50_000]);
  session.learn(swarm, nth(1), "user");
  for (let n = 0; n < 2 * MAX_FAULTS; n++) {
    const conn = new SayingConn(nth(1), n % 2 === 0 ? utf8("GET / HTTP/1.1") : hello(stranger));
    dials[n]!.answer(conn);
    await pass(1000);
    assert.equal(conn.isClosed, true);
    await pass(400_000);
  }
  assert.equal(swarm.book.isBanned("10.0.0.1"), false);
  dials.at(-1)!.fail(new Error("nobody there"));
});

Deno.test("Session.remove() and disposing close the connections, and a late dial's too", async () => {
  const { session, swarm, dials, pass } = world();
  session.learn(swarm, nth(1), "user");
  session.learn(swarm, nth(2), "user");
  const [early, late] = [new SilentConn(nth(1)), new SilentConn(nth(2))];
  dials[0]!.answer(early);
  await pass(100);
  session.remove(swarm);
  assert.equal(early.isClosed, true);
  early.endRead();
  dials[1]!.answer(late);
  await pass(100);
  assert.equal(late.isClosed, true);
  await session[Symbol.asyncDispose]();
  assert.equal(swarm.connections, 0);
});
