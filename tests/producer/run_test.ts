// What `produce run` refuses before it touches anything. The whole of it: tests/interop/produce_run_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { UsageError } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { produceRun, type RunMachine, type RunOptions } from "../../lib/producer/run.ts";
import { NO_LINKS, notOnWindows } from "../windows.ts";

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
