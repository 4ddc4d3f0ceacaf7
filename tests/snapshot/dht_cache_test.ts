import assert from "node:assert/strict";
import { parseUtf8, utf8 } from "../../lib/bytes.ts";
import { PathUnusable } from "../../lib/errors.ts";
import type { Files } from "../../lib/ports.ts";
import { readDhtCache, writeDhtCache } from "../../lib/snapshot/dht_cache.ts";
import { MemoryFiles } from "./fakes.ts";

const PATH = "/data/.nano-snap/dht.json";
const ID = new Uint8Array(20).fill(1);
const node = (number: number) => ({
  id: new Uint8Array(20).fill(number),
  host: `10.0.0.${number}`,
  port: 6881,
});

Deno.test("readDhtCache() gives back what writeDhtCache() wrote, at most 200 nodes", () => {
  const memory = new MemoryFiles();
  const nodes = Array.from({ length: 250 }, (_, i) => node(i));
  assert.equal(writeDhtCache(memory.files, PATH, ID, nodes), undefined);
  assert.deepEqual(readDhtCache(memory.files, PATH), {
    value: { nodeId: ID, nodes: nodes.slice(0, 200) },
    warning: undefined,
  });
});

Deno.test("readDhtCache() without a file is empty and quiet", () => {
  const empty = { value: { nodeId: undefined, nodes: [] }, warning: undefined };
  assert.deepEqual(readDhtCache(new MemoryFiles().files, PATH), empty);
});

Deno.test("readDhtCache() sets a bad file aside and goes on without it", () => {
  const memory = new MemoryFiles();
  writeDhtCache(memory.files, PATH, ID, [node(1)]);
  const text = parseUtf8(memory.contents.get(PATH)!)!;
  const bad = [
    "",
    "{}",
    "[]",
    text.slice(0, -10),
    text.replace('"version": 1', '"version": 9'),
    text.replace('"node_id": "01', '"node_id": "'),
    text.replace("10.0.0.1", "10.0.0.256"),
    text.replace(":6881", ":0"),
    text.replace(":6881", ":70000"),
    text.replace("@", "#"),
  ];
  for (const content of bad) {
    memory.contents.set(PATH, utf8(content));
    const { value, warning } = readDhtCache(memory.files, PATH);
    assert.deepEqual(value, { nodeId: undefined, nodes: [] });
    assert.match(warning!, /dht\.json\.bad/);
    assert.ok(!memory.contents.has(PATH));
  }
});

Deno.test("The cache never ends a run: what the disk refuses is only told", () => {
  const refuse = () => {
    throw new PathUnusable("Cannot read it: permission denied");
  };
  const files = { stat: refuse, makeDir: refuse } as unknown as Files;
  assert.match(readDhtCache(files, PATH).warning!, /permission denied/);
  assert.match(writeDhtCache(files, PATH, ID, [])!, /permission denied/);
});
