import assert from "node:assert/strict";
import { decodeDict } from "../../lib/bencode.ts";
import { parseCompactPeers } from "../../lib/torrent/compact.ts";
import type { ExtensionHandshake } from "../../lib/torrent/extension.ts";
import type { PeerCore } from "../../lib/torrent/peer_core.ts";
import { PexSender } from "../../lib/torrent/pex.ts";

/** As much of a peer as PEX looks at. */
class Acquaintance {
  readonly sent: { id: number; added: string[]; flags: number[]; dropped: string[] }[] = [];
  isGreeted = true;
  isSeed = false;
  readonly endpoint: { host: string; port: number };
  theirs: Partial<ExtensionHandshake> | undefined;
  readonly out = {
    extended: (id: number, payload: Uint8Array) => {
      const dict = decodeDict(payload, { mode: "lenient" });
      const peersOf = (key: string) =>
        parseCompactPeers(dict.bytes(key)!, 4).map((peer) => `${peer!.host}:${peer!.port}`);
      const flags = [...dict.bytes("added.f")!];
      this.sent.push({ id, added: peersOf("added"), flags, dropped: peersOf("dropped") });
    },
  };

  constructor(readonly number: number, readonly source: "user" | "incoming" = "user", port?: number) {
    this.endpoint = { host: `10.1.${number >> 8}.${number & 255}`, port: 6000 };
    this.theirs = { ids: { ut_pex: 9 }, port };
  }

  get address(): string {
    return `${this.endpoint.host}:${this.endpoint.port}`;
  }
}

/** Ticks every second, both ends included. */
function tick(pex: PexSender, peers: readonly Acquaintance[], fromSecond: number, toSecond: number): void {
  for (let second = fromSecond; second <= toSecond; second++) {
    pex.tick(peers as unknown as PeerCore[], second * 1000);
  }
}

Deno.test("PexSender tells each peer of the others after ten seconds, never of itself", () => {
  const [a, b, c] = [new Acquaintance(1), new Acquaintance(2), new Acquaintance(3)];
  c.isSeed = true;
  const pex = new PexSender();
  tick(pex, [a, b, c], 0, 9);
  assert.deepEqual(a.sent, []);
  tick(pex, [a, b, c], 10, 40);
  assert.deepEqual(a.sent, [{ id: 9, added: [b.address, c.address], flags: [0x10, 0x12], dropped: [] }]);
  assert.deepEqual(c.sent[0]!.added, [a.address, b.address]);
});

Deno.test("PexSender tells once a minute, and only what changed", () => {
  const [a, b, c, d] = [1, 2, 3, 4].map((number) => new Acquaintance(number));
  const pex = new PexSender();
  tick(pex, [a!, b!, c!], 0, 30);
  tick(pex, [a!, c!, d!], 31, 69);
  assert.equal(a!.sent.length, 1, "not before a minute is over");
  tick(pex, [a!, c!, d!], 70, 200);
  assert.equal(a!.sent.length, 2);
  assert.deepEqual(a!.sent[1], { id: 9, added: [d!.address], flags: [0x10], dropped: [b!.address] });
  tick(pex, [a!, c!, d!, b!], 201, 202);
  assert.equal(a!.sent.length, 3, "after a quiet time it tells at once");
});

Deno.test("PexSender names a peer that came in by the port that it told, or not at all", () => {
  const [a, known, unknown] = [
    new Acquaintance(1),
    new Acquaintance(2, "incoming", 7777),
    new Acquaintance(3, "incoming"),
  ];
  const silent = new Acquaintance(4);
  silent.isGreeted = false;
  const pex = new PexSender();
  tick(pex, [a, known, unknown, silent], 0, 60);
  assert.deepEqual(a.sent, [{ id: 9, added: ["10.1.0.2:7777"], flags: [0], dropped: [] }]);
  assert.deepEqual(known.sent[0]!.added, [a.address], "it is not told of itself under the other port");
});

Deno.test("PexSender says nothing to peers that do not take PEX", () => {
  const [a, deaf, mute] = [new Acquaintance(1), new Acquaintance(2), new Acquaintance(3)];
  deaf.theirs = { ids: {} };
  mute.theirs = undefined;
  const pex = new PexSender();
  tick(pex, [a, deaf, mute], 0, 60);
  assert.deepEqual([deaf.sent, mute.sent], [[], []]);
  assert.deepEqual(a.sent[0]!.added, [deaf.address, mute.address]);
});

Deno.test("PexSender puts at most fifty peers of a kind into a message, and the rest into the next", () => {
  const a = new Acquaintance(1);
  const others = Array.from({ length: 120 }, (_, i) => new Acquaintance(i + 2));
  const pex = new PexSender();
  tick(pex, [a, ...others], 0, 130);
  assert.deepEqual(a.sent.map(({ added }) => added.length), [50, 50, 20]);
  assert.equal(new Set(a.sent.flatMap(({ added }) => added)).size, 120);
  tick(pex, [a], 131, 320);
  assert.deepEqual(a.sent.slice(3).map(({ dropped }) => dropped.length), [50, 50, 20]);
});

Deno.test("PexSender starts over with a peer that was gone", () => {
  const [a, b] = [new Acquaintance(1), new Acquaintance(2)];
  const pex = new PexSender();
  tick(pex, [a, b], 0, 10);
  pex.leave(a as unknown as PeerCore);
  tick(pex, [a, b], 11, 21);
  assert.deepEqual(a.sent.map(({ added }) => added), [[b.address], [b.address]]);
});
