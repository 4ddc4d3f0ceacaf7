import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeDict, type Encodable, encode } from "../../lib/bencode.ts";
import { toHex } from "../../lib/bytes.ts";
import type { Contact } from "../../lib/dht/contact.ts";
import { DhtNode } from "../../lib/dht/dht_node.ts";
import { systemClock } from "../../lib/io/clock.ts";
import type { Endpoint } from "../../lib/ports.ts";
import { compact, FakeNet, type FakeNode } from "./fake_net.ts";
import { DAILY, ITEMS, KEY, LIBTORRENT, VALUE } from "./vectors.ts";

const OURS: Endpoint = { host: "10.0.0.1", port: 6881 };
const STRANGER: Endpoint = { host: "10.9.9.9", port: 4000 };
const NEVER = new AbortController().signal;
const item = ITEMS[2]!;
const ITEM = { k: item.publicKey, sig: item.signature, seq: item.seq, v: VALUE.subarray(3) };

function idOf(number: number): Uint8Array {
  return new Uint8Array(20).fill(number);
}

/** A node that knows all others and answers `get` with what `extra` gives. */
function nodeAt(number: number, all: Contact[], extra: { [key: string]: Encodable } = {}): FakeNode {
  const node: FakeNode = {
    id: idOf(number),
    host: `10.0.1.${number}`,
    port: 7000,
    answer: (method) => ({
      nodes: compact(all.slice(0, 20)),
      token: "tok",
      ...(method === "get" ? extra : {}),
    }),
  };
  all.push(node);
  return node;
}

function network(count: number, extra: (number: number) => { [key: string]: Encodable }) {
  const net = new FakeNet();
  const all: Contact[] = [];
  for (let number = 1; number <= count; number++) net.addNode(nodeAt(number, all, extra(number)));
  return { net, all };
}

function open(
  net: FakeNet,
  options: {
    bootstrap?: Endpoint[];
    cachedNodes?: Contact[];
    resolve?: (host: string) => Promise<string[]>;
  } = {},
): DhtNode {
  return DhtNode.open({
    udp: net.open(OURS),
    clock: { ...systemClock, nowMs: () => 0 },
    resolve: options.resolve ?? (() => Promise.resolve([])),
    bootstrap: options.bootstrap ?? [],
    cachedNodes: options.cachedNodes,
    timeoutMs: 20,
  });
}

const get = (node: DhtNode, signal = NEVER, onItem = () => {}) =>
  node.getItem({ publicKey: KEY, salt: DAILY, signal, onItem });

Deno.test("getItem() finds the item past forgers and the dead, and counts them", async () => {
  const { net, all } = network(12, (number) => {
    if (number % 4 === 0) return { ...ITEM, seq: 99 };
    return number === 7 ? ITEM : {};
  });
  const dead = Array.from({ length: 4 }, (_, i) => ({ id: idOf(0x3a + i), host: `10.0.2.${i}`, port: 7000 }));
  await using node = open(net, { cachedNodes: [...dead, all[0]!] });
  let times = 0;
  const result = await get(node, NEVER, () => times++);
  assert.deepEqual([result.item?.seq, result.finished, result.conflict, times], [1, true, false, 1]);
  assert.equal(result.forged, 3);
  assert.equal(result.holders.length, 8);
  assert.ok(node.nodes().every((known) => !known.host.startsWith("10.0.2.")), "the dead are forgotten");
  assert.equal(node.nodeCount, 12);
});

Deno.test("getItem() does not wait for a name that is not resolved, nor for one that cannot be", async () => {
  const { net, all } = network(9, () => ITEM);
  const pending = Promise.withResolvers<string[]>();
  const resolve = (host: string) => {
    if (host === "slow.test") return pending.promise;
    return host === "good.test"
      ? Promise.resolve(["::1", all[0]!.host])
      : Promise.reject(new Error("no such host"));
  };
  const bootstrap = ["slow.test", "bad.test", "good.test"].map((host) => ({ host, port: 7000 }));
  await using node = open(net, { bootstrap, resolve });
  const result = await get(node);
  assert.deepEqual([result.item?.seq, result.answers >= 8, result.finished], [1, true, true]);
  pending.resolve([]);
});

Deno.test("getItem() with nobody to ask says so", async () => {
  await using node = open(new FakeNet());
  const result = await get(node);
  assert.deepEqual([result.item, result.answers, result.finished], [undefined, 0, false]);
});

