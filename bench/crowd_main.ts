// Many downloads in one process, as a library user would start them: crowd_main.ts TORRENT FOLDER COUNT PEER…
// Writes one JSON line: {"transferMs": from the first one being begun to the last one's last piece, "path": one copy}.

import { join } from "node:path";
import { get, type GetOptions, SystemMachine } from "../mod.ts";

const [torrent = "", folder = "", count = "1", ...peers] = Deno.args;
const machine = new SystemMachine("nano-snap bench");
let left = Number(count);
let finishedMs = 0;

const optionsOf = (n: number): GetOptions => ({
  authorityKey: new Uint8Array(32),
  salt: new Uint8Array(),
  dataDir: join(folder, `${n}`),
  source: { kind: "torrent", path: torrent },
  extract: false,
  keepArchive: false,
  force: false,
  port: 0,
  bind: ["127.0.0.1"],
  dht: { enabled: false, bootstrap: undefined },
  peers: peers.map((peer) => ({ host: peer.split(":")[0]!, port: Number(peer.split(":")[1]) })),
  trackers: [],
  useTrackers: false,
  maxPeers: 100,
  downLimit: undefined,
  upLimit: undefined,
  discoverTimeoutMs: 60_000,
  stallTimeoutMs: 0,
});

const startedMs = performance.now();
const results = await Promise.all(
  Array.from({ length: left }, (_, n) =>
    get(optionsOf(n), machine, (event) => {
      if (event.kind === "phase" && event.phase === "finished" && --left === 0) {
        finishedMs = performance.now();
      }
    }, new AbortController().signal)),
);
const answer = { transferMs: finishedMs - startedMs, path: results[0]!.path };
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(answer) + "\n"));
