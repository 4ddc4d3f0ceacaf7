import assert from "node:assert/strict";
import { endpointKey, formatIp, parseCompactPeers, parseIpv4 } from "../../lib/torrent/compact.ts";

Deno.test("parseCompactPeers() keeps a place for port 0 and leaves a cut-off entry out", () => {
  const bytes = Uint8Array.of(80, 4, 4, 200, 0x1a, 0xe1, 1, 2, 3, 4, 0, 0, 10, 0, 0, 1, 0xff, 0xff, 9, 9);
  assert.deepEqual(parseCompactPeers(bytes, 4), [
    { host: "80.4.4.200", port: 6881 },
    undefined,
    { host: "10.0.0.1", port: 65_535 },
  ]);
  assert.deepEqual(parseCompactPeers(new Uint8Array(0), 16), []);
  assert.deepEqual(parseCompactPeers(new Uint8Array(17).fill(1), 16), []);
});

/** Sixteen bytes of hex, and the text that sockets give for them (RFC 5952). */
const IPV6: readonly (readonly [string, string])[] = [
  ["20010db8000000000000000000000001", "2001:db8::1"],
  ["00000000000000000000000000000001", "::1"],
  ["00000000000000000000000000000000", "::"],
  ["20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"],
  ["20010db8000000000001000000000000", "2001:db8:0:0:1::"],
  ["fe80000000000000abcdefff0012000a", "fe80::abcd:efff:12:a"],
  ["00000000000000000000ffffc0000201", "192.0.2.1"],
];

Deno.test("formatIp() gives every address the form that sockets give it, so that a ban by text holds", () => {
  assert.equal(formatIp(Uint8Array.of(80, 4, 4, 200)), "80.4.4.200");
  for (const [hex, text] of IPV6) {
    assert.equal(formatIp(Uint8Array.from(hex.match(/../g)!, (pair) => Number.parseInt(pair, 16))), text);
  }
});

Deno.test("parseIpv4() reads dotted addresses and nothing else", () => {
  assert.deepEqual(parseIpv4("80.4.4.200"), Uint8Array.of(80, 4, 4, 200));
  for (
    const text of [
      "80.4.4",
      "80.4.4.256",
      "80.4.4.-1",
      "80.4.4.1.1",
      "a.b.c.d",
      "::1",
      "80.4.4.",
      "1e1.1.1.1",
    ]
  ) {
    assert.equal(parseIpv4(text), undefined, text);
  }
});

Deno.test("endpointKey() tells IPv6 from a port", () => {
  assert.equal(endpointKey({ host: "1.2.3.4", port: 5 }), "1.2.3.4:5");
  assert.equal(endpointKey({ host: "::1", port: 5 }), "[::1]:5");
});