Deno.test("getItem() gives what it has when the signal aborts, and when the node closes", async () => {
  const { net } = network(1, () => ITEM);
  net.addNode({ id: idOf(9), host: "10.0.1.9", port: 7000, answer: () => undefined });
  const bootstrap = [{ host: "10.0.1.1", port: 7000 }, { host: "10.0.1.9", port: 7000 }];
  for (const how of ["abort", "close"] as const) {
    await using node = open(net, { bootstrap });
    const stop = new AbortController();
    const result = await get(node, stop.signal, () => void (how === "abort" ? stop.abort() : node.close()));
    assert.deepEqual([result.item?.seq, result.finished], [1, false], how);
  }
});

Deno.test("getItem() rejects with what its listener throws", async () => {
  const { net, all } = network(3, () => ITEM);
  await using node = open(net, { cachedNodes: all });
  const thrown = new Error("ours");
  await assert.rejects(
    get(node, NEVER, () => {
      throw thrown;
    }),
    thrown,
  );
});

Deno.test("getPeers() takes peers of both families, each once, and no nonsense", async () => {
  const values = [
    Uint8Array.of(8, 8, 8, 8, 0x1a, 0xe1),
    Uint8Array.of(224, 0, 0, 1, 0x1a, 0xe1),
    Uint8Array.of(8, 8, 4, 4, 0, 0),
    Uint8Array.from([0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 1, 0x1a, 0xe1]),
  ];
  const net = new FakeNet();
  for (const number of [1, 2]) {
    net.addNode({ id: idOf(number), host: `10.0.1.${number}`, port: 7000, answer: () => ({ values }) });
  }
  await using node = open(net, { bootstrap: [1, 2].map((n) => ({ host: `10.0.1.${n}`, port: 7000 })) });
  const { peers } = await node.getPeers(idOf(5), { signal: NEVER });
  assert.deepEqual(peers, [{ host: "8.8.8.8", port: 6881 }, { host: "2001:db8:0:0:0:0:0:1", port: 6881 }]);
});

Deno.test("announce() tells the nearest eight, with each one's token", async () => {
  const told: [number, string][] = [];
  const net = new FakeNet();
  const all: Contact[] = [];
  for (let number = 1; number <= 12; number++) {
    const node = nodeAt(number, all);
    net.addNode({
      ...node,
      answer: (method, args, from) => {
        if (method !== "announce_peer") return { ...node.answer(method, args, from), token: `t${number}` };
        told.push([args.int("port")!, new TextDecoder().decode(args.bytes("token"))]);
        return {};
      },
    });
  }
  await using node = open(net, { cachedNodes: all });
  const result = await node.announce(idOf(0), 6881, { signal: NEVER });
  assert.equal(result.stored, 8);
  assert.deepEqual(
    told.map(([port, token]) => `${port} ${token}`),
    [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `6881 t${n}`),
  );
});

Deno.test("A private address named by a public node is never asked", async () => {
  const net = new FakeNet();
  const inside = { id: idOf(3), host: "192.168.1.1", port: 53 };
  net.addNode({ id: idOf(1), host: "8.8.8.8", port: 7000, answer: () => ({ nodes: compact([inside]) }) });
  await using node = open(net, { bootstrap: [{ host: "8.8.8.8", port: 7000 }] });
  await get(node);
  assert.deepEqual(new Set(net.sent.map(({ to }) => to.host)), new Set(["8.8.8.8", OURS.host]));
});

Deno.test("An answer that nobody asked for changes nothing", async () => {
  const net = new FakeNet();
  await using node = open(net);
  for (let t = 0; t < 10; t++) {
    net.deliver(encode({ t: Uint8Array.of(0, t), y: "r", r: { id: idOf(7) } }), STRANGER, OURS);
  }
  await get(node);
  assert.equal(node.packetCounts.unasked, 10);
  assert.equal(node.nodeCount, 0);
});

Deno.test("A read-only node is answered and not remembered", async () => {
  const net = new FakeNet();
  await using node = open(net);
  const ask = (number: number, ro: number) =>
    net.deliver(
      encode({ t: "aa", y: "q", q: "find_node", a: { id: idOf(number), target: idOf(7) }, ro }),
      STRANGER,
      OURS,
    );
  ask(7, 1);
  ask(8, 0);
  await get(node);
  const answers = net.sent.map(({ bytes }) => decodeDict(bytes, { mode: "lenient" }))
    .filter((message) => message.bytes("y")?.[0] === 0x72);
  assert.equal(answers.length, 2);
  const nodes = answers[1]!.dict("r")!.bytes("nodes")!;
  assert.deepEqual(toHex(nodes), toHex(compact([{ id: idOf(8), ...STRANGER }])));
});

