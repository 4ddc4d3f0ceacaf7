// The stage itself, without our program: what the other tests publish is a ledger that LMDB reads and a torrent that
// libtorrent fetches. When this fails, the fixtures are wrong and not the program.

import assert from "node:assert/strict";
import { join } from "node:path";
import { ledgerFixture } from "./ledger_fixture.ts";
import { needStage, Stage } from "./stage.ts";
import { mustRun, need, sha256OfFile } from "./support.ts";

const SMALL = 25_000;

Deno.test({
  name: "ledgerFixture() is what LMDB's own tool counts, and unpacks to itself",
  ignore: need("mdb_load", "mdb_stat", "7zz", "zstd", "tar"),
  async fn() {
    const ledger = await ledgerFixture(SMALL);
    const { stdout } = await mustRun("mdb_stat", ["-n", "-a", ledger.path]);
    const entries = Object.fromEntries(
      [...stdout.matchAll(/Status of (\w+)\n(?:.*\n){4} +Entries: (\d+)/g)].map((
        match,
      ) => [match[1], Number(match[2])]),
    );
    assert.deepEqual(entries, {
      accounts: ledger.facts.accountCount,
      blocks: ledger.facts.blockCount,
      confirmation_height: ledger.facts.accountCount,
      meta: 1,
    });
    const out = join(ledger.path, "..", "out");
    await mustRun("7zz", ["x", "-bso0", "-bsp0", `-o${out}`, await ledger.archive("7z")]);
    assert.equal(sha256OfFile(join(out, "data.ldb")), ledger.sha256);
    await mustRun("tar", ["-I", "zstd", "-xf", await ledger.archive("tar.zst"), "-C", out]);
    assert.equal(sha256OfFile(join(out, "data.ldb")), ledger.sha256);
  },
});

for (const kind of ["hybrid", "v2"] as const) {
  Deno.test({
    name: `a libtorrent leech gets what the stage publishes: pointer, ${kind}, bare v2 magnet, three seeds`,
    ignore: needStage("7zz"),
    async fn() {
      await using stage = await Stage.open();
      const published = await stage.publish({ blocks: SMALL, kind, pieceSize: 1 << 20, seeds: 3 });
      const item = await stage.swarm.dhtGet({ node: 3 });
      assert.equal(item.seq, published.seq);
      assert.equal(item.v, `33323a${published.torrent.v2}`); // "32:" and the raw hash
      Deno.mkdirSync(stage.dataDir);
      const magnet = published.torrent.magnet_v2 ?? "";
      const leech = await stage.swarm.addLeech({ dir: stage.dataDir, magnet, dht: true });
      await stage.swarm.done(leech);
      const got = stage.temp.join("data", "nano-ledger-snapshot.7z");
      assert.equal(sha256OfFile(got), sha256OfFile(published.archive));
      assert.ok((await stage.swarm.status(leech)).downloaded >= published.torrent.size);
    },
  });
}
