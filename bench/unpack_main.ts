// Unpacks an archive as the program does: unpack_main.ts ARCHIVE FOLDER [CORES]. Writes one JSON line: {"unpackMs", the Worker's
// start included}.

import { WorkerExtractor } from "../lib/io/extract_client.ts";

const [archive = "", into = "", cores] = Deno.args;
const startedMs = performance.now();
await new WorkerExtractor(cores === undefined ? undefined : Number(cores)).extract({ archive, into });
const line = JSON.stringify({ unpackMs: performance.now() - startedMs }) + "\n";
Deno.stdout.writeSync(new TextEncoder().encode(line));
