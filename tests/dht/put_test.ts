// Puts to scripted nodes, each with its own way of not storing, and to our own node as the one that stores.

import assert from "node:assert/strict";
import { type BDict, decodeDict, type Encodable, encode, Verbatim } from "../../lib/bencode.ts";
import { toHex, utf8 } from "../../lib/bytes.ts";
import type { Contact } from "../../lib/dht/contact.ts";
import { DhtNode } from "../../lib/dht/dht_node.ts";
import type { PutAnswer } from "../../lib/dht/put.ts";
import { type SignedItem, signItem } from "../../lib/dht/signature.ts";
import { systemClock } from "../../lib/io/clock.ts";
import type { Endpoint } from "../../lib/ports.ts";
import { compact, FakeNet } from "./fake_net.ts";
import { DAILY, hex, ITEMS, KEY, SEED, VALUE } from "./vectors.ts";

const OURS: Endpoint = { host: "10.0.0.1", port: 6881 };
const NEVER = new AbortController().signal;
const SEQ_1: SignedItem = ITEMS[2]!;
const SEQ_2: SignedItem = ITEMS[3]!;

function signed(seq: number, value: Uint8Array): SignedItem {
  return { publicKey: KEY, salt: DAILY, seq, value, signature: signItem(SEED, { salt: DAILY, seq, value }) };
}

const OTHER_SEQ_2 = signed(2, encode(new Uint8Array(32).fill(0xab)));

function replyOf({ publicKey: k, seq, signature: sig, value }: SignedItem) {
  return { k, seq, sig, v: new Verbatim(value) };
}

/** What a scripted node does: its answer to a put (undefined: none), and what it returns to a later get. */
interface Script {
  readonly put: (args: BDict, nth: number) => { readonly [key: string]: Encodable } | undefined;
  readonly then?: SignedItem | "silent";
  /** No token: it does not want to store. */
  readonly tokenless?: boolean;
}

/** Nodes that know one another, nearest to the item's target first. */
function network(scripts: readonly Script[]) {
  const net = new FakeNet();
  const target = hex(ITEMS[2]!.target);
  const all: Contact[] = scripts.map((_, i) => {
    const id = target.slice();
    id[19] = id[19]! ^ (i + 1);
    return { id, host: `10.0.1.${i + 1}`, port: 7000 };
  });
  const puts: BDict[][] = scripts.map(() => []);
  scripts.forEach((script, i) => {
    let tokens = 0;
    net.addNode({
      ...all[i]!,
      answer: (method, args) => {
        if (method === "put") {
          puts[i]!.push(args);
          return script.put(args, puts[i]!.length);
        }
        const nodes = compact(all.slice(0, 20));
        if (method !== "get") return { nodes };
        const token = script.tokenless === true ? {} : { token: `token ${i + 1}.${++tokens}` };
        if (puts[i]!.length === 0) return { nodes, ...token };
        if (script.then === "silent") return undefined;
        return { nodes, ...token, ...(script.then === undefined ? {} : replyOf(script.then)) };
      },
    });
  });
  return { net, all, puts };
}

function open(net: FakeNet, cachedNodes: Contact[], bootstrap: Endpoint[] = []): DhtNode {
  return DhtNode.open({
    udp: net.open(OURS),
    clock: { ...systemClock, nowMs: () => 0 },
    resolve: () => Promise.resolve([]),
    bootstrap,
    cachedNodes,
    timeoutMs: 20,
  });
}

function shown({ node, outcome }: PutAnswer): string {
  const number = node.host.split(".")[3];
  switch (outcome.kind) {
    case "refused":
      return `${number} ${outcome.code} ${outcome.text}${outcome.holds ? ` holds ${outcome.holds.seq}` : ""}`;
    case "other":
      return `${number} other ${outcome.holds.seq} ${toHex(outcome.holds.value).slice(0, 10)}`;
    default:
      return `${number} ${outcome.kind}`;
  }
}

