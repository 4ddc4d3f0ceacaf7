// docs/monitoring.md against the code.

import assert from "node:assert/strict";
import { join } from "node:path";
import { metricsText } from "../../lib/status/metrics.ts";
import { statusJson } from "../../lib/status/run_status.ts";
import { FETCHING, PRODUCING } from "./moments.ts";

const PAGE = Deno.readTextFileSync(join(import.meta.dirname ?? ".", "..", "..", "docs", "monitoring.md"));

/** Names in the first cells of a part's table. */
function firstCells(heading: string): string[] {
  const part = PAGE.split(/^## /m).find((one) => one.startsWith(`${heading}\n`)) ?? "";
  const cells = part.split("\n").filter((line) => line.startsWith("| `")).map((line) => line.split("|")[1]!);
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name)).toSorted();
}

Deno.test("docs/monitoring.md has every key of status.json, and no other", () => {
  const json = statusJson({ ...FETCHING, publication: PRODUCING.publication });
  assert.deepEqual(firstCells("status.json"), Object.keys(json).toSorted());
  for (const part of Object.values(json)) {
    if (typeof part !== "object" || part === null) continue;
    for (const key of Object.keys(part)) assert.ok(PAGE.includes(`\`${key}\``), key);
  }
});

Deno.test("docs/monitoring.md has every metric with its labels, and no other", () => {
  const text = metricsText(FETCHING);
  const names = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name = ""]) => name);
  assert.deepEqual(firstCells("Metrics"), names.toSorted());
  for (const [, name = "", labels = ""] of text.matchAll(/^(\w+)\{(.*)\} /gm)) {
    const row = PAGE.split("\n").find((line) => line.startsWith(`| \`${name}\``))?.split("|")[2] ?? "";
    const documented = [...row.matchAll(/`(\w+)`/g)].map(([, label]) => label);
    assert.deepEqual([...labels.matchAll(/(\w+)="/g)].map(([, label]) => label), documented, name);
  }
});
