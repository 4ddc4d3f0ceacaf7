// `nano-snap status` and `nano-snap health` over a status.json, and over HTTP, with the system's own files.

import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCli } from "../../lib/cli/program.ts";
import { systemClock } from "../../lib/io/clock.ts";
import { SystemMachine } from "../../lib/io/machine.ts";
import { systemNet } from "../../lib/io/net.ts";
import { HttpServer, type Page } from "../../lib/status/http_server.ts";
import { pageOf } from "../../lib/status/pages.ts";
import { type RunStatus, statusJson } from "../../lib/status/run_status.ts";
import { FETCHING, NOW, SEEDING } from "../status/moments.ts";
import { emptyContext } from "./programs.ts";

const MACHINE = new SystemMachine("nano-snap test");
const HERE = { pid: Deno.pid, hostName: MACHINE.hostName };

/** A data directory with a status in it. */
class Desk implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "nano-snap-status-" });

  write(text: string): void {
    mkdirSync(join(this.folder, ".nano-snap"), { recursive: true });
    writeFileSync(join(this.folder, ".nano-snap", "status.json"), text);
  }

  run(status: Partial<RunStatus>): void {
    this.write(JSON.stringify(statusJson({ ...SEEDING, ...HERE, ...status })));
  }

  async say(...args: string[]) {
    const heard = { stdout: "", stderr: "" };
    const context = emptyContext(heard, {
      env: { DATA_DIR: this.folder },
      clock: { ...systemClock, unixMs: () => NOW },
      machine: () => Promise.resolve(MACHINE),
    });
    const exitCode = await runCli(args, context);
    return { ...heard, exitCode };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

Deno.test("status says what a mirror does in a few lines", async () => {
  using desk = new Desk();
  desk.run({ ...FETCHING, ...HERE, degraded: "no \x1b[2J answer" });
  const { stdout, stderr, exitCode } = await desk.say("status");
  assert.deepEqual([exitCode, stderr], [0, ""]);
  assert.equal(
    stdout,
    `nano-snap swarm: downloading for 1 h 0 min
  snapshot   seq 1370, ${"ab".repeat(32)}, 57.6 GB, Nano_64_version_27_2026_08_12.7z
  progress   Download 50.0%, 28.8 of 57.6 GB, 1 h 12 min left
  peers      3 leechers, 2 seeds, 7 connections; down 0 B/s, up 1.2 MB/s
  total      down 57.6 GB, up 1.0 GB
  network    120 DHT nodes, pointer last found 4 min ago, others can connect to it
  degraded   no \\x1b[2J answer
  process    ${Deno.pid}, version 1.2.3, for 2 h 0 min
  metrics    http://127.0.0.1:9109/metrics
`,
  );
});

Deno.test("status says first what is wrong with a run that runs", async () => {
  using desk = new Desk();
  desk.run({ phase: "error", lastError: "the disk is full" });
  const { stdout, exitCode } = await desk.say("status", "--data-dir", desk.folder);
  assert.equal(exitCode, 0);
  assert.match(
    stdout,
    /^nano-snap swarm: error for .*\n {2}trouble {4}swarm is in error: the disk is full\n/,
  );
});

Deno.test("status --json gives status.json's keys and the verdict", async () => {
  using desk = new Desk();
  desk.run({});
  const json = JSON.parse((await desk.say("status", "--json")).stdout);
  assert.equal(json.healthy, true);
  assert.equal(json.verdict, "swarm seeds seq 1370");
  assert.deepEqual(json.rates, { down_bytes_per_sec: 0, up_bytes_per_sec: 1_200_000 });
  assert.deepEqual(
    Object.keys(json),
    [...Object.keys(statusJson(SEEDING)), "healthy", "verdict"],
  );
});

Deno.test("status and health exit 1 where nothing runs, with one sentence", async () => {
  using desk = new Desk();
  const sentence = async (why: RegExp) => {
    for (const command of ["status", "health"]) {
      const heard = await desk.say(command);
      assert.deepEqual([heard.exitCode, heard.stdout], [1, ""]);
      assert.match(heard.stderr, why);
      assert.equal(heard.stderr.split("\n").length, 2);
    }
  };
  await sentence(/^nano-snap: Nothing has run in .* yet: there is no .*status\.json\n$/);
  desk.run({ isRunning: false, phase: "stopped" });
  await sentence(/^nano-snap: swarm ended 2 s ago\n$/);
  desk.run({ pid: await endedProcess() });
  await sentence(/^nano-snap: swarm does not run any more: its process \d+ is gone\n$/);
  desk.run({ updatedUnixMs: NOW - 60_000, hostName: "elsewhere" });
  await sentence(/^nano-snap: swarm hangs or was killed: it last said something 1 min ago\n$/);
  for (const text of ["", "{", "[]", "{}", "null", '{"role": "swarm"}', "\xff"]) {
    desk.write(text);
    await sentence(/^nano-snap: Cannot understand .*status\.json: it is not the status of a run\n$/);
  }
});

Deno.test("health exits 0 with a sentence for a run that does its role", async () => {
  using desk = new Desk();
  desk.run({});
  assert.deepEqual(await desk.say("health"), { exitCode: 0, stdout: "swarm seeds seq 1370\n", stderr: "" });
  desk.run({ ...FETCHING, ...HERE });
  assert.equal((await desk.say("health")).exitCode, 0);
  desk.run({ ...FETCHING, ...HERE, advancedUnixMs: NOW - 3_600_000 });
  const heard = await desk.say("health");
  assert.deepEqual([heard.exitCode, heard.stdout], [1, ""]);
  assert.match(heard.stderr, /^nano-snap: swarm has nothing to serve and has not come on for 1 h 0 min/);
});

Deno.test("health does not look for a process of another machine", async () => {
  using desk = new Desk();
  desk.run({ hostName: "elsewhere", pid: await endedProcess() });
  assert.equal((await desk.say("health")).exitCode, 0);
});

Deno.test("status and health ask a metrics address, whatever page of it is named", async () => {
  using desk = new Desk();
  // Its clock is another machine's.
  const status = { ...SEEDING, updatedUnixMs: 1000, beatUnixMs: 1000, hostName: "elsewhere" };
  await using server = serve((path) => pageOf(path, status));
  const base = `http://127.0.0.1:${server.local.port}`;
  for (const url of [base, `${base}/`, `${base}/metrics`]) {
    assert.match((await desk.say("status", "--url", url)).stdout, /^nano-snap swarm: seeding/);
  }
  assert.equal((await desk.say("health", "--url", base)).stdout, "swarm seeds seq 1370\n");
});

Deno.test("health exits 1 where a URL gives no status, and 2 where it is none", async () => {
  using desk = new Desk();
  await using server = serve((path) =>
    path === "/status" ? { status: 503, type: "text/html", body: "<p>no</p>" } : undefined
  );
  const url = `http://127.0.0.1:${server.local.port}`;
  const refused = await desk.say("health", "--url", url);
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /^nano-snap: Cannot read http:.*\/status: the server says 503\n$/);
  await server[Symbol.asyncDispose]();
  const gone = await desk.say("health", "--url", url);
  assert.equal(gone.exitCode, 1);
  assert.match(gone.stderr, /^nano-snap: Cannot get from 127\.0\.0\.1:\d+: .*\n$/);
  for (const words of [["--url", "9109"], ["--url", "ftp://x"], ["--url", url, "--data-dir", "x"]]) {
    assert.equal((await desk.say("health", ...words)).exitCode, 2, words.join(" "));
  }
});

function serve(page: (path: string) => Page | undefined): HttpServer {
  return new HttpServer({ net: systemNet, clock: systemClock, at: { host: "127.0.0.1", port: 0 }, page });
}

/** The number of a process that has ended and been waited for. */
async function endedProcess(): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
  await child.status;
  return child.pid;
}