Deno.test("put() tells apart what became of the item at each node", async () => {
  const { net, all } = network([
    { put: () => ({}), then: SEQ_2 },
    { put: () => ({}), then: OTHER_SEQ_2 },
    { put: () => ({ e: [302, "sequence number less than current"] }), then: SEQ_2 },
    { put: () => ({ e: [302, "old sequence number"] }), then: signed(9, VALUE) },
    { put: () => ({ e: [205, "message too big"] }) },
    { put: () => undefined },
    { put: () => ({}), then: "silent" },
    { put: () => ({}) },
  ]);
  await using node = open(net, all);
  const answers = await node.put({ item: SEQ_2, signal: NEVER });
  assert.deepEqual(answers.map(shown), [
    "1 stored",
    "2 other 2 33323aabab",
    "3 stored",
    "4 302 old sequence number holds 9",
    "5 205 message too big",
    "6 silent",
    "7 unconfirmed",
    "8 unconfirmed",
  ]);
});

Deno.test("put() sends the item's bytes as they were signed, even those of odd bencoding", async () => {
  // A leading zero: signed all the same, and other bytes if anyone encodes it again.
  const odd = signed(7, utf8("li07ee"));
  const { net, all, puts } = network([{ put: () => ({}) }]);
  await using node = open(net, all);
  await node.put({ item: odd, signal: NEVER });
  const sent = net.sent.map(({ bytes }) => decodeDict(bytes, { mode: "lenient" }))
    .find((message) => toHex(message.bytes("q") ?? utf8("")) === toHex(utf8("put")))!.dict("a")!;
  assert.equal(new TextDecoder().decode(sent.raw("v")), "li07ee");
  assert.deepEqual([...sent.keys()], ["id", "k", "salt", "seq", "sig", "token", "v"]);
  assert.deepEqual([sent.int("seq"), toHex(sent.bytes("sig")!)], [7, toHex(odd.signature)]);
  assert.equal(new TextDecoder().decode(sent.bytes("token")), "token 1.1");
  assert.equal(puts[0]!.length, 1);
});

Deno.test("put() leaves out an empty salt", async () => {
  const { net, all, puts } = network([{ put: () => ({}) }]);
  await using node = open(net, all);
  const holders = [{ ...all[0]!, token: utf8("t") }];
  await node.put({ item: ITEMS[4]!, holders, signal: NEVER });
  assert.equal(puts[0]![0]!.has("salt"), false);
});

Deno.test("put() fetches a fresh token once when its own has expired", async () => {
  const { net, all, puts } = network([
    { put: (_, nth) => nth === 1 ? { e: [203, "invalid token"] } : {}, then: SEQ_2 },
    { put: () => ({ e: [203, "invalid token"] }) },
    { put: () => ({ e: [203, "invalid token"] }), then: "silent" },
  ]);
  await using node = open(net, all);
  const answers = await node.put({ item: SEQ_2, signal: NEVER });
  assert.deepEqual(answers.map(shown), ["1 stored", "2 203 invalid token", "3 203 invalid token"]);
  const tokens = puts.map((list) => list.map((args) => new TextDecoder().decode(args.bytes("token"))));
  assert.deepEqual(tokens, [["token 1.1", "token 1.2"], ["token 2.1", "token 2.2"], ["token 3.1"]]);
});

Deno.test("put() passes by nodes without a token and routers, as long as there are eight others", async () => {
  const scripts = Array.from({ length: 12 }, (_, i): Script => ({ put: () => ({}), tokenless: i === 2 }));
  const { net, all } = network(scripts);
  // Begun far away, so that more than the eight nearest have answered in the end.
  await using node = open(net, all.slice(8), [all[0]!, all[1]!]);
  const answers = await node.put({ item: SEQ_1, signal: NEVER });
  assert.deepEqual(answers.map((answer) => answer.node.host.slice(7)), [
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "10",
    "11",
  ]);

  const few = network(scripts.slice(0, 8));
  await using small = open(few.net, few.all, [few.all[0]!]);
  const smallAnswers = await small.put({ item: SEQ_1, signal: NEVER });
  assert.deepEqual(smallAnswers.map((answer) => answer.node.host.slice(7)), [
    "1",
    "2",
    "4",
    "5",
    "6",
    "7",
    "8",
  ]);
});

