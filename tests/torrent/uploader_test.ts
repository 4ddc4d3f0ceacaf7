import assert from "node:assert/strict";
import type { Download } from "../../lib/torrent/download.ts";
import { encodeHandshake } from "../../lib/torrent/handshake.ts";
import { BLOCK_BYTES } from "../../lib/torrent/layout.ts";
import { MAX_REQUESTS_HELD, SEND_LOW_WATER_BYTES } from "../../lib/torrent/limits.ts";
import { PeerCore } from "../../lib/torrent/peer_core.ts";
import { Swarm } from "../../lib/torrent/swarm.ts";
import { TokenBucket } from "../../lib/torrent/token_bucket.ts";
import { SEED_SLOTS, UPLOAD_SLOTS } from "../../lib/torrent/choker.ts";
import { Uploader } from "../../lib/torrent/uploader.ts";
import { WireReader } from "../../lib/torrent/wire_reader.ts";
import { FixtureTorrent, MemoryStorage } from "./fixture_torrent.ts";
import { seeded } from "./seeded.ts";
import { feed, HELLO, Recorder, type Said } from "./wire_recorder.ts";

const TORRENT = new FixtureTorrent("v2", 32_768, [100_000]);
const LARGE = new FixtureTorrent("v2", 1 << 20, [12 << 20]);

/** A peer that reads only when `hear` is called. */
class Customer {
  readonly peer: PeerCore;
  /** Pieces that were suggested to it, in order: said between other things, and apart from them here. */
  readonly suggested: number[] = [];
  readonly #recorder = new Recorder();
  readonly #reader = new WireReader(this.#recorder);

  constructor(number: number, options: { fast?: boolean } = {}) {
    const swarm = new Swarm({
      hashes: { v1: undefined, v2Short: HELLO.infoHash },
      wanted: undefined,
      peerId: new Uint8Array(20).fill(1),
      client: "test",
      listenPort: undefined,
      dhtPort: undefined,
      random: seeded(1),
      upLimit: undefined,
      listener: undefined as never,
    });
    const endpoint = { host: `10.0.0.${number}`, port: 6881 };
    this.peer = new PeerCore({ number, endpoint, source: "user", nowMs: 0, owner: swarm });
    const hello = encodeHandshake({ ...HELLO, fast: options.fast ?? true, extended: false });
    this.peer.space.set(hello);
    this.peer.received(hello.length, 0);
    this.peer.wanted = true;
    this.hear();
  }

