import assert from "node:assert/strict";
import { judge, type Look, whyGone } from "../../lib/status/health.ts";
import type { RunStatus } from "../../lib/status/run_status.ts";
import { FETCHING, NOW, PRODUCING, SEEDING } from "./moments.ts";

const HERE: Look = { nowUnixMs: NOW, isAlive: true };
const HOUR = 3_600_000;

const unpublished = (lastUnixMs: number | undefined, startedUnixMs: number): RunStatus => ({
  ...PRODUCING,
  startedUnixMs,
  publication: { isVerified: false, lastUnixMs, lastError: "no node stored it" },
});

/** What changes, whether that is well, and what is said. */
const CASES: readonly [name: string, status: RunStatus, look: Look, isHealthy: boolean, why: RegExp][] = [
  ["a mirror that seeds", SEEDING, HERE, true, /^swarm seeds seq 1370$/],
  [
    "a mirror that seeds while the DHT is silent",
    { ...SEEDING, degraded: "no DHT node has answered for 2 h" },
    HERE,
    true,
    /^swarm seeds seq 1370; no DHT node has answered for 2 h$/,
  ],
  [
    "a mirror that serves the old snapshot while an update stands still",
    { ...SEEDING, phase: "downloading", advancedUnixMs: NOW - 5 * HOUR },
    HERE,
    true,
    /seeds/,
  ],
  ["a first download that comes on", FETCHING, HERE, true, /^swarm is on its way \(downloading\)$/],
  [
    "a first download without a byte for long",
    { ...FETCHING, advancedUnixMs: NOW - 720_000 },
    HERE,
    false,
    /^swarm has nothing to serve and has not come on for 12 min \(downloading, 7 connections\)$/,
  ],
  [
    "a mirror that found nothing for long",
    {
      ...FETCHING,
      phase: "discovering",
      generation: undefined,
      progress: undefined,
      advancedUnixMs: NOW - HOUR,
      degraded: "the DHT is silent",
    },
    HERE,
    false,
    /1 h 0 min \(discovering, the DHT is silent\)$/,
  ],
  [
    "a mirror in error",
    { ...SEEDING, phase: "error", lastError: "disk full" },
    HERE,
    false,
    /in error: disk full$/,
  ],
  [
    "a mirror in error that says why in other words",
    { ...FETCHING, phase: "error", degraded: "no snapshot was found" },
    HERE,
    false,
    /in error: no snapshot was found$/,
  ],
  ["a get that comes on", { ...FETCHING, role: "get" }, HERE, true, /^get is on its way/],
  [
    "a run that ended",
    { ...SEEDING, isRunning: false, phase: "stopped", updatedUnixMs: NOW - 300_000 },
    HERE,
    false,
    /^swarm ended 5 min ago$/,
  ],
  [
    "a run that ended badly",
    { ...SEEDING, isRunning: false, phase: "error", lastError: "Cannot write x" },
    HERE,
    false,
    /^swarm ended 2 s ago: Cannot write x$/,
  ],
  ["a process that is gone", SEEDING, { ...HERE, isAlive: false }, false, /its process 4711 is gone$/],
  ["a process that cannot be seen", SEEDING, { ...HERE, isAlive: undefined }, true, /seeds/],
  [
    "a status that is old",
    { ...SEEDING, updatedUnixMs: NOW - 31_000 },
    HERE,
    false,
    /hangs or was killed: it last said something 31 s ago$/,
  ],
  ["a status from the future", { ...SEEDING, updatedUnixMs: NOW + HOUR }, HERE, false, /hangs or was killed/],
  [
    "a loop that does not turn",
    { ...SEEDING, beatUnixMs: NOW - 200_000 },
    HERE,
    false,
    /^swarm does nothing: its loop last turned 3 min ago$/,
  ],
  [
    "a job that does not tell of its loop",
    { ...FETCHING, role: "get", beatUnixMs: undefined },
    HERE,
    true,
    /on its way/,
  ],
  ["a producer that is published", PRODUCING, HERE, true, /^produce seed seeds seq 1370$/],
  ["a producer that has just begun", unpublished(undefined, NOW - 600_000), HERE, true, /seeds/],
  [
    "a producer that never got published",
    unpublished(undefined, NOW - HOUR),
    HERE,
    false,
    /nobody finds it: its pointer is not published: no node stored it$/,
  ],
  ["a pointer that the DHT still has", unpublished(NOW - HOUR, NOW - 9 * HOUR), HERE, true, /seeds/],
  [
    "a pointer that the DHT has forgotten",
    unpublished(NOW - 3 * HOUR, NOW - 9 * HOUR),
    HERE,
    false,
    /nobody finds it/,
  ],
  [
    "a producer that checks its archive",
    { ...PRODUCING, phase: "checking", generation: undefined, advancedUnixMs: NOW - 1000 },
    HERE,
    true,
    /^produce seed is on its way \(checking\)$/,
  ],
];

for (const [name, status, look, isHealthy, why] of CASES) {
  Deno.test(`judge() calls ${name} ${isHealthy ? "well" : "ill"}`, () => {
    const verdict = judge(status, look);
    assert.match(verdict.why, why);
    assert.equal(verdict.isHealthy, isHealthy);
    assert.ok(!/[.\n]$/.test(verdict.why));
  });
}

Deno.test("whyGone() is silent about an ill run that runs", () => {
  assert.equal(whyGone({ ...SEEDING, phase: "error" }, HERE), undefined);
  assert.equal(whyGone({ ...FETCHING, advancedUnixMs: 0 }, HERE), undefined);
});
