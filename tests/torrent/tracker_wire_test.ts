// Queries, packets and replies as the BEPs write them, byte by byte, and what a hostile tracker may send instead.

import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes, parseHex, toHex, utf8 } from "../../lib/bytes.ts";
import { WireFault } from "../../lib/errors.ts";
import {
  type AnnounceReply,
  type AnnounceRequest,
  announceUrl,
  encodeUdpAnnounce,
  encodeUdpConnect,
  parseHttpReply,
  parseUdpReply,
} from "../../lib/torrent/tracker_wire.ts";

/** The hash that the old BitTorrent specification uses to show escaping. */
const INFO_HASH = parseHex("123456789abcdef123456789abcdef123456789a")!;

const REQUEST: AnnounceRequest = {
  infoHash: INFO_HASH,
  peerId: utf8("-NS0100-0123456789ab"),
  port: 6881,
  key: 0xbeef,
  downloaded: 5,
  uploaded: 7,
  left: 16_384,
  event: "started",
  peersWanted: 200,
  trackerId: undefined,
};

const reply = (text: string) => parseHttpReply(utf8(text));
const peersOf = (answer: ReturnType<typeof parseHttpReply>) => (answer as AnnounceReply).peers;

Deno.test("announceUrl() escapes raw bytes and has libtorrent's parameters in its order", () => {
  assert.equal(
    announceUrl("http://t.example:8000/announce", REQUEST),
    "http://t.example:8000/announce?info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A" +
      "&peer_id=-NS0100-0123456789ab&port=6881&uploaded=7&downloaded=5&left=16384&key=0000BEEF&event=started" +
      "&numwant=200&compact=1&no_peer_id=1",
  );
});

Deno.test("announceUrl() keeps the tracker's query, hides its user and fragment, and leaves out an absent event", () => {
  const trackerId = Uint8Array.of(0x26, 0x00, 0x61);
  const url = announceUrl("https://me:secret@t.example/a?passkey=1#part", {
    ...REQUEST,
    event: "none",
    trackerId,
  });
  assert.match(url, /^https:\/\/t\.example\/a\?passkey=1&info_hash=/);
  assert.match(url, /&key=0000BEEF&numwant=200&compact=1&no_peer_id=1&trackerid=%26%00a$/);
});

Deno.test("parseHttpReply() reads a compact reply with all its fields", () => {
  const body = concatBytes(
    utf8("d8:completei9e11:external ip4:"),
    Uint8Array.of(198, 51, 100, 7),
    utf8("10:incompletei3e8:intervali1800e12:min intervali60e5:peers12:"),
    Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1, 192, 0, 2, 2, 0, 80),
    utf8("6:peers618:"),
    parseHex("20010db8000000000000000000000005" + "1ae1")!,
    utf8("10:tracker id3:abc15:warning message4:slowe"),
  );
  assert.deepEqual(parseHttpReply(body), {
    kind: "reply",
    intervalSeconds: 1800,
    minIntervalSeconds: 60,
    trackerId: utf8("abc"),
    warning: "slow",
    externalIp: "198.51.100.7",
    peers: [
      { host: "192.0.2.1", port: 6881 },
      { host: "192.0.2.2", port: 80 },
      { host: "2001:db8::5", port: 6881 },
    ],
  });
});

Deno.test("parseHttpReply() reads BEP 3's list of dictionaries, of addresses only", () => {
  const one = (ip: string, port: string) => `d2:ip${ip.length}:${ip}4:port${port}e`;
  const list = [
    one("192.0.2.1", "i6881e"),
    one("2001:DB8:0::5", "i1e"),
    one("::ffff:192.0.2.9", "i2e"),
    one("peer.example", "i3e"),
    one("192.0.2.1", "i0e"),
    one("192.0.2.1", "i65536e"),
    one("192.0.2.1", "i-1e"),
    one("192.0.2.1", "2:80"),
    one(":".repeat(45), "i4e"),
    "i5e",
    "4:abcd",
    "de",
    "le",
  ];
  assert.deepEqual(peersOf(reply(`d5:peersl${list.join("")}ee`)), [
    { host: "192.0.2.1", port: 6881 },
    { host: "2001:db8::5", port: 1 },
    { host: "192.0.2.9", port: 2 },
  ]);
});

