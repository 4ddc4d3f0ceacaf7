// deploy/ as the programs that read it see it: systemd's own opinion of the units, a `get` under their system-call
// filters, Prometheus' of its rules and of the dashboard's questions, OpenSSL's of a signed release, and shellcheck's.
// What tests/deploy/ reads is read there.

import assert from "node:assert/strict";
import { join } from "node:path";
import { needStage, Stage } from "./stage.ts";
import { mustRun, need, PYTHON, runProgram, sha256OfFile, tempDir } from "./support.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const UNITS = join(ROOT, "deploy", "systemd");
const SERVICES = ["nano-snap.service", "nano-snap-produce.service", "nano-snap-snapshot.service"];
const SANDBOX = join(import.meta.dirname!, "py", "sandbox.py");
const SMALL = 25_000;
/** The bar of `systemd-analyze security`, whose scale ends at 10. */
const MOST_EXPOSURE = 2.0;

/** Where `systemd-analyze --root` looks: this system's units and ours, and something in the place of each program. */
async function systemRoot(path: string, change: (unit: string) => string = (unit) => unit): Promise<void> {
  for (const folder of ["etc/systemd/system", "usr/lib/systemd", "usr/local/bin", "bin"]) {
    Deno.mkdirSync(join(path, folder), { recursive: true });
  }
  for (const { name } of Deno.readDirSync(UNITS)) {
    Deno.writeTextFileSync(
      join(path, "etc/systemd/system", name),
      change(Deno.readTextFileSync(join(UNITS, name))),
    );
  }
  for (const program of ["usr/local/bin/nano-snap", "bin/kill", "bin/sh"]) {
    Deno.writeTextFileSync(join(path, program), "#!/bin/sh\n", { mode: 0o755 });
  }
  await mustRun("cp", ["-a", "/usr/lib/systemd/system", join(path, "usr/lib/systemd/")]);
}

const verify = (root: string, unit: string) =>
  runProgram("systemd-analyze", ["verify", "--man=no", `--root=${root}`, unit]);

Deno.test({
  name: "deploy/systemd: systemd-analyze verify has nothing to say of any unit",
  ignore: need("systemd-analyze"),
  async fn() {
    await using temp = await tempDir();
    await systemRoot(temp.path);
    for (const unit of [...SERVICES, "nano-snap-snapshot.timer"]) {
      const { code, stderr } = await verify(temp.path, unit);
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" }, unit);
    }
  },
});

Deno.test({
  name: "deploy/systemd: systemd-analyze verify finds a misspelt setting and a program that is not there",
  ignore: need("systemd-analyze"),
  async fn() {
    for (
      const [of, by, complaint] of [
        ["ProtectClock=", "ProtectClocks=", "ProtectClocks"],
        ["/usr/local/bin/nano-snap", "/usr/local/bin/nano-snip", "nano-snip"],
        ["RestartSec=30", "RestartSec=soon", "soon"],
      ] as const
    ) {
      await using temp = await tempDir();
      await systemRoot(temp.path, (unit) => unit.replace(of, by));
      const { stderr } = await verify(temp.path, "nano-snap.service");
      assert.ok(stderr.includes(complaint), stderr);
    }
  },
});

Deno.test({
  name: "deploy/systemd: systemd-analyze security gives each service an exposure of at most 2.0",
  ignore: need("systemd-analyze"),
  async fn() {
    for (const service of SERVICES) {
      const args = ["security", "--offline=true", "--no-pager", join(UNITS, service)];
      const { stdout } = await mustRun("systemd-analyze", args);
      const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1] ?? NaN);
      assert.ok(exposure > 0 && exposure <= MOST_EXPOSURE, `${service}: ${exposure}`);
    }
  },
});

Deno.test({
  name: "deploy/systemd: get --extract works under the mirror's system-call filters, which hold",
  ignore: needStage("7zz", "seccomp", "systemd-analyze"),
  async fn() {
    const unit = join(UNITS, "nano-snap.service");
    for (
      const forbidden of [
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "import os; os.setuid(os.getuid())",
      ]
    ) {
      assert.equal((await runProgram(PYTHON, ["-c", forbidden])).code, 0);
      assert.equal((await runProgram(PYTHON, [SANDBOX, unit, PYTHON, "-c", forbidden])).code, 1, forbidden);
    }
    await using stage = await Stage.open();
    const published = await stage.publish({ blocks: SMALL, pieceSize: 1 << 20 });
    const program = [Deno.execPath(), "run", "--quiet", "--no-code-cache", "-A", join(ROOT, "main.ts")];
    const { code, stderr } = await runProgram(PYTHON, [
      SANDBOX,
      unit,
      ...program,
      "get",
      "--extract",
      ...stage.common(),
    ]);
    assert.equal(code, 0, stderr);
    assert.equal(sha256OfFile(join(stage.dataDir, "data.ldb")), published.ledger.sha256);
  },
});

