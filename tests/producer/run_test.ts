// What `produce run` refuses before it touches anything, and what it leaves where it is killed. The whole of it:
// tests/interop/produce_run_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { UsageError } from "../../lib/errors.ts";
import { sha256 } from "../../lib/hash.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { systemHttp } from "../../lib/io/http.ts";
import { systemNet } from "../../lib/io/net.ts";
import type { HashJob } from "../../lib/producer/file_hasher.ts";
import { SigningKey } from "../../lib/producer/keys.ts";
import { findCurrent, OutputPaths } from "../../lib/producer/pairs.ts";
import { prepareSnapshot } from "../../lib/producer/prepare.ts";
import { DOWNLOAD_DEFAULTS } from "../../lib/producer/ranged_download.ts";
import { produceRun, type RunMachine, type RunOptions } from "../../lib/producer/run.ts";
import { watchedMachine } from "../node/swap_steps.ts";
import { NO_LINKS, notOnWindows } from "../windows.ts";
import { archiveBytes, FileServer } from "./file_server.ts";
import { hashBytes } from "./hashing.ts";

Deno.test({
  name: "produceRun() refuses the ledger's own folder: its archives would take the ledger's name",
  ignore: notOnWindows(NO_LINKS),
}, async (t) => {
  const folder = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    const node = join(folder, "node");
    Deno.mkdirSync(node);
    Deno.writeTextFileSync(join(node, "data.ldb"), "ledger");
    Deno.symlinkSync(node, join(folder, "link"));
    Deno.mkdirSync(join(folder, "other"));
    Deno.symlinkSync(join(node, "data.ldb"), join(folder, "other", "data.ldb"));
    for (
      const [path, outputDir] of [["node", "node"], ["link/data.ldb", "node"], ["other", "link"]] as const
    ) {
      await t.step(`${path} into ${outputDir}`, async () => {
        const options = {
          outputDir: join(folder, outputDir),
          source: { kind: "ledger", path: join(folder, path), format: "ldb" },
        } as RunOptions;
        const machine = { files: systemFiles } as RunMachine;
        const run = produceRun(options, machine, () => {}, new AbortController().signal);
        await assert.rejects(run, (error: Error) => {
          assert.ok(error instanceof UsageError, String(error));
          assert.match(error.message, /the ledger itself lies there/);
          return true;
        });
        assert.deepEqual(systemFiles.list(node), ["data.ldb"]);
      });
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

class Killed extends Error {}

/** A machine that makes no more changes from the one with this number on, and has no network but HTTP. */
function dyingMachine(at: number): RunMachine {
  let count = 0;
  const { files } = watchedMachine(() => {
    if (++count >= at) throw new Killed();
  });
  return {
    files,
    http: systemHttp,
    clock: { nowMs: () => performance.now(), unixMs: () => 0, sleep: () => Promise.resolve() },
    random: { bytes: (length: number) => new Uint8Array(length) },
    hasher: {
      hash: async (job: HashJob) => await hashBytes(Deno.readFileSync(job.path), job),
      hashWhole: ({ path }: { path: string }) => Promise.resolve(sha256(Deno.readFileSync(path))),
    },
    net: { ...systemNet, openUdp: () => Promise.reject(new Killed()) },
    client: "nano-snap test",
    pid: 1,
  } as Partial<RunMachine> as RunMachine;
}

const CONTENTS = [archiveBytes(300_000), archiveBytes(400_000)] as const;

Deno.test("produceRun() killed at any change has nothing ready to be moved before the archive of before is retained", async () => {
  const never = new AbortController().signal;
  let ready = 0;
  for (let at = 1;; at++) {
    assert.ok(at < 100);
    const outputDir = Deno.makeTempDirSync({ prefix: "nano-snap-run-" });
    await using server = new FileServer(CONTENTS[1], {}, { "/latest": "/files/new.7z" });
    try {
      const paths = new OutputPaths(outputDir);
      const path = join(outputDir, "nano-ledger-snapshot.7z");
      Deno.writeFileSync(path, CONTENTS[0]);
      const torrent = {
        pieceLength: undefined,
        originalFilename: undefined,
        formatFacts: false,
        v2Only: false,
        trackers: [],
      };
      await prepareSnapshot({ ...torrent, path }, dyingMachine(Infinity), () => {}, never);
      const { v2 } = findCurrent(systemFiles, paths);
      const options: RunOptions = {
        outputDir,
        source: { kind: "index", url: server.url("/latest"), limits: DOWNLOAD_DEFAULTS },
        key: new SigningKey(new Uint8Array(32)),
        salt: new Uint8Array(),
        stateFile: undefined,
        dht: { bind: [], bootstrap: [] },
        torrent,
        retain: 1,
        hub: undefined,
      };
      await assert.rejects(produceRun(options, dyingMachine(at), () => {}, never), Killed);
      const next = join(outputDir, "tmp", "next", "snapshot-meta.json");
      const isReady = systemFiles.stat(next) !== undefined &&
        Deno.readTextFileSync(next).includes("nano_snap_source");
      const isMoved = !Deno.readTextFileSync(paths.meta).includes(v2);
      if (!isReady && !isMoved) continue;
      ready++;
      const kept = join(paths.retainedPair(v2), "nano-ledger-snapshot.7z");
      assert.deepEqual(Deno.readFileSync(kept), CONTENTS[0], `change ${at}`);
      if (isMoved) break;
    } finally {
      Deno.removeSync(outputDir, { recursive: true });
    }
  }
  assert.ok(ready > 2, "ready, and moved in several steps");
});
