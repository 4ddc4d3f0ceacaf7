import assert from "node:assert/strict";
import { isWorthAsking } from "../lib/address.ts";

const asked = (host: string, by: string, port = 6881) =>
  isWorthAsking({ host, port }, { host: by, port: 6881 });

Deno.test("isWorthAsking() believes a stranger who names a public address", () => {
  for (const host of ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::7", "3fff::1"]) {
    assert.ok(asked(host, "9.9.9.9"), host);
    assert.ok(!asked(host, "9.9.9.9", 0) && !asked(host, "9.9.9.9", 65536), host);
  }
});

Deno.test("isWorthAsking() believes only a neighbour who names a local address, of either family", () => {
  for (const host of ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.9", "100.64.0.1", "::1", "fd00::7"]) {
    assert.ok(!asked(host, "9.9.9.9") && !asked(host, "2001:db8::1"), host);
    assert.ok(asked(host, "10.0.0.1") && asked(host, "::1") && asked(host, "fc12::1"), host);
  }
});

Deno.test("isWorthAsking() never goes where nobody is", () => {
  const nowhere = [
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "256.1.1.1",
    "::",
    "fe80::1",
    "ff02::1",
    "64:ff9b::1",
  ];
  for (const host of [...nowhere, "example.org", ""]) assert.ok(!asked(host, "127.0.0.1"), host);
});
