// Many downloads in one process, as a library user would start them: crowd_main.ts TORRENT FOLDER COUNT PEER…
// Writes one JSON line: {"transferMs": from the first one being begun to the last one's last piece, "path": one copy}.

import { join } from "node:path";
import { get, SystemMachine } from "../mod.ts";
import { getOptions } from "./options.ts";

const [torrent = "", folder = "", count = "1", ...peers] = Deno.args;
const machine = new SystemMachine("nano-snap bench");
let left = Number(count);
let finishedMs = 0;

const optionsOf = (n: number) =>
  getOptions({ torrent, dataDir: join(folder, `${n}`), peers, maxPeers: 100, stallTimeoutMs: 0 });

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
