// deploy/systemd: that the units start what exists, with settings that are read. systemd's own opinion of them is asked in
// tests/interop/deploy_test.ts.

import assert from "node:assert/strict";
import { filesIn, read } from "./tree.ts";
import { knownVariables } from "./program_facts.ts";
import { parseUnit, type Unit } from "./unit.ts";

const units = new Map(
  filesIn("deploy/systemd").map((name) => [name, parseUnit(read(`deploy/systemd/${name}`))]),
);
const services = [...units].filter(([name]) => name.endsWith(".service"));

Deno.test("deploy/systemd has the mirror, the producer's pair, and its timer", () => {
  assert.deepEqual([...units.keys()], [
    "nano-snap-produce.service",
    "nano-snap-snapshot.service",
    "nano-snap-snapshot.timer",
    "nano-snap.service",
  ]);
});

for (const [name, unit] of services) {
  Deno.test(`${name} starts a command of the program where the installer puts it`, () => {
    const [program = "", ...words] = one(unit, "Service", "ExecStart").split(" ");
    assert.equal(program, "/usr/local/bin/nano-snap");
    assert.ok(read("install.sh").includes("folder=/usr/local/bin"));
    const command = words.filter((word) => !word.startsWith("-") && !word.includes("/"));
    assert.ok(["swarm", "produce seed", "produce run"].includes(command.join(" ")), command.join(" "));
    const known = knownFlags();
    for (const flag of words.filter((word) => word.startsWith("--"))) assert.ok(known.has(flag), flag);
  });

  Deno.test(`${name} sets variables that the program reads, and writes where it may`, () => {
    const folder = `/var/lib/${one(unit, "Service", "StateDirectory")}`;
    for (const setting of unit["Service"]!["Environment"] ?? []) {
      const [variable = "", value] = setting.split("=");
      assert.ok(knownVariables().has(variable), variable);
      assert.equal(value, folder);
    }
    assert.match(one(unit, "Service", "EnvironmentFile"), /^-\/etc\/nano-snap\/[a-z-]+\.env$/);
    for (const path of unit["Unit"]!["ConditionPathExists"] ?? []) {
      assert.ok(path.startsWith(`${folder}/`), path);
    }
  });

  Deno.test(`${name} is confined as far as the engine allows, and no further`, () => {
    const service = unit["Service"]!;
    assert.equal(service["MemoryDenyWriteExecute"], undefined, "V8 compiles as it runs");
    assert.equal(service["ProcSubset"], undefined, "locks and the boot id are read in /proc");
    assert.deepEqual(service["CapabilityBoundingSet"], [""]);
    assert.deepEqual(service["ProtectSystem"], ["strict"]);
    const same = (of: Unit) =>
      Object.entries(of["Service"]!).filter(([key]) =>
        /^(Protect|Private|Restrict[A-Z][A-Za-z]+$|SystemCall|Lock)/.test(key)
      )
        .filter(([key]) => !/^RestartPrevent/.test(key));
    assert.deepEqual(same(unit), same(services[0]![1]), "all services are confined alike");
  });
}

Deno.test("the mirror and the seeder reload by SIGHUP, start again, and end in order with 143", () => {
  for (const name of ["nano-snap.service", "nano-snap-produce.service"]) {
    const unit = units.get(name)!;
    assert.equal(one(unit, "Service", "ExecReload"), "/bin/kill -HUP $MAINPID");
    assert.equal(one(unit, "Service", "Restart"), "on-failure");
    assert.equal(one(unit, "Service", "RestartPreventExitStatus"), "2");
    assert.equal(one(unit, "Service", "SuccessExitStatus"), "143");
    assert.ok(Number(one(unit, "Service", "TimeoutStopSec")) > 10);
  }
});

Deno.test("the producer's pair shares user, folder, settings and key; the timer starts the right one", () => {
  const [seed, run] = [units.get("nano-snap-produce.service")!, units.get("nano-snap-snapshot.service")!];
  for (
    const key of ["User", "DynamicUser", "StateDirectory", "EnvironmentFile", "Environment", "LoadCredential"]
  ) {
    assert.deepEqual(seed["Service"]![key], run["Service"]![key], key);
  }
  assert.match(one(run, "Service", "ExecStartPost"), / start nano-snap-produce\.service; fi'$/);
  const timer = units.get("nano-snap-snapshot.timer")!;
  assert.ok(units.has("nano-snap-snapshot.timer".replace(".timer", ".service")));
  assert.equal(timer["Timer"]!["Unit"], undefined, "it starts the service of its own name");
});

Deno.test({
  name: "a look for an archive starts the seeder that waited for its first one, and none that was stopped",
  ignore: Deno.build.os === "windows",
  async fn() {
    const unit = units.get("nano-snap-snapshot.service")!;
    const [, script = ""] = /^\+\/bin\/sh -c '([^']+)'$/.exec(one(unit, "Service", "ExecStartPost")) ?? [];
    const root = Deno.makeTempDirSync({ prefix: "nano-snap-systemd-" });
    try {
      const systemctl = `#!/bin/sh
case $* in
  "--quiet is-enabled nano-snap-produce.service") exit "$DISABLED" ;;
  "show --property=ConditionResult --value nano-snap-produce.service") echo "$CONDITION" ;;
  *) echo "$*" ;;
esac
`;
      Deno.writeTextFileSync(`${root}/systemctl`, systemctl, { mode: 0o755 });
      const started = "--no-block start nano-snap-produce.service\n";
      for (
        const [DISABLED, CONDITION, said] of [
          ["0", "no", started],
          ["0", "yes", ""],
          ["1", "no", ""],
          ["1", "yes", ""],
        ] as const
      ) {
        // As systemd hands it over: a dollar is written twice.
        const { code, stdout } = await new Deno.Command("/bin/sh", {
          args: ["-c", script.replaceAll("$$", () => "$")],
          env: { PATH: root, DISABLED, CONDITION },
          clearEnv: true,
        }).output();
        assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, said], `${DISABLED} ${CONDITION}`);
      }
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  },
});

/** A setting that is there once. */
function one(unit: Unit, section: string, key: string): string {
  const values = unit[section]?.[key] ?? [];
  assert.equal(values.length, 1, `${section}.${key}`);
  return values[0]!;
}

function knownFlags(): Set<string> {
  const sources = filesIn("lib/cli").map((name) => read(`lib/cli/${name}`)).join("\n");
  return new Set(sources.match(/--[a-z][a-z-]+/g));
}
