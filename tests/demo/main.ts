// `deno task demo`: the whole loop on this machine alone. A few DHT nodes, a producer that packs a small real ledger,
// signs a pointer to it and seeds it, and a node operator's `nano-snap get --extract`. Each part is the real program
// in a process of its own; nothing leaves 127.0.0.1, and nothing is left behind.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { DhtNode } from "../../lib/dht/dht_node.ts";
import { systemClock } from "../../lib/io/clock.ts";
import { systemNet } from "../../lib/io/net.ts";
import { formatBytes } from "../../lib/format.ts";
import { formatEndpoint } from "../../lib/endpoint.ts";
import type { Endpoint } from "../../lib/ports.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const LEDGER = join(import.meta.dirname!, "data.ldb");
const DHT_NODES = 6;
/** Nothing here takes longer on a machine that works. */
const STEP_MS = 30_000;

const startedMs = performance.now();
const folder = Deno.makeTempDirSync({ prefix: "nano-snap-demo-" });
const running: Deno.ChildProcess[] = [];
const nodes: DhtNode[] = [];
try {
  await demo();
} finally {
  for (const child of running) await stop(child);
  for (const node of nodes) await node.close();
  Deno.removeSync(folder, { recursive: true });
}

async function demo(): Promise<void> {
  const [published, fetched] = [join(folder, "producer"), join(folder, "node")];
  // A copy: LMDB's own tools leave a lock file beside what they read.
  const ledger = join(folder, "data.ldb");
  Deno.copyFileSync(LEDGER, ledger);
  const bootstrap = await step("DHT", async () => {
    const endpoints = await openDht();
    return { result: endpoints, said: `${DHT_NODES} nodes on 127.0.0.1` };
  });
  const network = ["--bind", "127.0.0.1", "--dht-bootstrap", bootstrap.map(formatEndpoint).join(",")];
  const keyFile = join(folder, "key");
  const key = await step("keygen", async () => {
    const { public_key: key } = await answer(["produce", "keygen", "--out", keyFile]);
    return { result: String(key), said: `the authority is ${key}` };
  });
  const infoHash = await step("produce", async () => {
    const source = ["--ledger", ledger, "--format", "tar.zst", "--output-dir", published];
    const made = await answer([
      "produce",
      "run",
      ...source,
      "--no-trackers",
      "--key-file",
      keyFile,
      ...network,
    ]);
    return { result: made["info_hash"], said: `packed, signed and stored as seq ${made["seq"]}` };
  });
  await step("seed", async () => {
    const args = ["--output-dir", published, "--key-file", keyFile, "--no-trackers", "--port", "0"];
    await start(["produce", "seed", ...args, ...network], /Seeding/);
    return { result: undefined, said: `serves ${infoHash}` };
  });
  await step("get", async () => {
    const args = ["--data-dir", fetched, "--authority", key, "--no-trackers", "--port", "0"];
    const got = await answer(["get", "--extract", ...args, ...network]);
    return { result: undefined, said: `${formatBytes(Number(got["size"]))} at ${got["path"]}` };
  });
  await step("verify", () => {
    const [ours, theirs] = [sha256(LEDGER), sha256(join(fetched, "data.ldb"))];
    if (ours !== theirs) throw new Error(`the ledgers differ: ${ours} and ${theirs}`);
    return Promise.resolve({ result: undefined, said: `both ledgers are ${ours.slice(0, 16)}…` });
  });
  say("done", startedMs, "producer, DHT, swarm and node agree");
}

/** Runs one step and says what came of it and how long it took. */
async function step<T>(name: string, work: () => Promise<{ result: T; said: string }>): Promise<T> {
  const sinceMs = performance.now();
  const { result, said } = await work();
  say(name, sinceMs, said);
  return result;
}

function say(name: string, sinceMs: number, what: string): void {
  const seconds = ((performance.now() - sinceMs) / 1000).toFixed(1);
  // deno-lint-ignore no-console -- these lines are all that the demo is for
  console.log(`${name.padEnd(8)} ${seconds.padStart(5)} s  ${what}`);
}

/** Nodes that know one another through the first. */
async function openDht(): Promise<Endpoint[]> {
  const endpoints: Endpoint[] = [];
  for (let i = 0; i < DHT_NODES; i++) {
    const udp = await systemNet.openUdp({ host: "127.0.0.1", port: 0 });
    const { resolve } = systemNet;
    nodes.push(DhtNode.open({ udp, clock: systemClock, resolve, bootstrap: endpoints.slice(0, 2) }));
    endpoints.push(udp.local);
  }
  const signal = AbortSignal.timeout(STEP_MS);
  for (const node of nodes.slice(1)) {
    if (!await node.ready(signal)) throw new Error("the DHT nodes do not find one another");
  }
  return endpoints.slice(0, 2);
}

function program(args: readonly string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", join(ROOT, "main.ts"), ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs the program to its end, and returns the JSON object that it answers with. */
async function answer(args: readonly string[]): Promise<Record<string, unknown>> {
  const child = program([...args, "--json"]).spawn();
  running.push(child);
  const timer = setTimeout(() => child.kill("SIGKILL"), STEP_MS);
  const { success, stdout, stderr } = await child.output();
  clearTimeout(timer);
  running.splice(running.indexOf(child), 1);
  const text = new TextDecoder();
  if (!success) throw new Error(`nano-snap ${args.join(" ")} failed:\n${text.decode(stderr)}`);
  return JSON.parse(text.decode(stdout));
}

/** Starts the program, and returns once a line of its log says what is waited for. */
async function start(args: readonly string[], ready: RegExp): Promise<void> {
  const child = program(args).spawn();
  running.push(child);
  const timer = setTimeout(() => child.kill("SIGKILL"), STEP_MS);
  let heard = "";
  for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) {
    heard += part;
    if (!ready.test(heard)) continue;
    clearTimeout(timer);
    return;
  }
  throw new Error(`nano-snap ${args.join(" ")} ended early:\n${heard}`);
}

async function stop(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGTERM");
  } catch {
    return; // It has ended.
  }
  await child.status;
}

function sha256(path: string): string {
  return createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
}