Deno.test("parseHttpReply() takes a refusal whatever else is there, its text fit for one line of a log", () => {
  assert.deepEqual(reply("d14:failure reason12:unregistered5:peers0:e"), {
    kind: "refused",
    why: "unregistered",
  });
  const nasty = "\x1b[2Jgo\r\naway\u202e" + "x".repeat(1000);
  const body = concatBytes(utf8(`d14:failure reason${utf8(nasty).length}:`), utf8(nasty), utf8("e"));
  const answer = parseHttpReply(body);
  assert.ok(answer.kind === "refused");
  assert.match(answer.why, /^\[2Jgo away x+$/);
  assert.equal(answer.why.length, 200);
  assert.equal(
    parseHttpReply(concatBytes(utf8("d14:failure reason2:"), Uint8Array.of(0xff, 0xfe), utf8("e"))).kind,
    "refused",
  );
});

Deno.test("parseHttpReply() takes what libtorrent takes: unsorted keys, leading zeros, bytes after the end", () => {
  assert.deepEqual(reply("d5:peers0:8:intervali0060ee\r\n"), {
    kind: "reply",
    intervalSeconds: 60,
    minIntervalSeconds: undefined,
    trackerId: undefined,
    warning: undefined,
    externalIp: undefined,
    peers: [],
  });
});

Deno.test("parseHttpReply() takes 500 peers of a reply and no more, and no half peer", () => {
  const peers = new Uint8Array(6 * 100_000 + 5).fill(9);
  const body = concatBytes(utf8(`d5:peers${peers.length}:`), peers, utf8("e"));
  assert.equal(peersOf(parseHttpReply(body)).length, 500);
  assert.equal(peersOf(reply("d5:peers11:abcdefabcdee")).length, 1);
  const listed = `d5:peersl${"d2:ip7:1.2.3.44:porti5ee".repeat(2000)}ee`;
  assert.equal(peersOf(reply(listed)).length, 500);
});

Deno.test("parseHttpReply() refuses what is no dictionary, too deep, or too many values", () => {
  const bad = ["", "<html>", "le", "i1e", "d8:interval", `d1:x${"l".repeat(50)}${"e".repeat(50)}e`];
  for (const text of [...bad, `d5:peersl${"le".repeat(30_000)}ee`]) {
    assert.throws(() => reply(text), WireFault, text.slice(0, 20));
  }
});

Deno.test("parseHttpReply() drops a tracker id that is too long to send back, and fields of another type", () => {
  const answer = reply(`d8:interval3:abc12:min intervall1:xe10:tracker id300:${"x".repeat(300)}e`);
  assert.ok(answer.kind === "reply");
  assert.deepEqual([answer.intervalSeconds, answer.minIntervalSeconds, answer.trackerId], [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("encodeUdpConnect() is BEP 15's: the protocol's number, action 0, the transaction id", () => {
  assert.equal(toHex(encodeUdpConnect(0xdeadbeef)), "0000041727101980" + "00000000" + "deadbeef");
});

Deno.test("encodeUdpAnnounce() is BEP 15's 98 bytes, every field in its place", () => {
  const packet = { connectionId: parseHex("0102030405060708")!, transactionId: 0xdeadbeef, urlData: "" };
  assert.equal(
    toHex(encodeUdpAnnounce({ ...packet, request: { ...REQUEST, left: 2 ** 40 + 1 } })),
    "0102030405060708" + // connection_id
      "00000001" + // action: announce
      "deadbeef" + // transaction_id
      toHex(INFO_HASH) +
      toHex(REQUEST.peerId) +
      "0000000000000005" + // downloaded
      "0000010000000001" + // left
      "0000000000000007" + // uploaded
      "00000002" + // event: started
      "00000000" + // ip
      "0000beef" + // key
      "000000c8" + // num_want
      "1ae1", // port
  );
  const events = (["none", "completed", "started", "stopped"] as const).map((event) =>
    encodeUdpAnnounce({ ...packet, request: { ...REQUEST, event } })[83]
  );
  assert.deepEqual(events, [0, 1, 2, 3]);
});

Deno.test("encodeUdpAnnounce() carries path and query as BEP 41 has it, long ones in parts of 255", () => {
  const packet = { connectionId: new Uint8Array(8), transactionId: 1, request: REQUEST };
  const tail = (urlData: string) => encodeUdpAnnounce({ ...packet, urlData }).subarray(98);
  // BEP 41's own example is udp://tracker.example.com:80/dir?a=b&c=d.
  assert.deepEqual(tail("/dir?a=b&c=d"), concatBytes(Uint8Array.of(0x2, 0xc), utf8("/dir?a=b&c=d")));
  const long = tail(`/${"x".repeat(299)}`);
  assert.deepEqual([long.length, long[0], long[1], long[257], long[258]], [304, 2, 255, 2, 45]);
});

Deno.test("parseUdpReply() reads BEP 15's answers, over IPv4 and IPv6", () => {
  assert.deepEqual(parseUdpReply(parseHex("00000000" + "0000002a" + "0102030405060708" + "ff")!, 4), {
    action: "connect",
    transactionId: 42,
    connectionId: parseHex("0102030405060708"),
  });
  const head = "00000001" + "0000002a" + "00000708" + "00000001" + "00000002";
  const four = parseUdpReply(parseHex(head + "c0000201" + "1ae1" + "c0000202" + "0000" + "c0")!, 4);
  const six = parseUdpReply(parseHex(head + "20010db8000000000000000000000005" + "1ae1")!, 16);
  assert.ok(four.action === "announce" && six.action === "announce");
  assert.deepEqual(four.answer, {
    kind: "reply",
    intervalSeconds: 1800,
    minIntervalSeconds: undefined,
    trackerId: undefined,
    warning: undefined,
    externalIp: undefined,
    peers: [{ host: "192.0.2.1", port: 6881 }],
  });
  assert.deepEqual(peersOf(six.answer), [{ host: "2001:db8::5", port: 6881 }]);
  assert.deepEqual(parseUdpReply(concatBytes(parseHex("00000003" + "ffffffff")!, utf8("no\n")), 4), {
    action: "error",
    transactionId: 0xffffffff,
    answer: { kind: "refused", why: "no" },
  });
});

Deno.test("parseUdpReply() refuses what is cut off or of an unknown kind", () => {
  const bad = [
    "",
    "000000",
    "00000001",
    "00000000" + "0000002a" + "01020304050607",
    "00000001" + "0000002a" + "00000708" + "00000001" + "000000",
    "00000002" + "0000002a" + "00".repeat(12),
  ];
  for (const hex of bad) assert.throws(() => parseUdpReply(parseHex(hex)!, 4), WireFault, hex);
});

Deno.test("parseHttpReply() and parseUdpReply() find fault with nothing but a WireFault in any bytes", () => {
  const check = (parse: () => unknown) => {
    try {
      parse();
    } catch (error) {
      assert.ok(error instanceof WireFault, String(error));
    }
  };
  const valid = utf8("d8:intervali1800e5:peersld2:ip7:1.2.3.44:porti5eee6:peers60:10:tracker id2:xye");
  fc.assert(
    fc.property(
      fc.nat(valid.length - 1),
      fc.nat(255),
      fc.uint8Array({ maxLength: 64 }),
      (at, byte, noise) => {
        const changed = valid.slice();
        changed[at] = byte;
        check(() => parseHttpReply(changed));
        check(() => parseHttpReply(noise));
        check(() => parseUdpReply(noise, 16));
      },
    ),
    { seed: 3, numRuns: 2000 },
  );
});
