// What a mirror makes of its file of settings when that is another one at SIGHUP.

import assert from "node:assert/strict";
import { Settings } from "../../lib/cli/settings.ts";
import { utf8 } from "../../lib/bytes.ts";
import { PathUnusable, SnapError } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import type { LogLevel } from "../../lib/status/log.ts";

const NAMED = { envFile: "/etc/nano-snap.env" };

function open(
  text: string | undefined,
  { flags = NAMED, env = {} }: { flags?: Record<string, unknown>; env?: Record<string, string> } = {},
) {
  const file = { text };
  const files = { read: () => file.text === undefined ? undefined : utf8(file.text) };
  const settings = Settings.open({ flags, context: { env, stderrIsTerminal: false }, files });
  const told: string[] = [];
  const levels: LogLevel[] = [];
  const report = (event: RunEvent) => {
    if (event.kind === "note") told.push(`${event.level}: ${event.text}`);
  };
  const change = (next: string | undefined) => {
    file.text = next;
    told.length = 0;
    return settings.readAgain(report, (level) => levels.push(level));
  };
  return { settings, change, told, levels };
}

Deno.test("Settings changes what can change, and says what did in one line", () => {
  const { settings, change, told, levels } = open("UP_LIMIT=5M\nMAX_PEERS=50\n");
  assert.deepEqual([settings.current.options.upLimit, settings.current.options.maxPeers], [5e6, 50]);
  assert.equal(settings.current.options.isChangeable, true);
  const live = change(
    "UP_LIMIT=500K\nDOWN_LIMIT=2M\nLOG_LEVEL=debug\nPOLL_INTERVAL=5m\nKEEP_SNAPSHOTS=2\n" +
      "REFRESH_ENABLED=false\nON_UPDATE=/opt/new\nSCHEDULE=08:00-18:00=500K,22:00-06:00=0/1M\n" +
      "WEB_SEED_URL=https://example.org/x\nWEB_SEED_LIMIT=1M\nSEED_PEERS=192.0.2.1:6881\n",
  )!;
  assert.deepEqual(told, [
    "info: Settings read again from /etc/nano-snap.env: up limit 500.0 KB/s, down limit 2.0 MB/s, " +
    "web seed limit 1.0 MB/s, 2 limits by the hour, at most 100 connections, poll interval 5 min, " +
    "older snapshots kept: 2, refresh off, on update /opt/new, " +
    "peers 192.0.2.1:6881 (from the next fetch on), " +
    "web seeds https://example.org/x (from the next fetch on), log level debug",
  ]);
  assert.deepEqual(levels, ["debug"]);
  assert.deepEqual([live.upLimit, live.maxPeers, live.pollMs, live.keep, live.refresh, live.onUpdate], [
    500_000,
    100,
    300_000,
    2,
    false,
    "/opt/new",
  ]);
  change("UP_LIMIT=500K\n");
  change("UP_LIMIT=500K\n");
  assert.deepEqual(told, ["info: Settings read again from /etc/nano-snap.env: nothing has changed"]);
});

Deno.test("Settings leaves all as it was where the file makes no sense, in one sentence", () => {
  const { settings, change, told } = open("UP_LIMIT=5M\n");
  for (
    const [text, why] of [
      [
        "UP_LIMIT=fast\nMAX_PEERS=7",
        'UP_LIMIT in /etc/nano-snap.env must be a size like "500K", "1.5M" or "2G"',
      ],
      ["UP_LIMIT", "/etc/nano-snap.env, line 1, is not NAME=value"],
      [undefined, "Cannot read /etc/nano-snap.env: there is no such file"],
    ] as const
  ) {
    assert.equal(change(text), undefined);
    assert.equal(told.length, 1);
    assert.ok(told[0]!.startsWith(`warning: The settings stay as they were: ${why}`), told[0]);
    assert.deepEqual([settings.current.options.upLimit, settings.current.options.maxPeers], [5e6, 100]);
  }
});

Deno.test("Settings keeps what held while a file that may be missing is away, and says what each time", () => {
  const { settings, change, told } = open("UP_LIMIT=5M\nMAX_PEERS=7\nKEEP_SNAPSHOTS=\n", {
    flags: { envFile: "-/x.env" },
  });
  const away = (names: string) => [
    `warning: /x.env is not there: what it set stays as it was, ${names} ` +
    "(to be rid of that, make it empty or restart)",
  ];
  for (let times = 2; times > 0; times--) {
    assert.equal(change(undefined), undefined);
    assert.deepEqual(told, away("MAX_PEERS, UP_LIMIT"));
  }
  assert.equal(settings.current.options.upLimit, 5e6);
  // A wrong one is no end of it.
  change("UP_LIMIT=fast\n");
  assert.match(told.join(), /^warning: The settings stay as they were: UP_LIMIT /);
  change(undefined);
  assert.deepEqual(told, away("MAX_PEERS, UP_LIMIT"), "what the last file that made sense has set");
  assert.equal(change("UP_LIMIT=6M\nMAX_PEERS=7\n")?.upLimit, 6e6);
  assert.deepEqual(told, ["info: Settings read again from /x.env: up limit 6.0 MB/s"]);
  assert.equal(change("UP_LIMIT=6M\n")?.upLimit, 6e6);
  change(undefined);
  assert.deepEqual(told, away("UP_LIMIT"));
  assert.equal(change("")?.upLimit, undefined);
  assert.deepEqual(told, ["info: Settings read again from /x.env: up limit none"]);
  change(undefined);
  assert.deepEqual(told, ["warning: /x.env is not there: it was empty before, so nothing changes"]);
});

