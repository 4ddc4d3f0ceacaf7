import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { OperationFailed } from "../../lib/errors.ts";
import type { Report, RunEvent } from "../../lib/events.ts";
import { systemClock } from "../../lib/io/clock.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { systemNet } from "../../lib/io/net.ts";
import type { Endpoint } from "../../lib/ports.ts";
import { parseStatus } from "../../lib/status/run_status.ts";
import { watch } from "../../lib/status/watch.ts";
import { SEEDING } from "./moments.ts";

const HERE = { host: "127.0.0.1", port: 0 };
const FETCHED = { infoHash: "ab", seq: 1, name: undefined, originalFilename: undefined, size: undefined };
const STANDING = {
  ...SEEDING.traffic,
  snapshot: undefined,
  kept: 0,
  newestSeq: undefined,
  foundUnixMs: undefined,
  trouble: undefined,
};

/** A folder to be held, and what a run in it told. */
class Stage implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "nano-snap-watch-" });
  readonly events: RunEvent[] = [];
  /** Each ends one of the watcher's waits. */
  readonly waits: (() => void)[] = [];

  watch<T>(run: (report: Report) => Promise<T>, metrics?: Endpoint): Promise<T> {
    const clock = {
      ...systemClock,
      // The server's waits end with its requests; the ticker's when the test says so.
      sleep: (_ms: number, signal?: AbortSignal) =>
        new Promise<void>((resolve) => {
          this.waits.push(resolve);
          if (signal?.aborted === true) resolve();
          signal?.addEventListener("abort", () => resolve());
        }),
    };
    const machine = { clock, files: systemFiles, net: systemNet, pid: 42, hostName: "here" };
    const report = (event: RunEvent) => void this.events.push(event);
    return watch({ role: "swarm", version: "1.2.3", machine, metrics, report }, run);
  }

  get notes(): string[] {
    return this.events.flatMap((event) => event.kind === "note" ? [`${event.level}: ${event.text}`] : []);
  }

  get path(): string {
    return join(this.folder, "status.json");
  }

  status() {
    return parseStatus(JSON.parse(readFileSync(this.path, "utf8")))!;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

Deno.test("watch() writes status.json while the directory is held: at each phase, now and then, and at the end", async () => {
  using stage = new Stage();
  const result = await stage.watch(async (report) => {
    report({ kind: "phase", phase: "bootstrapping_dht", previous: "starting" });
    assert.ok(!existsSync(stage.path), "another instance may hold it");
    report({ kind: "facts", facts: { directory: stage.folder } });
    assert.equal(stage.status().phase, "bootstrapping_dht");
    report({ kind: "phase", phase: "seeding", previous: "bootstrapping_dht" });
    assert.equal(stage.status().phase, "seeding");
    report({ kind: "facts", facts: { fetching: FETCHED } });
    assert.equal(stage.status().generation, undefined, "facts come often and are not worth a write each");
    stage.waits[0]!();
    // The ticker writes, then waits again.
    for (let turns = 0; turns < 100 && stage.waits.length < 2; turns++) await Promise.resolve();
    const { generation, isRunning, pid, hostName, version, metricsUrl } = stage.status();
    assert.equal(generation?.infoHash, FETCHED.infoHash);
    assert.deepEqual([isRunning, pid, hostName, version, metricsUrl], [true, 42, "here", "1.2.3", undefined]);
    report({ kind: "phase", phase: "stopped", previous: "seeding" });
    report({ kind: "facts", facts: { directory: undefined } });
    assert.deepEqual([stage.status().isRunning, stage.status().phase], [false, "stopped"]);
    rmSync(stage.path);
    report({ kind: "phase", phase: "idle", previous: "stopped" });
    return 7;
  });
  assert.equal(result, 7);
  assert.ok(!existsSync(stage.path), "not ours any more");
  assert.ok(stage.events.some((event) => event.kind === "facts"), "events go on to the view");
});

Deno.test("watch() serves metrics from when the directory is held until the run ends", async () => {
  using stage = new Stage();
  let url = "";
  await assert.rejects(
    stage.watch(async (report) => {
      assert.deepEqual(stage.notes, []);
      report({ kind: "facts", facts: { directory: stage.folder } });
      report({ kind: "standing", standing: STANDING });
      url = stage.status().metricsUrl ?? "";
      assert.deepEqual(stage.notes, [`info: Metrics at ${url}/metrics`]);
      const metrics = await (await fetch(`${url}/metrics`)).text();
      assert.match(metrics, /^nano_snapshot_swarm_peers\{role="leecher"\} 3$/m);
      assert.match(metrics, /^nano_snapshot_state\{service="mirror",state="starting"\} 1$/m);
      const ready = await fetch(`${url}/readyz`);
      assert.equal(ready.status, 503);
      await ready.body?.cancel();
      throw new OperationFailed("it ended");
    }, HERE),
    /it ended/,
  );
  await assert.rejects(fetch(`${url}/metrics`));
});

Deno.test("watch() warns when the port is taken, and goes on", async () => {
  using stage = new Stage();
  const other = systemNet.listenTcp(HERE);
  try {
    await stage.watch((report) => {
      report({ kind: "facts", facts: { directory: stage.folder } });
      assert.equal(stage.status().metricsUrl, undefined);
      return Promise.resolve();
    }, other.local);
  } finally {
    other.close();
  }
  const { port } = other.local;
  assert.deepEqual(stage.notes, [
    `warning: No metrics are served: another program has 127.0.0.1:${port}; --metrics-port takes another port`,
  ]);
});

Deno.test("watch() complains once when status.json cannot be written, and goes on", async () => {
  using stage = new Stage();
  await stage.watch((report) => {
    report({ kind: "facts", facts: { directory: join(stage.folder, "not", "there") } });
    report({ kind: "phase", phase: "seeding", previous: "starting" });
    return Promise.resolve();
  });
  assert.equal(stage.notes.length, 1);
  assert.match(
    stage.notes[0]!,
    /^warning: Cannot write .*not.there.status\.json.*: whoever looks at this run sees/,
  );
  assert.ok(statSync(stage.folder).isDirectory());
});