Deno.test("put() puts nothing after a lookup that did not finish, nor once it is aborted", async () => {
  const { net, all, puts } = network([{ put: () => ({}) }]);
  await using node = open(net, all);
  assert.deepEqual(await node.put({ item: SEQ_1, signal: AbortSignal.abort() }), []);
  const holders = [{ ...all[0]!, token: utf8("t") }];
  const answers = await node.put({ item: SEQ_1, holders, signal: AbortSignal.abort() });
  assert.deepEqual([answers.map(shown), puts[0]!.length], [["1 silent"], 0]);
});

Deno.test("put() refuses an item that breaks a bound before it asks anybody", async () => {
  const { net, all, puts } = network([{ put: () => ({}) }]);
  await using node = open(net, all);
  await assert.rejects(node.put({ item: { ...SEQ_1, seq: 2 ** 53 }, signal: NEVER }), RangeError);
  assert.equal(puts[0]!.length, 0);
});

Deno.test("Our node as the one that stores: an equal item refreshes, another at its seq is refused", async () => {
  const net = new FakeNet();
  await using storing = open(net, []);
  const neighbour = { id: new Uint8Array(20).fill(8), host: "10.0.3.1", port: 7000 };
  const socket = net.open(neighbour);
  const waiting: ((message: BDict) => void)[] = [];
  socket.onDatagram((bytes) => {
    const message = decodeDict(bytes, { mode: "lenient" });
    if (message.bytes("y")?.[0] !== 0x71) waiting.shift()?.(message);
  });
  const ask = (q: string, a: { [key: string]: Encodable | undefined }) => {
    const heard = new Promise<BDict>((resolve) => waiting.push(resolve));
    socket.send(encode({ t: "aa", y: "q", q, a: { id: neighbour.id, ...a } }), OURS);
    return heard;
  };
  const target = hex(ITEMS[2]!.target);
  const get = async () => (await ask("get", { target })).dict("r")!;
  const token = (await get()).bytes("token")!;
  const put = async (item: SignedItem, extra: { [key: string]: Encodable } = {}) => {
    const { publicKey: k, salt, seq, signature: sig } = item;
    const answer = await ask("put", { k, salt, seq, sig, v: item.value.subarray(3), token, ...extra });
    return answer.list("e")?.[0] ?? "stored";
  };

  assert.equal(await put(SEQ_2), "stored");
  assert.equal(await put(SEQ_2), "stored", "the same again");
  assert.equal(await put(SEQ_2, { cas: 2 }), "stored");
  assert.equal(await put(SEQ_2, { cas: 1 }), 301);
  assert.equal(await put(OTHER_SEQ_2), 302, "another value at its seq");
  assert.equal(await put(SEQ_1), 302, "a lower seq");
  assert.equal(await put(SEQ_2, { token: "no".repeat(10) }), 203);
  const stored = await get();
  assert.equal(toHex(stored.bytes("sig")!), toHex(SEQ_2.signature), "no refusal costs what is stored");
  assert.equal(toHex(stored.bytes("nodes")!), toHex(compact([neighbour])), "nodes beside the value");
  assert.equal(stored.int("seq"), 2);
  assert.equal(await put(signed(3, SEQ_2.value)), "stored");
  assert.equal(storing.packetCounts.thrown, 0);
});

Deno.test("Our node names eight nodes, however many it knows", async () => {
  const net = new FakeNet();
  await using node = open(net, []);
  const from = { host: "10.0.4.1", port: 7000 };
  for (let i = 1; i <= 60; i++) {
    const id = new Uint8Array(20).fill(i);
    net.deliver(
      encode({ t: "aa", y: "q", q: "ping", a: { id } }),
      { host: "10.0.4.1", port: 7000 + i },
      OURS,
    );
  }
  const target = new Uint8Array(20).fill(9);
  net.deliver(encode({ t: "aa", y: "q", q: "find_node", a: { id: target, target } }), from, OURS);
  await node.getItem({ publicKey: KEY, salt: DAILY, signal: NEVER });
  const answer = net.sent.filter(({ to }) => to.port === from.port).at(-1)!;
  const nodes = decodeDict(answer.bytes, { mode: "lenient" }).dict("r")!.bytes("nodes")!;
  assert.equal(nodes.length, 8 * 26);
});
