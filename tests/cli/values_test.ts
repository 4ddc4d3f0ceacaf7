import assert from "node:assert/strict";
import { UsageError } from "../../lib/errors.ts";
import {
  parseAddress,
  parseChoice,
  parseDurationMs,
  parseEndpoint,
  parseEndpoints,
  parseInfoHash,
  parseKey,
  parsePort,
} from "../../lib/cli/values.ts";

const given = (text: string) => ({ text, name: "--flag" });

function refuses(parse: (value: { text: string; name: string }) => unknown, ...texts: string[]): void {
  for (const text of texts) {
    assert.throws(() => parse(given(text)), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.ok(error.message.startsWith("--flag must be "), error.message);
      assert.ok(error.message.endsWith(`not "${text}"`), error.message);
      return true;
    });
  }
}

Deno.test("parsePort() takes 0 to 65535 and nothing else", () => {
  assert.equal(parsePort(given("0")), 0);
  assert.equal(parsePort(given("65535")), 65535);
  refuses(parsePort, "65536", "-1", "", "80a", "1e3", "0x50", " 80", "999999");
});

Deno.test("parseEndpoint() takes names, IPv4 and bracketed IPv6", () => {
  assert.deepEqual(parseEndpoint(given("192.0.2.7:6881")), { host: "192.0.2.7", port: 6881 });
  assert.deepEqual(parseEndpoint(given("[2001:db8::1]:1")), { host: "2001:db8::1", port: 1 });
  assert.deepEqual(parseEndpoint(given("bandwidth-martyr.openrai.org:6881")), {
    host: "bandwidth-martyr.openrai.org",
    port: 6881,
  });
  assert.deepEqual(parseEndpoint(given("nano_seed:65535")), { host: "nano_seed", port: 65535 });
});

Deno.test("parseEndpoint() refuses what lacks a port, a bracket, or is no host", () => {
  refuses(
    parseEndpoint,
    "host",
    "host:",
    ":1",
    "host:0",
    "host:65536",
    "2001:db8::1:6881",
    "[2001:db8::1]",
    "[host]:1",
    "[1.2.3.4]:1",
    "256.1.1.1:1",
    "1.2.3:1",
    "a b:1",
    "-x:1",
    "http://host:1",
    `${"a".repeat(64)}:1`,
  );
});

Deno.test("parseEndpoints() takes a list, empty places skipped, a bad one refused by its own words", () => {
  assert.deepEqual(parseEndpoints(given("a:1, [::1]:2,,")), [{ host: "a", port: 1 }, {
    host: "::1",
    port: 2,
  }]);
  assert.throws(() => parseEndpoints(given("a:1,b")), /not "b"$/);
});

Deno.test("parseAddress() takes bare addresses only", () => {
  assert.equal(parseAddress(given("0.0.0.0")), "0.0.0.0");
  assert.equal(parseAddress(given("::")), "::");
  refuses(parseAddress, "localhost", "[::]", "1.2.3", "01.2.3.4", "::g", "");
});

Deno.test("parseDurationMs() takes seconds and units", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["90", 90_000],
    ["0.5", 500],
    ["500ms", 500],
    ["90s", 90_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
  ];
  for (const [text, ms] of cases) assert.equal(parseDurationMs(given(text)), ms);
  refuses(parseDurationMs, "", "-1", "1w", "1 s", "s", "Infinity", "99999999999999999999");
});

Deno.test("parseKey() takes 64 hex digits of either case, colons skipped", () => {
  const hex = "cdbc9284015e84c225f0e67b891606505a60cf1218b127ac1c1edb6444567e6b";
  const key = parseKey(given(hex));
  assert.equal(key.length, 32);
  assert.deepEqual(parseKey(given(hex.toUpperCase().replaceAll(/(..)(?=.)/g, "$1:"))), key);
  refuses(parseKey, hex.slice(1), `${hex}00`, hex.replace("c", "g"), "");
});

Deno.test("parseInfoHash() takes 40 or 64 digits", () => {
  assert.equal(parseInfoHash(given("ab".repeat(20))).length, 20);
  assert.equal(parseInfoHash(given("AB".repeat(32))).length, 32);
  refuses(parseInfoHash, "ab".repeat(21), "", "zz".repeat(20));
});

Deno.test("parseChoice() takes a word whatever its case", () => {
  assert.equal(parseChoice(given("WARNING"), ["info", "warning"]), "warning");
  assert.throws(
    () => parseChoice(given("loud"), ["info", "warning"]),
    /^UsageError: --flag must be one of info, warning, not "loud"$/,
  );
});