Deno.test({
  name: "deploy/prometheus: promtool takes rules and configuration, and each alert fires when it should",
  ignore: need("promtool"),
  async fn() {
    const cwd = join(ROOT, "deploy", "prometheus");
    await mustRun("promtool", ["check", "config", "prometheus.yml"], { cwd });
    const { stdout } = await mustRun("promtool", ["check", "rules", "alerts.yml"], { cwd });
    assert.match(stdout, /SUCCESS: \d+ rules found/);
    await mustRun("promtool", ["test", "rules", "alerts_test.yml"], { cwd });
  },
});

Deno.test({
  name: "deploy/grafana: promtool can read every question of the dashboard",
  ignore: need("promtool"),
  async fn() {
    const board = JSON.parse(Deno.readTextFileSync(join(ROOT, "deploy/grafana/nano-snap.json")));
    const questions: string[] = [
      ...board.panels.flatMap(({ targets }: { targets: { expr: string }[] }) =>
        targets.map(({ expr }) => expr)
      ),
      ...board.annotations.list.map(({ expr }: { expr: string }) => expr),
    ];
    // What Grafana puts in the place of its variables.
    const filled = questions.map((question) =>
      question.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/g, ".+")
    );
    const rules = filled.map((expr, at) => ({ record: `question:${at}`, expr }));
    await using temp = await tempDir();
    Deno.writeTextFileSync(
      temp.join("rules.yml"),
      JSON.stringify({ groups: [{ name: "dashboard", rules }] }),
    );
    const { stdout } = await mustRun("promtool", ["check", "rules", temp.join("rules.yml")]);
    assert.ok(stdout.includes(`SUCCESS: ${questions.length} rules found`), stdout);
  },
});

Deno.test({
  name: "deploy/release/sign.sh signs by the key whose half is named, and by no other",
  ignore: need("openssl"),
  async fn() {
    await using temp = await tempDir();
    const sums = temp.join("SHA256SUMS");
    Deno.writeTextFileSync(sums, "# nano-snap 1.0.0\n");
    const newKey = async (name: string) => {
      const { stdout: key } = await mustRun("openssl", ["genpkey", "-algorithm", "ed25519"]);
      const { stdout: half } = await mustRun("openssl", ["pkey", "-pubout"], { stdin: key });
      const line = half.split("\n").find((text) => text.startsWith("MCow"))!;
      Deno.writeTextFileSync(temp.join(name), `# a comment\n${line}\n`);
      Deno.writeTextFileSync(temp.join(`${name}.pem`), half);
      return key;
    };
    const own = await newKey("own");
    await newKey("other");
    Deno.writeTextFileSync(temp.join("none"), "# a comment\nnone\n");
    const script = join(ROOT, "deploy/release/sign.sh");
    const sign = (half: string, key: string, file = sums) =>
      runProgram(script, [file, temp.join(half)], { env: { RELEASE_SIGNING_KEY: key } });

    const good = await sign("own", own);
    assert.equal(good.code, 0, good.stderr);
    assert.equal(Deno.statSync(`${sums}.sig`).size, 64);
    const args = ["pkeyutl", "-verify", "-rawin", "-pubin", "-in", sums, "-sigfile", `${sums}.sig`, "-inkey"];
    assert.equal((await runProgram("openssl", [...args, temp.join("own.pem")])).code, 0);
    assert.equal((await runProgram("openssl", [...args, temp.join("other.pem")])).code, 1);

    Deno.removeSync(`${sums}.sig`);
    for (
      const [half, key, why] of [
        ["other", own, "not the other half"],
        ["own", "no key", "no private key"],
        ["own", "", "is not set"],
        ["none", own, "says none"],
      ] as const
    ) {
      const refused = await sign(half, key);
      assert.equal(refused.code, 1);
      assert.ok(refused.stderr.includes(why), refused.stderr);
      assert.ok(!refused.stderr.includes("BEGIN PRIVATE"), "the key is never told");
      assert.throws(() => Deno.statSync(`${sums}.sig`), Deno.errors.NotFound);
    }
    assert.equal((await sign("own", "", "--check")).code, 0);
    assert.equal((await sign("none", "", "--check")).code, 1);
  },
});

Deno.test({
  name: "deploy/release: shellcheck has nothing to say of the scripts",
  ignore: need("shellcheck"),
  async fn() {
    const folder = join(ROOT, "deploy/release");
    const scripts = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
      name.endsWith(".sh")
    );
    assert.ok(scripts.length >= 3);
    await mustRun("shellcheck", [...scripts.map((name) => join(folder, name)), join(ROOT, ".ci/run")]);
  },
});