Deno.test("A read-only node says so in each question, and answers none", async () => {
  const { net, all } = network(3, () => ITEM);
  await using node = DhtNode.open({
    udp: net.open(OURS),
    clock: { ...systemClock, nowMs: () => 0 },
    resolve: () => Promise.resolve([]),
    bootstrap: [],
    cachedNodes: all,
    readOnly: true,
    timeoutMs: 20,
  });
  net.deliver(encode({ t: "aa", y: "q", q: "ping", a: { id: idOf(7) } }), STRANGER, OURS);
  assert.equal((await get(node)).item?.seq, 1);
  const sent = net.sent.filter(({ to }) => to.host !== OURS.host)
    .map(({ to, bytes }) => ({ to, message: decodeDict(bytes, { mode: "lenient" }) }));
  assert.ok(sent.length >= 6 && sent.every(({ message }) => message.int("ro") === 1));
  assert.ok(!sent.some(({ to }) => to.host === STRANGER.host));
});

Deno.test("Queries above the rate are dropped, without an answer", async () => {
  const net = new FakeNet();
  await using node = open(net);
  for (let i = 0; i < 1000; i++) {
    net.deliver(encode({ t: "aa", y: "q", q: "ping", a: { id: idOf(7) } }), STRANGER, OURS);
  }
  await get(node);
  assert.equal(node.packetCounts.overRate, 700);
});

Deno.test("No bytes make the package throw or keep the node from answering", async () => {
  const args = {
    id: idOf(1),
    target: idOf(2),
    info_hash: idOf(2),
    token: "tttttttttttttttttttt",
    port: 1,
    v: "value",
  };
  const right = ["ping", "find_node", "get_peers", "announce_peer", "get", "put", "vote"]
    .flatMap((
      q,
    ) => [encode({ t: "aa", y: "q", q, a: args }), encode({ t: "aa", y: "q", q, a: { ...args, ...ITEM } })])
    .concat(Object.values(LIBTORRENT));
  const change = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 });
  const samples = fc.sample(fc.tuple(fc.constantFrom(...right), change), 4000);
  let nowMs = 0;
  const net = new FakeNet();
  await using node = DhtNode.open({
    udp: net.open(OURS),
    clock: { ...systemClock, nowMs: () => nowMs += 1000 }, // never over the rate
    resolve: () => Promise.resolve([]),
    bootstrap: [],
    timeoutMs: 20,
  });
  for (const [bytes, changes] of samples) {
    const datagram = bytes.slice();
    for (const [at, byte] of changes) datagram[at % datagram.length] = byte;
    net.deliver(datagram, STRANGER, OURS);
  }
  net.deliver(encode({ t: "zz", y: "q", q: "ping", a: { id: idOf(7) } }), STRANGER, OURS);
  await get(node);
  assert.equal(node.packetCounts.thrown, 0);
  assert.ok(node.packetCounts.accepted > 500, `${node.packetCounts.accepted} came through`);
  const answers = net.sent.filter(({ to }) => to.host === STRANGER.host);
  assert.ok(answers.some(({ bytes }) => decodeDict(bytes, { mode: "lenient" }).bytes("t")?.[0] === 0x7a));
});

Deno.test("A popular torrent's answer fits a datagram", async () => {
  const net = new FakeNet();
  let nowMs = 0;
  await using node = DhtNode.open({
    udp: net.open(OURS),
    clock: { ...systemClock, nowMs: () => nowMs += 1000 },
    resolve: () => Promise.resolve([]),
    bootstrap: [],
    timeoutMs: 20,
  });
  const ask = (q: string, a: { [key: string]: Encodable }) =>
    net.deliver(encode({ t: "aa", y: "q", q, a: { id: idOf(7), info_hash: idOf(2), ...a } }), STRANGER, OURS);
  const lastAnswer = async () => {
    await get(node);
    const answers = net.sent.filter(({ bytes }) =>
      decodeDict(bytes, { mode: "lenient" }).bytes("y")?.[0] === 0x72
    );
    return answers.at(-1)!.bytes;
  };
  ask("get_peers", {});
  const token = decodeDict(await lastAnswer(), { mode: "lenient" }).dict("r")!.bytes("token")!;
  for (let port = 1; port <= 300; port++) ask("announce_peer", { token, port });
  ask("get_peers", {});
  const answer = await lastAnswer();
  assert.equal(decodeDict(answer, { mode: "lenient" }).dict("r")!.list("values")!.length, 100);
  assert.ok(answer.length < 1400);
});
