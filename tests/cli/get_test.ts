// What words and variables mean together: the request that `nano-snap get` hands over.

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { Command } from "commander";
import { EMBEDDED_AUTHORITY } from "../../lib/about.ts";
import { toHex } from "../../lib/bytes.ts";
import { addCommonOptions, addViewOptions, Inputs, readViewSettings } from "../../lib/cli/options.ts";
import { readGetOptions } from "../../lib/cli/get.ts";
import { UsageError } from "../../lib/errors.ts";

const KEY_A = "aa".repeat(32);
const KEY_B = "bb".repeat(32);

/** Words as commander splits them, without running anything. */
function inputs(words: string, env: Record<string, string> = {}): Inputs {
  const command = addViewOptions(addCommonOptions(new Command()))
    .option("--extract").option("--keep-archive").option("--low-disk").option("--force")
    .option("--magnet <x>").option("--torrent <x>").option("--info-hash <x>")
    .option("--discover-timeout <x>").option("--stall-timeout <x>").exitOverride();
  command.parse(words.split(" ").filter((word) => word !== ""), { from: "user" });
  return new Inputs(command.opts(), env);
}

const read = (words: string, env?: Record<string, string>) => readGetOptions(inputs(words, env));
const keyOf = (words: string, env?: Record<string, string>) => toHex(read(words, env).options.authorityKey);

Deno.test("readGetOptions() gives the documented defaults when nothing is said", () => {
  const { options, warnings } = read("");
  assert.deepEqual(options, {
    authorityKey: options.authorityKey,
    salt: new TextEncoder().encode("daily"),
    dataDir: resolve("nano-data"),
    port: 6881,
    bind: [],
    dht: { enabled: true, bootstrap: undefined },
    peers: [],
    trackers: [],
    useTrackers: true,
    maxPeers: 100,
    downLimit: undefined,
    upLimit: undefined,
    webSeeds: { enabled: true, named: [] },
    webSeedLimit: undefined,
    portMapping: true,
    lsd: true,
    source: undefined,
    extract: false,
    keepArchive: false,
    lowDisk: false,
    force: false,
    discoverTimeoutMs: 120_000,
    stallTimeoutMs: 0,
  });
  assert.equal(toHex(options.authorityKey), EMBEDDED_AUTHORITY);
  assert.equal(EMBEDDED_AUTHORITY, "cdbc9284015e84c225f0e67b891606505a60cf1218b127ac1c1edb6444567e6b");
  assert.deepEqual(warnings, []);
});

Deno.test("readGetOptions() lets the flag win over the variable and the variable over the default", () => {
  const env = { PORT: "1000", DATA_DIR: "/env", DHT_SALT: "weekly", DHT_BOOTSTRAP: "e:1" };
  const byEnv = read("", env).options;
  assert.equal(byEnv.port, 1000);
  assert.equal(byEnv.dataDir, resolve("/env"));
  assert.equal(new TextDecoder().decode(byEnv.salt), "weekly");
  assert.deepEqual(byEnv.dht.bootstrap, [{ host: "e", port: 1 }]);
  const byFlag = read("--port 0 --data-dir /flag --salt x --dht-bootstrap f:1,g:2 --dht-bootstrap h:3", env);
  assert.equal(byFlag.options.port, 0);
  assert.equal(byFlag.options.dataDir, resolve("/flag"));
  assert.equal(new TextDecoder().decode(byFlag.options.salt), "x");
  assert.deepEqual(byFlag.options.dht.bootstrap?.map((node) => node.host), ["f", "g", "h"]);
  assert.equal(read("", { PORT: "", DATA_DIR: " " }).options.port, 6881, "an empty variable is not set");
});

Deno.test("readGetOptions() names the variable that holds a bad value", () => {
  assert.throws(() => read("", { PORT: "http" }), /PORT must be a port from 0 to 65535, not "http"/);
  assert.throws(() => read("", { DHT_BOOTSTRAP: "a" }), /DHT_BOOTSTRAP must be/);
  assert.throws(() => read(`--salt ${"x".repeat(65)}`), /--salt must be at most 64 bytes/);
  assert.throws(() => readGetOptions(new Inputs({ dataDir: "" }, {})), /--data-dir must be a folder/);
});

