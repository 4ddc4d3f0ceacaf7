import assert from "node:assert/strict";
import fc from "fast-check";
import { parseHex, utf8 } from "../../lib/bytes.ts";
import { EXIT, UsageError } from "../../lib/errors.ts";
import { formatMagnet, type Magnet, parseInfoHash, parseMagnet } from "../../lib/torrent/magnet.ts";

const V1 = "cfde253c21b76c6be878fce02d25cf7ea36adc21";
const V2 = "c5c6512842a495026ce6362f14d801002a226d45f78e80befce874ad04d0722e";
const KEY = "cdbc9284015e84c225f0e67b891606505a60cf1218b127ac1c1edb6444567e6b";
const NOTHING: Magnet = {
  infoHashV1: undefined,
  infoHashV2: undefined,
  publicKey: undefined,
  salt: undefined,
  name: undefined,
  trackers: [],
  webSeeds: [],
  peers: [],
};
const [v1, v2, publicKey] = [parseHex(V1)!, parseHex(V2)!, parseHex(KEY)!];
const daily = utf8("daily");

/** Each is written exactly so by formatMagnet(). */
const KINDS: readonly (readonly [string, Partial<Magnet>])[] = [
  [`magnet:?xt=urn:btih:${V1}`, { infoHashV1: v1 }],
  [`magnet:?xt=urn:btmh:1220${V2}`, { infoHashV2: v2 }],
  [`magnet:?xt=urn:btih:${V1}&xt=urn:btmh:1220${V2}`, { infoHashV1: v1, infoHashV2: v2 }],
  [`magnet:?xs=urn:btpk:${KEY}`, { publicKey }],
  [`magnet:?xs=urn:btpk:${KEY}&s=6461696c79`, { publicKey, salt: daily }],
  // The stream's public magnet, but for the colon of its peer.
  [
    `magnet:?xt=urn:btih:${V1}&xt=urn:btmh:1220${V2}&dn=nano-ledger-snapshot.7z` +
    "&tr=udp%3A%2F%2Ftracker.opentrackr.org%3A1337%2Fannounce&tr=udp%3A%2F%2Ftracker.torrent.eu.org%3A451%2Fannounce" +
    "&x.pe=bandwidth-martyr.openrai.org:6881",
    {
      infoHashV1: v1,
      infoHashV2: v2,
      name: "nano-ledger-snapshot.7z",
      trackers: ["udp://tracker.opentrackr.org:1337/announce", "udp://tracker.torrent.eu.org:451/announce"],
      peers: [{ host: "bandwidth-martyr.openrai.org", port: 6881 }],
    },
  ],
  [
    `magnet:?xt=urn:btmh:1220${V2}&dn=a%20%26%20%2B%27%C3%A4&ws=https%3A%2F%2Fs.example%2Fx%2F&x.pe=[::1]:7`,
    {
      infoHashV2: v2,
      name: "a & +'ä",
      webSeeds: ["https://s.example/x/"],
      peers: [{ host: "::1", port: 7 }],
    },
  ],
];

Deno.test("parseMagnet() reads every kind, formatMagnet() writes it", () => {
  for (const [text, parts] of KINDS) {
    assert.deepEqual(parseMagnet(text), { ...NOTHING, ...parts }, text);
    assert.equal(formatMagnet(parts), text);
    assert.equal(formatMagnet(parseMagnet(text)), text);
  }
});