Deno.test("Settings without the file that may be missing are those of the environment until it comes", () => {
  const { change, told } = open(undefined, { flags: { envFile: "-/x.env" }, env: { UP_LIMIT: "5M" } });
  assert.equal(change(undefined)?.upLimit, 5e6);
  assert.deepEqual(told, ["info: Settings read again from /x.env: nothing has changed"]);
  change("DOWN_LIMIT=1M\n");
  change(undefined);
  assert.match(told.join(), /^warning: \/x\.env is not there/);
});

Deno.test("Settings names what needs a restart, once, and again when it is another", () => {
  const { change, told } = open("PORT=7000\n");
  change("PORT=7001\nDATA_DIR=/elsewhere\nUP_LIMIT=1M\n");
  assert.deepEqual(told, [
    "info: Settings read again from /etc/nano-snap.env: up limit 1.0 MB/s",
    "warning: Needs a restart to take effect: --data-dir, --port",
  ]);
  change("PORT=7001\nDATA_DIR=/elsewhere\nUP_LIMIT=1M\n");
  assert.equal(told.length, 1);
  change("PORT=7000\nMETRICS_PORT=1\nDHT_SALT=other\nLSD_ENABLED=false\n");
  assert.match(told[1]!, /Needs a restart to take effect: --salt, --no-lsd, --metrics-port$/);
});

Deno.test("Settings: flags and the environment stay above the file, and what came from it does not", () => {
  const { settings, change } = open("UP_LIMIT=5M\nDOWN_LIMIT=6M\nMAX_PEERS=50\n", {
    flags: { ...NAMED, upLimit: "1M" },
    env: { DOWN_LIMIT: "2M", MAX_PEERS: "50" },
  });
  const of = ({ upLimit, downLimit, maxPeers }: typeof settings.current.options) => [
    upLimit,
    downLimit,
    maxPeers,
  ];
  assert.deepEqual(of(settings.current.options), [1e6, 2e6, 50]);
  change("UP_LIMIT=7M\nDOWN_LIMIT=7M\n");
  assert.deepEqual(of(settings.current.options), [1e6, 2e6, 100]);
});

Deno.test("Settings warns of a variable that nothing reads, at the start and when it appears", () => {
  const { settings, change, told } = open("UP_LIMT=5M\n");
  const text = "/etc/nano-snap.env sets UP_LIMT, which is no setting of a mirror";
  assert.deepEqual(settings.current.warnings, [text]);
  change("UP_LIMT=5M\n");
  assert.equal(told.length, 1);
  change("MAXPEERS=5\n");
  assert.equal(told[1], "warning: /etc/nano-snap.env sets MAXPEERS, which is no setting of a mirror");
});

Deno.test("Settings without a file has nothing to read again", () => {
  const { settings, change, told } = open(undefined, { flags: {}, env: { UP_LIMIT: "5M" } });
  assert.deepEqual([settings.current.options.upLimit, settings.current.options.isChangeable], [5e6, false]);
  assert.equal(change("UP_LIMIT=1M"), undefined);
  assert.deepEqual(told, []);
});

Deno.test("Settings goes on without a file that it may not read, where that may be missing", () => {
  const files = {
    read: () => {
      throw new PathUnusable("Cannot read /x.env: permission denied");
    },
  };
  const openIt = (envFile: string) =>
    Settings.open({
      flags: { envFile },
      context: { env: { UP_LIMIT: "5M" }, stderrIsTerminal: false },
      files,
    });
  assert.throws(() => openIt("/x.env"), PathUnusable);
  const { options, warnings } = openIt("-/x.env").current;
  assert.equal(options.upLimit, 5e6);
  assert.deepEqual(warnings, [
    "Cannot read /x.env: permission denied: what the environment says holds until the end",
  ]);
});

Deno.test("Settings refuses a wrong file at the start", () => {
  assert.throws(() => open("UP_LIMIT=fast"), SnapError);
  assert.throws(() => open(undefined), SnapError);
  open(undefined, { flags: {}, env: { NANO_SNAP_ENV_FILE: "-/etc/nano-snap.env" } });
});