Deno.test("readGetOptions() takes the key under all of its names, flags first", () => {
  assert.equal(keyOf(`--authority ${KEY_A}`), KEY_A);
  assert.equal(keyOf(`--producer-signing-pubkey ${KEY_A}`), KEY_A);
  assert.equal(keyOf(`--authority-pubkey ${KEY_A}`), KEY_A);
  assert.equal(keyOf("", { PRODUCER_SIGNING_PUBKEY: KEY_A }), KEY_A);
  assert.equal(keyOf("", { AUTHORITY_PUBKEY: KEY_A }), KEY_A);
  assert.equal(keyOf("", { AUTHORITY_PUBKEY: KEY_A, PRODUCER_SIGNING_PUBKEY: KEY_A.toUpperCase() }), KEY_A);
  assert.equal(
    keyOf(`--authority ${KEY_A}`, { AUTHORITY_PUBKEY: KEY_B, PRODUCER_SIGNING_PUBKEY: "junk" }),
    KEY_A,
  );
});

Deno.test("readGetOptions() refuses two different keys, naming both places", () => {
  assert.throws(
    () => read("", { PRODUCER_SIGNING_PUBKEY: KEY_A, AUTHORITY_PUBKEY: KEY_B }),
    (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /PRODUCER_SIGNING_PUBKEY and AUTHORITY_PUBKEY name different keys/);
      return true;
    },
  );
  assert.throws(
    () => read(`--authority ${KEY_A} --authority-pubkey ${KEY_B}`),
    /--authority and --authority-pubkey name different keys/,
  );
});

Deno.test("readGetOptions() takes limits with units, 0 for none, and refuses what is no number", () => {
  const { options } = read("--down-limit 1.5M --up-limit 200k --max-peers 7");
  assert.deepEqual([options.downLimit, options.upLimit, options.maxPeers], [1_500_000, 200_000, 7]);
  assert.equal(read("--down-limit 0").options.downLimit, undefined);
  for (const words of ["--down-limit fast", "--up-limit -1", "--max-peers 0", "--max-peers 1e9"]) {
    assert.throws(() => read(words), UsageError, words);
  }
});

Deno.test("readGetOptions() joins peers of all kinds; upstream's bad entries only warn, ours is refused", () => {
  const { options, warnings } = read("--peer a:1 --peer [::1]:2 --seed-peer b:3 --seed-peer bad", {
    SEED_PEERS: "c:4, nope,, d:5",
  });
  assert.deepEqual(options.peers.map(({ host, port }) => `${host} ${port}`), [
    "a 1",
    "::1 2",
    "b 3",
    "c 4",
    "d 5",
  ]);
  assert.deepEqual(warnings, [
    '--seed-peer must be HOST:PORT, with an IPv6 address in brackets, not "bad": this entry is ignored',
    'SEED_PEERS must be HOST:PORT, with an IPv6 address in brackets, not "nope": this entry is ignored',
  ]);
  assert.throws(() => read("--peer bad"), UsageError);
});

Deno.test("readGetOptions() takes trackers as URLs, and none at all with --no-trackers", () => {
  const { options, warnings } = read("--tracker udp://t.example:1/announce --tracker http://u.example/a?k=1");
  assert.deepEqual(options.trackers, ["udp://t.example:1/announce", "http://u.example/a?k=1"]);
  assert.deepEqual([options.useTrackers, warnings], [true, []]);
  const none = read("--no-trackers --tracker http://u.example/");
  assert.equal(none.options.useTrackers, false);
  assert.deepEqual(none.warnings, ["--tracker has no effect with --no-trackers"]);
  for (const url of ["t.example:1", "udp://t.example/announce", "wss://t.example/", "file:///x"]) {
    assert.throws(
      () => read(`--tracker ${url}`),
      /--tracker must be an http, https or udp URL, the last with a port, not/,
    );
  }
});

Deno.test("readGetOptions() takes upstream's options that mean nothing here, and says so", () => {
  const { warnings } = read("--download-timeout 0 --poll-interval 600");
  assert.equal(warnings.length, 2);
  assert.ok(warnings.every((text) => text.endsWith("has no effect here and is ignored")));
  assert.deepEqual(read("", { METRICS_ENABLED: "true", METRICS_PORT: "9109" }).warnings, []);
});