/** Other ways to say the same; the last argument is what they all mean. */
const ALSO: readonly (readonly [string, Partial<Magnet>])[] = [
  [`  MAGNET:?XT=URN:BTIH:${V1.toUpperCase()}\n`, { infoHashV1: v1 }],
  ["magnet:?xt=urn:btih:z7pckpbbw5wgx2dy7tqc2jopp2rwvxbb", { infoHashV1: v1 }],
  ["magnet:?xt=urn:btih:Z7PCKPBBW5WGX2DY7TQC2JOPP2RWVXBB", { infoHashV1: v1 }],
  [`magnet:?xt.1=urn:btih:${V1}&xt.2=urn:btmh:1220${V2}`, { infoHashV1: v1, infoHashV2: v2 }],
  [`magnet:?xt=urn%3abtmh%3A1220${V2.toUpperCase()}`, { infoHashV2: v2 }],
  [`magnet:?xt=urn:btmh:${V2}`, { infoHashV2: v2 }],
  [`magnet:?xt=urn:btih:${V1}&xt=urn:btih:${V1.toUpperCase()}`, { infoHashV1: v1 }],
  [`magnet:?xt=urn:sha1:ABC&xt=urn:btih:${V1}&kt=x&so=0-2&xl=5&dht=h:1&nonsense&=`, { infoHashV1: v1 }],
  [`magnet:?dn=a+b%2Bc&xt=urn:btih:${V1}`, { infoHashV1: v1, name: "a b+c" }],
  [`magnet:?xs=urn:btpk:${KEY.toUpperCase()}&s=6461696C79`, { publicKey, salt: daily }],
  [`magnet:?xs=http://x.example/&xs=urn:btpk:${KEY}&s=`, { publicKey }],
  [`magnet:?xt=urn:btih:${V1}&s=zz`, { infoHashV1: v1 }],
  [
    `magnet:?xt=urn:btih:${V1}&x.pe=bandwidth-martyr.openrai.org%3A6881&x.pe=%5B%3A%3A1%5D%3A7`,
    {
      infoHashV1: v1,
      peers: [{ host: "bandwidth-martyr.openrai.org", port: 6881 }, { host: "::1", port: 7 }],
    },
  ],
  // The first magnets of the stream: no 1220, and DHT routers as trackers.
  [
    `magnet:?xt=urn:btmh:${V2}&dn=nano-ledger-snapshot.7z&tr=udp%3A//router.bittorrent.com%3A6881` +
    "&tr=udp%3A//router.utorrent.com%3A6881&tr=udp://dht.transmissionbt.com:6881",
    { infoHashV2: v2, name: "nano-ledger-snapshot.7z" },
  ],
  // Hints that cannot be used are left out.
  [
    `magnet:?xt=urn:btih:${V1}&tr=x&tr=%zz&tr.1=http://t.example/&tr.2=http://t.example/&ws=ftp://f.example/` +
    "&x.pe=nohost&x.pe=h:0&x.pe=1.2.3.4:5&dn=%ff",
    { infoHashV1: v1, trackers: ["http://t.example/"], peers: [{ host: "1.2.3.4", port: 5 }] },
  ],
];