  /** Everything that was sent to it since it last heard. */
  hear(): Said[] {
    for (let bytes = this.peer.out.take(); bytes !== undefined; bytes = this.peer.out.take()) {
      feed(this.#reader, bytes, () => Infinity);
      this.peer.out.sent();
    }
    const said = this.#recorder.said.splice(0).filter(([name]) => name !== "handshake");
    for (const [name, piece] of said) if (name === "suggest") this.suggested.push(piece as number);
    return said.filter(([name]) => name !== "suggest");
  }

  /** Bytes of blocks in what it hears. */
  hearBytes(): number {
    return this.hear().reduce((sum, [name, , , block]) => {
      return name === "piece" ? sum + (block as Uint8Array).length : sum;
    }, 0);
  }
}

function open(
  download: Download,
  customers: readonly Customer[],
  options: { limit?: TokenBucket; isServing?: boolean } = {},
): Uploader {
  const uploader = new Uploader({ download, random: seeded(1), limit: options.limit });
  for (const { peer } of customers) uploader.join(peer);
  if (options.isServing ?? true) {
    uploader.rechoke(0);
    for (const customer of customers) assert.deepEqual(customer.hear(), [["unchoke"]]);
  }
  return uploader;
}

/** Asks for `count` blocks from the start of the torrent on, over and over. */
function askMany(uploader: Uploader, { peer }: Customer, count: number, nowMs = 0): void {
  peer.received(0, nowMs);
  for (let i = 0; i < count; i++) {
    uploader.onRequest(peer, Math.floor(i / 64) % 12, (i % 64) * BLOCK_BYTES, BLOCK_BYTES);
  }
}

Deno.test("Uploader sends the blocks that are asked for, in their order", () => {
  const customer = new Customer(1);
  const uploader = open(TORRENT.download({ here: [0, 2] }), [customer]);
  uploader.onRequest(customer.peer, 2, BLOCK_BYTES, BLOCK_BYTES);
  uploader.onRequest(customer.peer, 0, 100, 5000);
  const heard = [...customer.hear()];
  uploader.pump(customer.peer, 0);
  heard.push(...customer.hear());
  const piece = (n: number) => TORRENT.layout.piece(n)!;
  assert.deepEqual(heard, [
    ["piece", 2, BLOCK_BYTES, TORRENT.block(piece(2), 1)],
    ["piece", 0, 100, TORRENT.bytes(piece(0), 100, 5000)],
  ]);
  assert.equal(uploader.rate.total, BLOCK_BYTES + 5000);
});

Deno.test("Uploader fills with zeros what is asked for behind the end of a v2 file", () => {
  const customer = new Customer(1);
  const uploader = open(TORRENT.download({ here: [3] }), [customer]);
  uploader.onRequest(customer.peer, 3, 0, BLOCK_BYTES);
  const [[name, piece, begin, block]] = customer.hear() as [Said];
  assert.deepEqual([name, piece, begin], ["piece", 3, 0]);
  const expected = new Uint8Array(BLOCK_BYTES);
  expected.set(TORRENT.block(TORRENT.layout.piece(3)!, 0));
  assert.deepEqual(block, expected);
});

for (
  const [why, piece, begin, length] of [
    ["a piece that is not here", 1, 0, BLOCK_BYTES],
    ["a piece that is not in the torrent", 4, 0, BLOCK_BYTES],
    ["a block across the piece's end", 0, BLOCK_BYTES + 1, BLOCK_BYTES],
    ["more than a block", 0, 0, BLOCK_BYTES + 1],
    ["nothing", 0, 0, 0],
  ] as const
) {
  Deno.test(`Uploader rejects a request for ${why}`, () => {
    const [fast, plain] = [new Customer(1), new Customer(2, { fast: false })];
    const uploader = open(TORRENT.download({ here: [0, 2, 3] }), [fast, plain]);
    for (const { peer } of [fast, plain]) uploader.onRequest(peer, piece, begin, length);
    assert.deepEqual(fast.hear(), [["reject", piece, begin, length]]);
    assert.deepEqual(plain.hear(), [], "without the fast extension silence says no");
  });
}

Deno.test("Uploader rejects requests of a choked peer, and of one that never joined", () => {
  const [choked, stranger] = [new Customer(1), new Customer(2)];
  const uploader = open(TORRENT.download({ here: [0] }), [choked], { isServing: false });
  for (const { peer } of [choked, stranger]) uploader.onRequest(peer, 0, 0, BLOCK_BYTES);
  assert.deepEqual(choked.hear(), [["reject", 0, 0, BLOCK_BYTES]]);
  assert.deepEqual(stranger.hear(), [["reject", 0, 0, BLOCK_BYTES]]);
});

Deno.test("Uploader reads blocks that lie side by side at once, and sends each as it was asked for", () => {
  const customer = new Customer(1);
  const storage = new MemoryStorage(LARGE.layout);
  const download = LARGE.download({ here: LARGE.layout.pieces(), storage });
  const uploader = open(download, [customer]);
  // What a fast line has taken allows for more at once.
  for (let nowMs = 1; nowMs < 100; nowMs++) {
    askMany(uploader, customer, 40, nowMs);
    customer.hear();
    uploader.pump(customer.peer, nowMs);
  }
  for (let i = 0; customer.hear().length > 0; i++) uploader.pump(customer.peer, 100 + i);
  const lengths: number[] = [];
  const read = storage.read.bind(storage);
  storage.read = (piece, begin, into) => {
    lengths.push(into.length / BLOCK_BYTES);
    read(piece, begin, into);
  };
  const asked = [[3, 0], [3, 1], [3, 2], [3, 4], [4, 5], [4, 4]] as const;
  // One waits before the others: what comes one by one is read one by one.
  customer.peer.received(0, 200);
  uploader.onRequest(customer.peer, 0, 0, BLOCK_BYTES);
  while (customer.peer.out.pending < SEND_LOW_WATER_BYTES) {
    uploader.onRequest(customer.peer, 0, 0, BLOCK_BYTES);
  }
  lengths.length = 0;
  for (const [piece, block] of asked) {
    uploader.onRequest(customer.peer, piece, block * BLOCK_BYTES, BLOCK_BYTES);
  }
  customer.hear();
  uploader.pump(customer.peer, 200);
  assert.deepEqual(lengths, [3, 1, 1, 1]);
  assert.deepEqual(
    customer.hear(),
    asked.map(([piece, block]) => [
      "piece",
      piece,
      block * BLOCK_BYTES,
      LARGE.block(LARGE.layout.piece(piece)!, block),
    ]),
  );
});

Deno.test("Uploader rejects a block that cannot be read any more, and goes on", () => {
  const storage = new MemoryStorage(TORRENT.layout);
  const customer = new Customer(1);
  const download = TORRENT.download({ here: [0], storage });
  download.here.add(1);
  const uploader = open(download, [customer]);
  uploader.onRequest(customer.peer, 1, 0, BLOCK_BYTES);
  uploader.onRequest(customer.peer, 0, 0, BLOCK_BYTES);
  assert.deepEqual(customer.hear().map(([name, piece]) => [name, piece]), [["reject", 1], ["piece", 0]]);
  assert.equal(uploader.rate.total, BLOCK_BYTES);
});

Deno.test("Uploader holds MAX_REQUESTS_HELD requests of a peer and rejects the next", () => {
  const customer = new Customer(1);
  const uploader = open(LARGE.download({ here: LARGE.layout.pieces() }), [customer]);
  // The first goes into the send buffer at once and fills it, as nothing is known of the line.
  askMany(uploader, customer, 1 + MAX_REQUESTS_HELD);
  uploader.onRequest(customer.peer, 11, 0, BLOCK_BYTES);
  const heard = customer.hear();
  assert.deepEqual(heard.map(([name]) => name), ["piece", "reject"]);
  assert.deepEqual(heard[1], ["reject", 11, 0, BLOCK_BYTES]);
});

Deno.test("Uploader.onCancel() takes a waiting request back, answered by a reject", () => {
  const [fast, plain] = [new Customer(1), new Customer(2, { fast: false })];
  const uploader = open(TORRENT.download({ here: [0, 1] }), [fast, plain]);
  for (const { peer } of [fast, plain]) {
    for (const [piece, begin] of [[0, 0], [0, BLOCK_BYTES], [1, 0]] as const) {
      uploader.onRequest(peer, piece, begin, BLOCK_BYTES);
    }
    uploader.onCancel(peer, 0, BLOCK_BYTES, BLOCK_BYTES);
    // Sent already, never asked for, asked for otherwise.
    uploader.onCancel(peer, 0, 0, BLOCK_BYTES);
    uploader.onCancel(peer, 1, BLOCK_BYTES, BLOCK_BYTES);
    uploader.onCancel(peer, 1, 0, 1);
  }
  const names = (customer: Customer) => customer.hear().map(([name, piece, begin]) => [name, piece, begin]);
  assert.deepEqual(names(fast), [["piece", 0, 0], ["reject", 0, BLOCK_BYTES]]);
  assert.deepEqual(names(plain), [["piece", 0, 0]]);
  for (const { peer } of [fast, plain]) uploader.pump(peer, 0);
  assert.deepEqual(names(fast), [["piece", 1, 0]]);
  assert.deepEqual(names(plain), [["piece", 1, 0]]);
});

Deno.test("Uploader rejects what waits when it chokes the peer, and sends nothing more", () => {
  const customer = new Customer(1);
  const uploader = open(TORRENT.download({ here: [0, 1] }), [customer]);
  for (const begin of [0, BLOCK_BYTES]) uploader.onRequest(customer.peer, 0, begin, BLOCK_BYTES);
  customer.peer.wanted = false;
  uploader.rechoke(10_000);
  uploader.pump(customer.peer, 10_000);
  assert.deepEqual(customer.hear().map(([name]) => name), ["piece", "choke", "reject"]);
});

Deno.test("Uploader gives a slot that becomes free soon, and takes none from whoever uses it between rounds", () => {
  for (const isSeed of [false, true]) {
    const slots = isSeed ? SEED_SLOTS : UPLOAD_SLOTS;
    const customers = Array.from({ length: slots + 1 }, (_, i) => new Customer(i + 1));
    const [late] = customers.splice(0, 1);
    const uploader = open(TORRENT.download({ here: isSeed ? [0, 1, 2, 3] : [0] }), customers);
    uploader.join(late!.peer);
    // The best of all, but nobody has to go for it before the round is over.
    late!.peer.requests.ask(0, 0, 0);
    late!.peer.requests.receive(0, 0, BLOCK_BYTES, 0);
    late!.peer.received(0, 1000);
    uploader.onInterest(late!.peer);
    uploader.rechoke(1000);
    assert.deepEqual([late!, ...customers].flatMap((customer) => customer.hear()), []);
    const idle = customers[3]!;
    idle.peer.wanted = false;
    uploader.onInterest(late!.peer);
    uploader.rechoke(1000);
    assert.deepEqual(late!.hear(), [["unchoke"]]);
    assert.deepEqual(idle.hear(), [["choke"]]);
    assert.deepEqual(customers.flatMap((customer) => customer.hear()), []);
  }
});

Deno.test("Uploader that fetches looks for the best no more than once a second, however they toggle their interest", () => {
  const customers = [1, 2].map((number) => new Customer(number));
  const uploader = open(TORRENT.download({ here: [0] }), [], { isServing: false });
  for (const { peer } of customers) uploader.join(peer);
  uploader.rechoke(0);
  let said = 0;
  for (let i = 1; i <= 1000; i++) {
    const { peer } = customers[0]!;
    peer.received(0, i * 5);
    peer.wanted = !peer.wanted;
    uploader.onInterest(peer);
    said += customers[0]!.hear().length;
  }
  assert.ok(said <= 6, `${said}`);
});

Deno.test("Uploader serves no more peers than it has slots, however they toggle their interest", () => {
  const customers = Array.from({ length: 4 * SEED_SLOTS }, (_, i) => new Customer(i + 1));
  const uploader = open(TORRENT.download({ here: [0, 1, 2, 3] }), [], { isServing: false });
  for (const { peer } of customers) uploader.join(peer);
  for (const { peer } of customers) {
    for (const wanted of [true, false]) {
      peer.wanted = wanted;
      uploader.onInterest(peer);
    }
  }
  for (const { peer } of customers) {
    peer.wanted = true;
    uploader.onInterest(peer);
    assert.ok(customers.filter(({ peer }) => !peer.choking).length <= SEED_SLOTS);
  }
});

Deno.test("Uploader serves those who gave most in the last twenty seconds", () => {
  const customers = Array.from({ length: 20 }, (_, i) => new Customer(i + 1));
  const uploader = open(LARGE.download({ here: [0] }), [], { isServing: false });
  for (const { peer } of customers) uploader.join(peer);
  uploader.rechoke(0);
  for (let second = 1; second <= 10; second++) {
    // The first seven gave only at the start; the last three give all the time, but little.
    for (const { peer } of customers) {
      const gives = peer.number <= 7 ? second === 1 : peer.number > 17;
      for (let i = 0; gives && i < (peer.number <= 7 ? 50 : 1); i++) {
        peer.requests.ask(0, i, second * 1000);
        peer.requests.receive(0, i, BLOCK_BYTES, second * 1000);
      }
    }
    uploader.rechoke(second * 1000);
  }
  const served = customers.filter(({ peer }) => !peer.choking).map(({ peer }) => peer.number);
  assert.deepEqual(served.filter((number) => number <= 7), [1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("Uploader spends at most SEND_LOW_WATER_BYTES and a block on a peer that stops reading", () => {
  const customer = new Customer(1);
  const uploader = open(LARGE.download({ here: LARGE.layout.pieces() }), [customer]);
  let nowMs = 0;
  let most = 0;
  // It takes all that comes, fast, and then nothing.
  for (let i = 0; i < 400; i++) {
    nowMs += 1;
    askMany(uploader, customer, 20, nowMs);
    if (i < 300) customer.hear();
    for (let j = 0; j < 20; j++) uploader.pump(customer.peer, nowMs);
    most = Math.max(most, customer.peer.out.pending);
  }
  assert.ok(most > SEND_LOW_WATER_BYTES / 2, `a fast peer gets much at once: ${most}`);
  // Rejects of what its full queue does not take are 17 bytes each.
  assert.ok(most <= SEND_LOW_WATER_BYTES + BLOCK_BYTES + 100 * 20 * 17, `${most}`);
});

Deno.test("Uploader puts no more before our own requests than a slow line takes in a quarter of a second, twice", () => {
  const customer = new Customer(1);
  const uploader = open(LARGE.download({ here: LARGE.layout.pieces() }), [customer]);
  const bytesPerMs = 200;
  let [mostMs, sentBytes, freeMs] = [0, 0, 0];
  for (let nowMs = 0; nowMs < 15_000; nowMs++) {
    if (nowMs % 1000 === 0) askMany(uploader, customer, 30, nowMs);
    if (nowMs >= freeMs) {
      uploader.pump(customer.peer, nowMs);
      freeMs = nowMs + customer.peer.out.pending / bytesPerMs;
      sentBytes += customer.hearBytes();
      uploader.pump(customer.peer, nowMs);
    }
    // What is said now is heard once all before it is.
    const waitMs = freeMs - nowMs + customer.peer.out.pending / bytesPerMs;
    if (nowMs > 4000) mostMs = Math.max(mostMs, waitMs);
  }
  assert.ok(sentBytes > 14_000 * bytesPerMs, `the line is used: ${sentBytes}`);
  assert.ok(mostMs < 2 * (250 + BLOCK_BYTES / bytesPerMs) * 1.1, `${mostMs} ms`);
});

Deno.test("Uploader shares a limit out evenly, whoever asks first and most", () => {
  const customers = [1, 2, 3, 4].map((number) => new Customer(number));
  const rate = 500_000;
  const limit = new TokenBucket(rate, 0);
  const uploader = open(LARGE.download({ here: LARGE.layout.pieces() }), customers, { limit });
  const got = [0, 0, 0, 0];
  for (let nowMs = 0; nowMs < 20_000; nowMs += 20) {
    for (const [i, customer] of customers.entries()) {
      // The first asks in every moment, the last seldom: but all of them always wait for something.
      if (i === 0 || nowMs % 1000 === 0) askMany(uploader, customer, i === 0 ? 5 : 60, nowMs);
      got[i]! += customer.hearBytes();
      uploader.pump(customer.peer, nowMs);
    }
    uploader.pumpAll(nowMs);
  }
  const sum = got.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum / (20 * rate) - 1) < 0.05, `${sum}`);
  for (const bytes of got) assert.ok(Math.abs(bytes / (sum / 4) - 1) < 0.1, `${got}`);
});

Deno.test("Uploader forgets a peer that is gone", () => {
  const customer = new Customer(1);
  const uploader = open(TORRENT.download({ here: [0] }), [customer]);
  for (const begin of [0, BLOCK_BYTES]) uploader.onRequest(customer.peer, 0, begin, BLOCK_BYTES);
  uploader.leave(customer.peer);
  customer.hear();
  uploader.pump(customer.peer, 0);
  uploader.onCancel(customer.peer, 0, BLOCK_BYTES, BLOCK_BYTES);
  uploader.rechoke(20_000);
  assert.deepEqual(customer.hear(), []);
});

Deno.test("Uploader that seeds gives the slot of one who has it all, or is gone, to the next at once", () => {
  const customers = Array.from({ length: SEED_SLOTS + 3 }, (_, i) => new Customer(i + 1));
  const uploader = open(TORRENT.download({ here: [0, 1, 2, 3] }), [], { isServing: false });
  for (const { peer } of customers) uploader.join(peer);
  uploader.rechoke(0);
  const [done, gone, ...others] = customers as [Customer, Customer, ...Customer[]];
  const waiting = customers.slice(SEED_SLOTS);
  for (const customer of customers) customer.hear();
  done.peer.wanted = false;
  uploader.onInterest(done.peer);
  assert.deepEqual(done.hear(), [["choke"]]);
  assert.deepEqual(waiting.map((customer) => customer.hear()), [[["unchoke"]], [], []]);
  uploader.leave(gone.peer);
  assert.deepEqual(waiting.map((customer) => customer.hear()), [[], [["unchoke"]], []]);
  done.peer.wanted = true;
  uploader.onInterest(done.peer);
  uploader.leave(waiting[0]!.peer);
  assert.deepEqual(waiting[2]!.hear(), [["unchoke"]], "before one who had a turn");
  assert.deepEqual([done, gone, ...others].flatMap((customer) => customer.hear()), []);
});

Deno.test("Uploader that seeds lets one who wants nothing keep its slot while nobody waits for it", () => {
  const customers = Array.from({ length: SEED_SLOTS }, (_, i) => new Customer(i + 1));
  const uploader = open(TORRENT.download({ here: [0, 1, 2, 3] }), customers);
  const [idle] = customers;
  idle!.peer.wanted = false;
  uploader.onInterest(idle!.peer);
  uploader.leave(customers[1]!.peer);
  assert.deepEqual(customers.flatMap((customer) => customer.hear()), []);
});

Deno.test("Uploader that fetches gives the slot of one that is gone to another within a tick", () => {
  const customers = Array.from({ length: UPLOAD_SLOTS + 1 }, (_, i) => new Customer(i + 1));
  const late = customers.pop()!;
  const uploader = open(TORRENT.download({ here: [0] }), customers);
  uploader.join(late.peer);
  uploader.leave(customers[2]!.peer);
  uploader.rechoke(500);
  assert.deepEqual(late.hear(), [["unchoke"]]);
});

Deno.test("Uploader that seeds suggests other pieces to each, before it lets them ask", () => {
  const customers = [1, 2, 3].map((number) => new Customer(number));
  const uploader = open(LARGE.download({ here: LARGE.layout.pieces() }), customers);
  const first = customers.map(({ suggested }) => suggested.splice(0));
  assert.deepEqual(first.map((pieces) => pieces.length), [1, 1, 1]);
  const [one] = customers;
  const [mine] = first[0]!;
  for (const begin of [0, BLOCK_BYTES]) uploader.onRequest(one!.peer, mine!, begin, BLOCK_BYTES);
  one!.hear();
  assert.equal(one!.suggested.length, 1, "one more when it begins the first");
  const all = [...first.flat(), ...one!.suggested];
  assert.equal(new Set(all).size, 4, "none twice");
});

Deno.test("Uploader suggests nothing to one alone, without the fast extension, or while it fetches", () => {
  const pieces = [...LARGE.layout.pieces()];
  for (
    const [here, count, fast] of [[pieces, 1, true], [pieces, 2, false], [pieces.slice(1), 2, true]] as const
  ) {
    const customers = Array.from({ length: count }, (_, i) => new Customer(i + 1, { fast }));
    open(LARGE.download({ here }), customers);
    assert.deepEqual(customers.flatMap(({ suggested }) => suggested), []);
  }
});

Deno.test("Uploader that seeds lets a peer have the rest of its piece, and then gives its slot to the next", () => {
  const customers = Array.from({ length: SEED_SLOTS + 1 }, (_, i) => new Customer(i + 1));
  const uploader = open(LARGE.download({ here: LARGE.layout.pieces() }), [], { isServing: false });
  for (const { peer } of customers) uploader.join(peer);
  uploader.rechoke(0);
  const [first] = customers;
  const next = customers.at(-1)!;
  const ask = (from: number, to: number, nowMs: number) => {
    first!.peer.received(0, nowMs);
    for (let block = from; block < to; block++) {
      uploader.onRequest(first!.peer, 5, block * BLOCK_BYTES, BLOCK_BYTES);
      uploader.pump(first!.peer, nowMs);
      first!.hear();
    }
  };
  ask(0, 40, 5000);
  uploader.rechoke(10_000);
  assert.equal(first!.peer.choking, false, "within its piece");
  assert.equal(next.peer.choking, false, "the others' turns are over");
  const waiting = customers.find(({ peer }) => peer.choking)!;
  ask(40, 63, 12_000);
  uploader.rechoke(12_500);
  assert.equal(first!.peer.choking, false);
  ask(63, 64, 13_000);
  uploader.rechoke(13_500);
  assert.equal(first!.peer.choking, true, "its piece is whole");
  assert.equal(waiting.peer.choking, false);
  assert.equal(customers.filter(({ peer }) => !peer.choking).length, SEED_SLOTS);
});

Deno.test("Uploader that seeds keeps no slot for the rest of a piece that nobody asked for since the last round", () => {
  const customers = Array.from({ length: 2 * SEED_SLOTS }, (_, i) => new Customer(i + 1));
  const uploader = open(LARGE.download({ here: LARGE.layout.pieces() }), [], { isServing: false });
  for (const { peer } of customers) uploader.join(peer);
  uploader.rechoke(0);
  const [silent, asking] = customers as [Customer, Customer];
  const ask = (customer: Customer, block: number, nowMs: number) => {
    customer.peer.received(0, nowMs);
    uploader.onRequest(customer.peer, 5, block * BLOCK_BYTES, BLOCK_BYTES);
    uploader.pump(customer.peer, nowMs);
    customer.hear();
  };
  for (const customer of [silent, asking]) ask(customer, 0, 5000);
  uploader.rechoke(10_000);
  assert.deepEqual([silent.peer.choking, asking.peer.choking], [false, false], "within their pieces");
  ask(asking, 1, 15_000);
  uploader.rechoke(20_000);
  assert.deepEqual([silent.peer.choking, asking.peer.choking], [true, false]);
});
