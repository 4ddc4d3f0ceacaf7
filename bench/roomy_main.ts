// A download on a disk that says it has room for anything, and whose peers are many: roomy_main.ts TORRENT FOLDER PEER…
// The content is far larger than what is ever fetched of it; whoever started this ends it. Writes a JSON line
// {"peers": connected, "bytes": verified and on disk} about once a second.

import { get, SystemMachine } from "../mod.ts";
import { systemFiles } from "../lib/io/files.ts";
import { getOptions } from "./options.ts";

const [torrent = "", dataDir = "", ...peers] = Deno.args;
const machine = Object.assign(new SystemMachine("nano-snap bench"), {
  files: { ...systemFiles, freeBytes: () => Number.MAX_SAFE_INTEGER },
});
await get(
  getOptions({ torrent, dataDir, peers, maxPeers: 200, stallTimeoutMs: 60_000 }),
  machine,
  (event) => {
    if (event.kind !== "transfer") return;
    const { seeds, doneBytes } = event.progress;
    const line = JSON.stringify({ peers: seeds, bytes: doneBytes }) + "\n";
    Deno.stdout.writeSync(new TextEncoder().encode(line));
  },
  new AbortController().signal,
);
