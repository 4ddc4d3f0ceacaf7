// kill -9 at every step of a swap: the node's folder holds a ledger that LMDB reads, the old one or the new one whole, and
// the next run brings the new one in and leaves nothing behind.

import assert from "node:assert/strict";
import { join } from "node:path";
import { namesIn, playSwap, watchedMachine } from "../node/swap_steps.ts";
import { ledgerFixture } from "./ledger_fixture.ts";
import { NodeFolder, statOf } from "./node_folder.ts";
import { need, runProgram, sha256OfFile, tempDir } from "./support.ts";

const SCRIPT = join(import.meta.dirname!, "swap_main.ts");
const OLD = 600;
const NEW = 1200;
const MOST_STEPS = 60;

Deno.test({
  name: "a swap that is killed at any step leaves the old or the new ledger, and the next run ends it",
  ignore: need("mdb_load", "mdb_stat"),
  async fn() {
    const old = await ledgerFixture(OLD);
    const fresh = await ledgerFixture(NEW);
    const seen = new Set<string>();
    let killed = 0;
    for (let step = 1;; step++) {
      assert.ok(step < MOST_STEPS);
      await using temp = await tempDir();
      const folder = await NodeFolder.make(temp.join("Nano"), OLD);
      const args = ["run", "-A", "--quiet", "--no-check", SCRIPT, folder.path, fresh.path, String(step)];
      const { code, signal, stderr } = await runProgram(Deno.execPath(), args);
      const hash = sha256OfFile(folder.ledger);
      assert.ok(hash === old.sha256 || hash === fresh.sha256, `step ${step}`);
      assert.equal(await statOf(folder.ledger, "blocks"), hash === old.sha256 ? OLD : NEW);
      seen.add(hash);
      playSwap(watchedMachine(() => {}), {
        directory: folder.path,
        backup: true,
        unpack: (partial) => Deno.copyFileSync(fresh.path, partial),
      });
      assert.equal(sha256OfFile(folder.ledger), fresh.sha256);
      assert.deepEqual(
        namesIn(folder.path).filter((name) => name.startsWith("data") || name.startsWith(".")),
        [
          "data.ldb",
          "data.ldb.bak-2026-11-22",
        ],
      );
      assert.equal(sha256OfFile(join(folder.path, "data.ldb.bak-2026-11-22")), old.sha256);
      folder.mustBeUntouched();
      if (signal === null) {
        assert.equal(code, 0, stderr);
        break;
      }
      assert.equal(signal, "SIGKILL");
      killed++;
    }
    assert.deepEqual(seen, new Set([old.sha256, fresh.sha256]));
    assert.ok(killed > 10, `${killed} steps`);
  },
});
