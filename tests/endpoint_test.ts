import assert from "node:assert/strict";
import { formatEndpoint, isLoopback, parseEndpoint } from "../lib/endpoint.ts";

Deno.test("parseEndpoint() reads names and addresses, formatEndpoint() writes them", () => {
  for (
    const [text, host, port] of [
      ["127.0.0.1:6881", "127.0.0.1", 6881],
      ["bandwidth-martyr.openrai.org:6881", "bandwidth-martyr.openrai.org", 6881],
      ["[::1]:1", "::1", 1],
      ["[2001:db8::7]:65535", "2001:db8::7", 65535],
    ] as const
  ) {
    assert.deepEqual(parseEndpoint(text), { host, port });
    assert.equal(formatEndpoint({ host, port }), text);
  }
  assert.deepEqual(parseEndpoint(" Host_A:080 "), { host: "host_a", port: 80 });
  assert.deepEqual(parseEndpoint("[2001:DB8:0::0:07]:1"), { host: "2001:db8::7", port: 1 });
});

Deno.test("parseEndpoint() gives nothing for what is none", () => {
  const none = [
    "",
    "host",
    "host:",
    ":80",
    "host:0",
    "host:65536",
    "host:-1",
    "host:8o",
    "host:123456",
    "::1:80",
  ];
  const strange = [
    "[::1]",
    "[::g]:1",
    "[1.2.3.4]:1",
    "[]:1",
    "a b:1",
    "a/b:1",
    "a@b:1",
    "a\n:1",
    `${"a".repeat(254)}:1`,
  ];
  for (const text of [...none, ...strange]) assert.equal(parseEndpoint(text), undefined, text);
});

Deno.test("isLoopback() knows this machine under its names, as sockets and URLs write them", () => {
  const ours = [
    "127.0.0.1",
    "127.255.0.3",
    "::1",
    "[::1]",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "0.0.0.0",
    "::",
  ];
  const byUrl = ["127.1", "2130706433", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"].map((host) =>
    new URL(`http://${host}/`).hostname
  );
  for (const host of [...ours, ...byUrl]) assert.ok(isLoopback(host), host);
  const others = [
    "128.0.0.1",
    "127.example",
    "localhost.example",
    "1.127.0.0",
    "::2",
    "2001:db8::1",
    "::ffff:c000:201",
  ];
  for (const host of others) assert.ok(!isLoopback(host), host);
});