Deno.test("parseMagnet() is generous with spelling and with hints", () => {
  for (const [text, parts] of ALSO) assert.deepEqual(parseMagnet(text), { ...NOTHING, ...parts }, text);
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["", /"" does not begin with magnet:\?/],
  ["http://example.com/x.torrent", /does not begin with magnet:\?/],
  ["magnet:?", /has no xt=urn:btih, xt=urn:btmh or xs=urn:btpk/],
  ["magnet:?dn=x&tr=http://t.example/", /has no xt/],
  ["magnet:?xt=urn:sha1:PDAQRAOQQRYS76MRZJ33LK4MMVZBDSCL", /has no xt/],
  [`magnet:?xt=urn:btih:${V1}0`, /"urn:btih:[0-9a-f]{41}" is malformed/],
  [`magnet:?xt=urn:btih:${V2}`, /is malformed/],
  ["magnet:?xt=urn:btih:Z7PCKPBBW5WGX2DY7TQC2JOPP2RWVXB1", /is malformed/],
  ["magnet:?xt=urn:btih:", /"urn:btih:" is malformed/],
  [`magnet:?xt=urn:btmh:1114${V1}`, /is malformed/],
  [`magnet:?xt=urn:btmh:1220${V1}`, /is malformed/],
  [`magnet:?xt=urn:btmh:1220${V2}00`, /is malformed/],
  [`magnet:?xt=urn:btih:${V1}&xt.2=urn:btih:${"0".repeat(40)}`, /two different urn:btih: values/],
  [`magnet:?xt=urn:btih:%zz`, /"xt=urn:btih:%zz" is not percent-encoded UTF-8/],
  [`magnet:?xs=urn:btpk:${V1}`, /is malformed/],
  [`magnet:?xs=urn:btpk:${KEY}&s=abc`, /salt "abc" is not hex of at most 64 bytes/],
  [`magnet:?xs=urn:btpk:${KEY}&s=${"00".repeat(65)}`, /is not hex of at most 64 bytes/],
  [`magnet:?xt=urn:btih:${V1}&dn=${"a".repeat(70_000)}`, /characters, more than 65536/],
  ["magnet:?xt=urn:btih:%1B[2J%0A", /"urn:btih:\?\[2J\?" is malformed/],
];

Deno.test("parseMagnet() refuses what names no torrent, or two, in one clear line", () => {
  for (const [text, why] of REFUSED) {
    assert.throws(() => parseMagnet(text), (error) => {
      assert(error instanceof UsageError, String(error));
      assert.equal(error.exitCode, EXIT.usage);
      assert.match(error.message, why);
      assert.match(error.message, /^Cannot use the magnet: \P{Cc}{1,200}$/u);
      return true;
    }, text);
  }
});

Deno.test("parseMagnet() takes so many hints and no more", () => {
  const hints = Array.from(
    { length: 300 },
    (_, i) => `&tr=http://t${i}.example/&ws=http://w${i}.example/&x.pe=p${i}:1`,
  );
  const magnet = parseMagnet(`magnet:?xt=urn:btih:${V1}&dn=${"n".repeat(999)}${hints.join("")}`);
  assert.deepEqual([magnet.trackers.length, magnet.webSeeds.length, magnet.peers.length], [100, 100, 100]);
  assert.equal(magnet.name!.length, 255);
});

Deno.test("parseMagnet() reads or refuses any text", () => {
  const piece = fc.constantFrom(
    "&",
    "=",
    "xt",
    "urn:btih:",
    V1,
    "1220",
    V2,
    "%",
    "%4",
    "xs",
    "dn",
    "x.pe",
    ":",
    "[",
    "ä",
    "\ud800",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 4 })), { maxLength: 12 }), (pieces) => {
      try {
        parseMagnet(formatMagnet(parseMagnet("magnet:?" + pieces.join(""))));
      } catch (error) {
        assert(error instanceof UsageError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("formatMagnet() and parseMagnet() keep every name, salt and peer", () => {
  const magnets = fc.record({
    publicKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    salt: fc.uint8Array({ minLength: 1, maxLength: 64 }),
    name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed()),
    peers: fc.array(fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65535 })), { maxLength: 5 })
      .map((pairs) => pairs.map(([host, port]) => ({ host, port }))),
  }, { noNullPrototype: true });
  fc.assert(fc.property(magnets, (magnet) => {
    assert.deepEqual(parseMagnet(formatMagnet(magnet)), { ...NOTHING, ...magnet });
  }));
});

Deno.test("parseInfoHash() reads both kinds", () => {
  const both = { infoHashV1: undefined, infoHashV2: undefined };
  assert.deepEqual(parseInfoHash(V1), { ...both, infoHashV1: v1 });
  for (const text of [V2, V2.toUpperCase(), `1220${V2}`, ` ${V2}\n`]) {
    assert.deepEqual(parseInfoHash(text), { ...both, infoHashV2: v2 });
  }
});

Deno.test("parseInfoHash() refuses what is neither", () => {
  for (const text of ["", "abc", V1.slice(1), `${V2}0`, `1114${V2}`, `g${V1.slice(1)}`, `0x${V1}`]) {
    assert.throws(() => parseInfoHash(text), (error) => {
      assert(error instanceof UsageError);
      assert.match(error.message, /^Cannot use the info-hash ".*": it is neither 40 nor 64 hex digits$/);
      return true;
    }, text);
  }
});
