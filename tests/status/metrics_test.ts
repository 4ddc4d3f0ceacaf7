import assert from "node:assert/strict";
import { metricsText } from "../../lib/status/metrics.ts";
import { FETCHING, PRODUCING, SEEDING } from "./moments.ts";

/** Sample lines only. */
function samples(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

Deno.test("metricsText() has upstream's names, types and labels", () => {
  assert.deepEqual(samples(metricsText(SEEDING)), [
    "nano_snapshot_bytes_uploaded_total 1000000007",
    "nano_snapshot_bytes_downloaded_total 57600000000",
    'nano_snapshot_size_bytes{service="mirror"} 57600000000',
    'nano_snapshot_dht_sequence{service="mirror"} 1370',
    `nano_snapshot_generation_info{service="mirror",info_hash="${
      "ab".repeat(32)
    }",sequence="1370",original_filename="Nano_64_version_27_2026_08_12.7z"} 1`,
    'nano_snapshot_swarm_peers{role="leecher"} 3',
    'nano_snapshot_swarm_peers{role="seeder"} 2',
    "nano_snapshot_swarm_connections 7",
    "nano_snapshot_swarm_dht_nodes 120",
    "nano_snapshot_ready 1",
    'nano_snapshot_state{service="mirror",state="seeding"} 1',
  ]);
  const types = [...metricsText(SEEDING).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((
    [, name, type],
  ) => [name, type]);
  assert.deepEqual(types.map(([, type]) => type), ["counter", "counter", ...Array(8).fill("gauge")]);
  assert.deepEqual(
    types.map(([name]) => name),
    [...new Set(samples(metricsText(SEEDING)).map((line) => /^\w+/.exec(line)?.[0]))],
  );
});

Deno.test("metricsText() calls a producer's service producer", () => {
  const text = metricsText({ ...PRODUCING, publication: { ...PRODUCING.publication!, isVerified: false } });
  assert.match(text, /^nano_snapshot_state\{service="producer",state="seeding"\} 1$/m);
  assert.match(text, /^nano_snapshot_ready 0$/m);
});

Deno.test("metricsText() gives no sample of what is not known", () => {
  const names = samples(metricsText({ ...FETCHING, generation: undefined })).join("\n");
  assert.doesNotMatch(names, /generation_info|size_bytes|dht_sequence/);
  const unnamed = metricsText({ ...FETCHING, generation: { ...FETCHING.generation!, seq: undefined } });
  assert.doesNotMatch(unnamed, /^nano_snapshot_dht_sequence/m);
  assert.match(unnamed, /sequence="",original_filename/);
});

Deno.test("metricsText() escapes what a producer may have put into a name", () => {
  const generation = { ...SEEDING.generation!, originalFilename: 'a"b\\c\n# d 1' };
  const text = metricsText({ ...SEEDING, generation });
  assert.ok(text.includes('original_filename="a\\"b\\\\c\\n# d 1"} 1\n'));
  assert.equal(samples(text).filter((line) => line.startsWith("nano_snapshot_generation_info")).length, 1);
});
