import assert from "node:assert/strict";
import { OperationFailed, PortTaken } from "../../lib/errors.ts";
import { systemNet as net } from "../../lib/io/net.ts";

const HERE = { host: "127.0.0.1", port: 0 };
const never = new AbortController().signal;

for (const host of ["127.0.0.1", "::1"]) {
  Deno.test(`dialTcp() and accept() give both ends of one connection on ${host}`, async () => {
    const listener = net.listenTcp({ host, port: 0 });
    const accepted = listener.accept();
    const ours = await net.dialTcp(listener.local, { timeoutMs: 5000, signal: never });
    const theirs = await accepted;
    assert.ok(theirs !== null);
    assert.deepEqual(ours.remote, listener.local);
    assert.equal(theirs.remote.host, host);
    const sent = new Uint8Array(3_000_000).map((_, i) => i % 251);
    const writing = ours.writeAll(sent).then(() => ours.close());
    const got = new Uint8Array(sent.length + 1);
    let at = 0;
    for (let count; (count = await theirs.read(got.subarray(at))) !== null;) at += count;
    await writing;
    assert.equal(at, sent.length);
    assert.ok(sent.every((byte, i) => byte === got[i]));
    theirs.close();
    theirs.close();
    listener.close();
    assert.equal(await listener.accept(), null);
  });
}

Deno.test("read() that waits ends with null when we close the connection", async () => {
  const listener = net.listenTcp(HERE);
  const accepted = listener.accept();
  const ours = await net.dialTcp(listener.local, { timeoutMs: 5000, signal: never });
  const reading = ours.read(new Uint8Array(10));
  ours.close();
  assert.equal(await reading, null);
  await assert.rejects(ours.writeAll(new Uint8Array(1)), OperationFailed);
  (await accepted)?.close();
  listener.close();
});

Deno.test("accept() that waits ends with null when the listener closes", async () => {
  const listener = net.listenTcp(HERE);
  const waiting = listener.accept();
  listener.close();
  listener.close();
  assert.equal(await waiting, null);
});

Deno.test("accept() gives an IPv4 stranger on [::] its IPv4 address", async () => {
  const listener = net.listenTcp({ host: "::", port: 0 });
  const accepted = listener.accept();
  const ours = await net.dialTcp({ host: "127.0.0.1", port: listener.local.port }, {
    timeoutMs: 5000,
    signal: never,
  });
  const theirs = await accepted;
  assert.equal(theirs?.remote.host, "127.0.0.1");
  theirs?.close();
  ours.close();
  listener.close();
});

Deno.test("listenTcp() names the port that another program has", () => {
  const listener = net.listenTcp(HERE);
  assert.throws(() => net.listenTcp(listener.local), (error: Error) => {
    assert.ok(error instanceof PortTaken);
    assert.equal(
      error.message,
      `Cannot listen on TCP port ${listener.local.port} of 127.0.0.1: another program has it; --port 0 takes a free one`,
    );
    return true;
  });
  listener.close();
});

Deno.test("dialTcp() rejects with the reason when nobody listens", async () => {
  const listener = net.listenTcp(HERE);
  listener.close();
  await assert.rejects(
    net.dialTcp(listener.local, { timeoutMs: 5000, signal: never }),
    new RegExp(`Cannot connect to 127.0.0.1:${listener.local.port}: connection refused`),
  );
});

Deno.test("dialTcp() gives up at the timeout and on abort where nobody answers, leaving no socket", async () => {
  // A listener that never accepts, with a queue of one: the third connection and all after it hang.
  const full = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const to = { host: "127.0.0.1", port: full.addr.port };
  const held = [];
  for (;;) {
    try {
      held.push(await net.dialTcp(to, { timeoutMs: 200, signal: never }));
    } catch (error) {
      assert.match(String(error), /no answer in 200 ms/);
      break;
    }
  }
  const aborting = new AbortController();
  const dialling = net.dialTcp(to, { timeoutMs: 60_000, signal: aborting.signal });
  aborting.abort();
  await assert.rejects(dialling, /given up/);
  await assert.rejects(net.dialTcp(to, { timeoutMs: 60_000, signal: aborting.signal }), /given up/);
  for (const connection of held) connection.close();
  full.close(); // the test runner's sanitizer fails on a socket or timer that is left
});

Deno.test("openUdp() carries datagrams both ways, IPv4 and IPv6", async () => {
  for (const host of ["127.0.0.1", "::1"]) {
    const a = await net.openUdp({ host, port: 0 });
    const b = await net.openUdp({ host, port: 0 });
    const answered = new Promise<Uint8Array>((resolve) => {
      b.onDatagram((bytes, from) => b.send(new Uint8Array([...bytes, 9]), from));
      a.onDatagram((bytes, from) => {
        assert.deepEqual(from, b.local);
        resolve(bytes);
      });
    });
    a.send(new Uint8Array([1, 2]), { host, port: 0 }); // a port that cannot be: lost
    a.send(new Uint8Array(70_000), b.local); // larger than a datagram: lost
    a.send(new Uint8Array([1, 2]), b.local);
    const bytes = await answered;
    assert.deepEqual([...bytes], [1, 2, 9]);
    assert.equal(bytes.buffer.byteLength, 3, "the bytes keep no larger buffer alive");
    await Promise.all([a.close(), b.close(), b.close()]);
    a.send(new Uint8Array(1), b.local);
  }
});

Deno.test("openUdp() names the port that another program has", async () => {
  const socket = await net.openUdp(HERE);
  await assert.rejects(net.openUdp(socket.local), (error: Error) => {
    assert.ok(error instanceof PortTaken);
    assert.match(error.message, new RegExp(`UDP port ${socket.local.port} of 127.0.0.1`));
    return true;
  });
  await socket.close();
});

Deno.test("resolve() gives an address as it is and IPv4 first for a name", async () => {
  assert.deepEqual(await net.resolve("192.0.2.1"), ["192.0.2.1"]);
  assert.deepEqual(await net.resolve("2001:db8::1"), ["2001:db8::1"]);
  assert.equal((await net.resolve("localhost"))[0], "127.0.0.1");
});
