import assert from "node:assert/strict";
import { isReady, parseStatus, type RunStatus, statusJson } from "../../lib/status/run_status.ts";
import { FETCHING, PRODUCING, SEEDING } from "./moments.ts";

Deno.test("parseStatus() gives back what statusJson() wrote, through JSON", () => {
  const bare: RunStatus = {
    ...SEEDING,
    beatUnixMs: undefined,
    generation: undefined,
    discoveredUnixMs: undefined,
    isReachable: undefined,
    metricsUrl: undefined,
    degraded: "the DHT is silent",
    lastError: "it was bad",
  };
  for (const status of [SEEDING, FETCHING, PRODUCING, bare, { ...SEEDING, isReachable: false }]) {
    assert.deepEqual(parseStatus(JSON.parse(JSON.stringify(statusJson(status)))), status);
  }
});

Deno.test("statusJson() has every key, absent facts as null", () => {
  const full = statusJson({ ...FETCHING, publication: PRODUCING.publication });
  const bare = statusJson({
    ...SEEDING,
    generation: undefined,
    discoveredUnixMs: undefined,
    isReachable: undefined,
  });
  assert.deepEqual(Object.keys(bare), Object.keys(full));
  for (const key of ["seq", "info_hash", "progress", "last_discovery", "reachable", "publication"]) {
    assert.equal(bare[key], null, key);
  }
  assert.equal(full["updated_at"], "2026-08-13T04:05:04.000Z");
  assert.deepEqual(full["peers"], { leechers: 3, seeds: 2, connections: 7 });
});

Deno.test("parseStatus() reads an older version's words, and refuses what is no status", () => {
  const json = statusJson(SEEDING);
  const { peers: _, rates: __, totals: ___, host: ____, ...older } = json;
  assert.equal(parseStatus(older)?.traffic.connections, 0);
  assert.equal(parseStatus({ ...json, phase: "composing", news: 1 })?.phase, "composing");
  assert.equal(parseStatus({ ...json, seq: -1, peers: [] })?.generation?.seq, undefined);
  for (const key of ["role", "phase", "pid", "started_at", "since", "updated_at"]) {
    assert.equal(parseStatus({ ...json, [key]: {} }), undefined, key);
  }
  assert.equal(parseStatus({}), undefined);
});

Deno.test("isReady() is true for a mirror that seeds and a producer that is verified, and for nobody else", () => {
  const cases: [RunStatus, boolean][] = [
    [SEEDING, true],
    [{ ...SEEDING, phase: "downloading" }, true], // an update grows while the old one is served
    [FETCHING, false],
    [{ ...SEEDING, phase: "error" }, false],
    [{ ...SEEDING, phase: "stopped" }, false],
    [{ ...SEEDING, isRunning: false }, false],
    [{ ...SEEDING, role: "get" }, false],
    [PRODUCING, true],
    [{ ...PRODUCING, publication: undefined }, true], // somebody else publishes
    [{ ...PRODUCING, publication: { ...PRODUCING.publication!, isVerified: false } }, false],
  ];
  for (const [status, expected] of cases) assert.equal(isReady(status), expected, JSON.stringify(status));
});
