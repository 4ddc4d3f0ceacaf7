// `nano-snap doctor` on this machine: a DHT of libtorrent's, a node's folder with a ledger by LMDB, a port that is taken.

import assert from "node:assert/strict";
import { join } from "node:path";
import { NodeFolder, openAsNode } from "./node_folder.ts";
import { nanoSnap, needStage, Stage } from "./stage.ts";

interface Check {
  readonly name: string;
  readonly verdict: string;
  readonly text: string;
  readonly remedy: string | null;
}

Deno.test({
  name: "doctor says what is ready and what is not, and exits 1 only when something fails",
  ignore: needStage("lmdb"),
  async fn() {
    await using stage = await Stage.open(4);
    const home = stage.temp.join("home");
    const folder = await NodeFolder.make(join(home, "Nano"), 600);
    const bin = stage.temp.join("bin");
    Deno.mkdirSync(bin);
    Deno.writeTextFileSync(join(bin, "nano_node"), "#!/bin/sh\necho Version V26.1\n", { mode: 0o755 });
    const env = {
      HOME: home,
      DENO_DIR: Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "", ".cache", "deno"),
      PATH: `${bin}:${Deno.env.get("PATH")}`,
    };
    const doctor = async (port: number, dht: string) => {
      const words = ["--json", "--data-dir", stage.dataDir, "--bind", "127.0.0.1", "--port", String(port)];
      await using run = nanoSnap(["doctor", ...words, "--dht-bootstrap", dht], 60_000, env);
      const { code, stdout, stderr } = await run.finished();
      const { verdict, checks } = JSON.parse(stdout) as { verdict: string; checks: Check[] };
      return { code, stderr, verdict, of: new Map(checks.map((check) => [check.name, check])) };
    };
    {
      await using node = await openAsNode(folder);
      const { code, verdict, of, stderr } = await doctor(0, stage.swarm.bootstrap());
      const failed = [...of.values()].filter((check) => check.verdict === "fail").map(({ name }) => name);
      // What this machine has of room and memory is its own business.
      assert.deepEqual(failed.filter((name) => name !== "space" && name !== "limits"), [], stderr);
      assert.equal(code, failed.length === 0 ? 0 : 1);
      assert.equal(verdict, failed.length === 0 ? "warn" : "fail");
      for (const name of ["permissions", "port", "dht", "clock", "node", "node-version"]) {
        assert.equal(of.get(name)?.verdict, "ok", name);
      }
      assert.match(of.get("dht")!.text, /^\d+ DHT nodes/);
      assert.equal(of.get("node")!.text, `${folder.path}, the node is running: stop it before get --install`);
      assert.match(of.get("ledger")!.text, /version 24, 600 blocks.*V26\.1.*needs V27\.0/);
      assert.equal(of.get("ledger")!.remedy, "upgrade the node");
      assert.ok([...of.values()].every((check) => (check.verdict === "ok") === (check.remedy === null)));
      assert.ok(node.pid > 0);
    }
    folder.mustBeUntouched();
    assert.throws(() => Deno.statSync(stage.dataDir), Deno.errors.NotFound);

    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = taken.addr;
    // Nobody answers there.
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const bad = await doctor(port, `127.0.0.1:${silent.addr.port}`);
    assert.equal(bad.code, 1);
    assert.equal(bad.verdict, "fail");
    assert.match(bad.of.get("port")!.text, new RegExp(String(port)));
    assert.deepEqual([bad.of.get("port")?.verdict, bad.of.get("dht")?.verdict], ["fail", "fail"]);
    assert.match(bad.stderr, /^nano-snap: This machine is not ready: (space, )?port, dht/m);
    assert.match(bad.of.get("node")!.text, /the node is stopped/);
  },
});