Deno.test("readGetOptions() asks routers and the local network unless a flag or a variable says no", () => {
  const said = (words: string, env: Record<string, string> = {}) => {
    const { portMapping, lsd } = read(words, env).options;
    return [portMapping, lsd];
  };
  assert.deepEqual(said("--no-port-mapping"), [false, true]);
  assert.deepEqual(said("--no-lsd"), [true, false]);
  assert.deepEqual(said("", { PORT_MAPPING_ENABLED: "False", LSD_ENABLED: "true" }), [false, true]);
  assert.throws(() => read("", { LSD_ENABLED: "no" }), /LSD_ENABLED must be true or false, not "no"/);
});

Deno.test("readGetOptions() takes web seeds by its own flags and by upstream's, and none with mode off", () => {
  const words = "--web-seed http://a.example/f.7z --web-seed-url https://b.example/d/ --web-seed-limit 2M";
  const { options, warnings } = read(words, { WEB_SEED_URL: "http://c.example/f.7z" });
  assert.deepEqual(options.webSeeds, {
    enabled: true,
    named: ["http://a.example/f.7z", "https://b.example/d/", "http://c.example/f.7z"],
  });
  assert.deepEqual([options.webSeedLimit, warnings], [2e6, []]);
  assert.deepEqual(read("").options.webSeeds, { enabled: true, named: [] });
  const off = read(words, { WEB_SEED_MODE: "OFF" });
  assert.equal(off.options.webSeeds?.enabled, false);
  assert.deepEqual(off.warnings, ["--web-seed has no effect with --web-seed-mode off"]);
  const odd = read("", { WEB_SEED_URL: "s3://x" });
  assert.deepEqual(odd.warnings, ["WEB_SEED_URL is not an http or https URL and is ignored"]);
  assert.throws(() => read("--web-seed ftp://a/"), /--web-seed must be an http or https URL, not "ftp:/);
  assert.throws(() => read("--web-seed-mode always"), /--web-seed-mode must be one of fallback, off/);
});

Deno.test("readGetOptions() takes one source, and needs one without the DHT", () => {
  assert.deepEqual(read("--magnet magnet:?x").options.source, { kind: "magnet", text: "magnet:?x" });
  assert.deepEqual(read("--no-dht --torrent a.torrent").options, {
    ...read("").options,
    dht: { enabled: false, bootstrap: undefined },
    source: { kind: "torrent", path: "a.torrent" },
  });
  assert.deepEqual(read(`--info-hash ${KEY_A}`).options.source, {
    kind: "infoHash",
    bytes: new Uint8Array(32).fill(0xaa),
  });
  assert.throws(() => read("--magnet m --torrent t"), /--magnet and --torrent exclude each other/);
  assert.throws(() => read("--no-dht"), /--no-dht leaves no way/);
});

Deno.test("readGetOptions() warns of flags that have no effect together", () => {
  assert.deepEqual(read("--keep-archive").warnings, ["--keep-archive has no effect without --extract"]);
  assert.deepEqual(read("--keep-archive --extract").warnings, []);
  assert.equal(read("--no-dht --dht-bootstrap a:1 --magnet m").warnings.length, 1);
});

Deno.test("readGetOptions() takes --low-disk with --extract only, and not with --keep-archive", () => {
  assert.equal(read("--extract --low-disk").options.lowDisk, true);
  assert.throws(() => read("--low-disk"), /--low-disk needs --extract/);
  assert.throws(() => read("--extract --low-disk --keep-archive"), /exclude each other/);
});

Deno.test("readViewSettings() colours a terminal only, unless NO_COLOR or --no-color says no", () => {
  const color = (words: string, env: Record<string, string>, terminal: boolean) =>
    readViewSettings(inputs(words, env), terminal).color;
  assert.equal(color("", {}, true), true);
  assert.equal(color("", {}, false), false);
  assert.equal(color("--no-color", {}, true), false);
  assert.equal(color("", { NO_COLOR: "1" }, true), false);
  assert.equal(color("", { NO_COLOR: "" }, true), true);
});

Deno.test("readViewSettings() takes levels of either case from flag and variable", () => {
  assert.equal(readViewSettings(inputs(""), false).level, "info");
  assert.equal(readViewSettings(inputs("", { LOG_LEVEL: "DEBUG" }), false).level, "debug");
  assert.equal(readViewSettings(inputs("--log-level Error", { LOG_LEVEL: "DEBUG" }), false).level, "error");
  assert.throws(
    () => readViewSettings(inputs("", { LOG_LEVEL: "LOUD" }), false),
    /^UsageError: LOG_LEVEL must/,
  );
  assert.throws(() => readViewSettings(inputs("--log-format xml"), false), /--log-format must be one of/);
});
