import assert from "node:assert/strict";
import { pageOf } from "../../lib/status/pages.ts";
import { parseStatus } from "../../lib/status/run_status.ts";
import { FETCHING, PRODUCING, SEEDING } from "./moments.ts";

Deno.test("pageOf() has probes that fail with a word about why", () => {
  const stuck = { ...SEEDING, beatUnixMs: SEEDING.updatedUnixMs - 121_000 };
  const unpublished = { ...PRODUCING, publication: { ...PRODUCING.publication!, isVerified: false } };
  const cases: [string, typeof SEEDING, number, string][] = [
    ["/healthz", SEEDING, 200, "ok\n"],
    ["/healthz", FETCHING, 200, "ok\n"],
    ["/healthz", stuck, 503, "its loop does not turn\n"],
    ["/readyz", SEEDING, 200, "ready\n"],
    ["/readyz", FETCHING, 503, "not ready: downloading\n"],
    ["/readyz", unpublished, 503, "not ready: its pointer is not published yet\n"],
  ];
  for (const [path, status, code, body] of cases) {
    const page = pageOf(path, status);
    assert.deepEqual([page?.status, page?.body], [code, body]);
  }
});

Deno.test("pageOf() gives the whole status as JSON, the metrics, and a list", () => {
  const { body = "" } = pageOf("/status", SEEDING) ?? {};
  assert.deepEqual(parseStatus(JSON.parse(body)), SEEDING);
  assert.match(pageOf("/metrics", SEEDING)?.body ?? "", /^nano_snapshot_ready 1$/m);
  assert.equal(pageOf("/metrics", SEEDING)?.type, "text/plain; version=0.0.4; charset=utf-8");
  for (const path of pageOf("/", SEEDING)?.body.trim().split(" ") ?? []) {
    assert.ok(pageOf(path, SEEDING), path);
  }
  assert.equal(pageOf("/metrics/", SEEDING), undefined);
});
