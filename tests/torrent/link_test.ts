// One connection's bytes by hand: when it reads, when it waits, what it writes. With a session it is session_test.ts's.

import assert from "node:assert/strict";
import type { TcpConn } from "../../lib/ports.ts";
import { SEND_HIGH_WATER_BYTES } from "../../lib/torrent/limits.ts";
import { Link, type LinkOwner } from "../../lib/torrent/link.ts";
import type { PeerCore } from "../../lib/torrent/peer_core.ts";
import { RequestQueue } from "../../lib/torrent/request_queue.ts";
import type { Swarm } from "../../lib/torrent/swarm.ts";
import { TokenBucket } from "../../lib/torrent/token_bucket.ts";
import { WireWriter } from "../../lib/torrent/wire.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";

/** A socket whose every read and write ends when the test says so. */
class HandConn implements TcpConn {
  readonly remote = { host: "10.0.0.1", port: 6881 };
  readonly reads: { readonly into: Uint8Array; readonly end: (count: number | null) => void }[] = [];
  readonly writes: { readonly bytes: number; readonly end: () => void; readonly fail: () => void }[] = [];
  closes = 0;

  read(into: Uint8Array): Promise<number | null> {
    return new Promise((end) => this.reads.push({ into, end }));
  }

  writeAll(bytes: Uint8Array): Promise<void> {
    return new Promise((end, fail) => this.writes.push({ bytes: bytes.length, end, fail }));
  }

  close(): void {
    this.closes++;
  }
}

/** Everybody who waits for nothing but others here has gone on after this. */
async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

function world(
  options: { limit?: TokenBucket; linkCount?: number; onRead?: (out: WireWriter) => void } = {},
) {
  const conn = new HandConn();
  const clock = new VirtualClock();
  const out = new WireWriter();
  const received: number[] = [];
  const peer = {
    out,
    space: new Uint8Array(100_000),
    requests: new RequestQueue(1),
    received: (count: number) => void received.push(count),
  };
  const sink = { isBehind: false, room: () => Promise.resolve() };
  const sent: number[] = [];
  const swarm = { download: { sink }, onSent: () => sent.push(out.pending) };
  const broken: Link[] = [];
  const owner: LinkOwner = {
    clock,
    signal: new AbortController().signal,
    downLimit: options.limit,
    linkCount: options.linkCount ?? 1,
    onRead: () => options.onRead?.(out),
    onWriting: () => {},
    onUnwritable: (one) => void broken.push(one),
  };
  const link = new Link(conn, peer as unknown as PeerCore, swarm as unknown as Swarm, owner);
  return { link, conn, clock, out, received, sink, sent, broken };
}

Deno.test("readAll() hands on each batch, and ends with the connection", async () => {
  const { link, conn, received } = world();
  const done = link.readAll();
  for (const [i, count] of [5, 100, 1].entries()) {
    conn.reads[i]!.end(count);
    await settled();
  }
  conn.reads[3]!.end(null);
  await done;
  assert.deepEqual(received, [5, 100, 1]);
});

Deno.test("readAll() reads nothing more of a peer that does not take what waits for it", async () => {
  const { link, conn } = world({
    onRead: (out) => {
      out.raw(new Uint8Array(100));
      link.write();
      out.raw(new Uint8Array(SEND_HIGH_WATER_BYTES + 1));
    },
  });
  void link.readAll();
  conn.reads[0]!.end(1);
  await settled();
  assert.deepEqual([conn.reads.length, conn.writes.length], [1, 1]);
  conn.writes[0]!.end();
  await settled();
  assert.equal(conn.writes[1]!.bytes, SEND_HIGH_WATER_BYTES + 1);
  assert.equal(conn.reads.length, 1, "what follows is on its way, not taken");
  conn.writes[1]!.end();
  await settled();
  assert.equal(conn.reads.length, 2);
});

Deno.test("readAll() reads nothing more while the disk is behind, and ends when it is closed meanwhile", async () => {
  for (const isClosed of [false, true]) {
    const { link, conn, sink } = world();
    const room = Promise.withResolvers<void>();
    Object.assign(sink, { isBehind: true, room: () => room.promise });
    const done = link.readAll();
    conn.reads[0]!.end(1);
    await settled();
    assert.equal(conn.reads.length, 1);
    if (isClosed) link.close();
    else sink.isBehind = false;
    room.resolve();
    await settled();
    assert.equal(conn.reads.length, 2);
    conn.reads[1]!.end(1);
    if (isClosed) await done;
  }
});

Deno.test("readAll() believes nothing that was read while it was being closed", async () => {
  const { link, conn, received } = world();
  const done = link.readAll();
  assert.deepEqual([link.close(), link.close()], [true, false]);
  conn.reads[0]!.end(10);
  await done;
  assert.deepEqual([received, conn.closes], [[], 1]);
});

Deno.test("readAll() reads with a limit no more at once than its share, and waits until that has passed", async () => {
  const limit = new TokenBucket(100_000, 0);
  const { link, conn, clock } = world({ limit, linkCount: 2 });
  void link.readAll();
  const share = conn.reads[0]!.into.length;
  assert.equal(share, Math.max(4096, limit.chunkBytes / 2));
  for (let total = 0; conn.reads.length > 0; total += share) {
    assert.ok(total < 200_000, "the limit is spent at some time");
    conn.reads.pop()!.end(share);
    await settled();
  }
  await clock.run(() => conn.reads.length > 0, 10_000);
  assert.equal(conn.reads.length, 1);
});

Deno.test("write() sends what came to wait during a write behind it, one write at a time", async () => {
  const { link, conn, out, sent } = world();
  link.write();
  assert.equal(conn.writes.length, 0, "nothing waits");
  out.raw(new Uint8Array(10));
  link.write();
  out.raw(new Uint8Array(20));
  link.write();
  assert.deepEqual(conn.writes.map(({ bytes }) => bytes), [10]);
  conn.writes[0]!.end();
  await settled();
  out.raw(new Uint8Array(30));
  conn.writes[1]!.end();
  await settled();
  conn.writes[2]!.end();
  await settled();
  assert.deepEqual(conn.writes.map(({ bytes }) => bytes), [10, 20, 30]);
  assert.equal(sent.length, 3);
  assert.equal(link.movedBytes, 60);
  out.raw(new Uint8Array(40));
  link.write();
  assert.equal(conn.writes.length, 4);
});

Deno.test("write() says once that nothing more can be written, and writes nothing after it was closed", async () => {
  const { link, conn, out, broken } = world();
  out.raw(new Uint8Array(10));
  link.write();
  conn.writes[0]!.fail();
  await settled();
  assert.deepEqual(broken, [link]);
  link.close();
  out.raw(new Uint8Array(10));
  link.write();
  assert.equal(conn.writes.length, 1);
});
