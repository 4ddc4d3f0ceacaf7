import assert from "node:assert/strict";
import { PathUnusable } from "../../lib/errors.ts";
import { PeerCache } from "../../lib/mirror/peer_cache.ts";
import type { Endpoint, Files } from "../../lib/ports.ts";
import { MemoryFiles } from "../snapshot/fakes.ts";

const PATH = "/data/.nano-snap/peers.json";

const seed = (host: string, port = 6881) => ({ isSeed: true, dialable: { host, port } });

function saved(
  files: Files,
  ...peers: { isSeed: boolean; dialable: Endpoint | undefined }[]
): readonly Endpoint[] {
  const cache = new PeerCache(files, PATH);
  cache.note(peers);
  cache.save();
  return new PeerCache(files, PATH).read();
}

Deno.test("PeerCache gives the seeds of the run before, IPv6 too, and nobody else", () => {
  const files = new MemoryFiles().files;
  assert.deepEqual(new PeerCache(files, PATH).read(), []);
  const found = saved(
    files,
    seed("10.0.0.1"),
    { isSeed: false, dialable: { host: "10.0.0.2", port: 1 } },
    { isSeed: true, dialable: undefined },
    seed("2001:db8::1", 7000),
  );
  assert.deepEqual(found, [{ host: "10.0.0.1", port: 6881 }, { host: "2001:db8::1", port: 7000 }]);
});

Deno.test("PeerCache.save() keeps the fifty seen last, and what was there when nobody was seen", () => {
  const files = new MemoryFiles().files;
  const many = Array.from({ length: 60 }, (_, n) => seed(`10.0.0.${n}`));
  const found = saved(files, ...many, seed("10.0.0.0"));
  assert.equal(found.length, 50);
  assert.deepEqual([found[0]!.host, found.at(-1)!.host], ["10.0.0.11", "10.0.0.0"]);
  assert.deepEqual(saved(files), found);
});

Deno.test("PeerCache.read() is empty where the file is torn, of another shape, or names no address", () => {
  for (
    const text of [
      "{",
      "[]",
      `{"version":2,"peers":[]}`,
      `{"version":1,"peers":["a.test:1"]}`,
      `{"version":1,"peers":[7]}`,
    ]
  ) {
    const files = new MemoryFiles().files;
    files.writeAtomic(PATH, new TextEncoder().encode(text));
    assert.deepEqual(new PeerCache(files, PATH).read(), [], text);
  }
});

Deno.test("PeerCache costs nothing where the disk does not read or write", () => {
  const refuse = () => {
    throw new PathUnusable("Cannot use the disk");
  };
  const files = Object.assign(new MemoryFiles().files, { stat: refuse, writeAtomic: refuse });
  assert.deepEqual(saved(files, seed("10.0.0.1")), []);
});
