// What stops and starts a node, by what the system says of its processes.

import assert from "node:assert/strict";
import { NodeRunning } from "../../lib/errors.ts";
import { refuseRunning, startCommand, stopCommand } from "../../lib/node/running.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { systemPrograms } from "../../lib/io/programs.ts";
import type { Files, Programs } from "../../lib/ports.ts";

const HOME = {
  directory: "/srv/Nano",
  ledger: "/srv/Nano/data.ldb",
  lock: "/srv/Nano/data.ldb-lock",
  hasLedger: true,
  isRocksDb: false,
};
const ID = "0123456789ab".padEnd(64, "c");

Deno.test("stopCommand() names the service or the container where the control group has one, else the process", () => {
  const cases: [string, string][] = [
    ["0::/system.slice/nanocurrency.service", "systemctl stop nanocurrency.service"],
    ["12:cpu:/x\n0::/system.slice/nano@live.service", "systemctl stop nano@live.service"],
    [
      "0::/user.slice/user-1000.slice/user@1000.service/app.slice/nano.service",
      "systemctl --user stop nano.service",
    ],
    ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope", "kill 812"],
    ["0::/user.slice/user-1000.slice/session-3.scope", "kill 812"],
    ["0::/system.slice/ssh.service", "kill 812"],
    [`0::/system.slice/docker-${ID}.scope`, "docker stop 0123456789ab"],
    [`11:memory:/docker/${ID}`, "docker stop 0123456789ab"],
    [`0::/machine.slice/libpod-${ID}.scope/container`, "podman stop 0123456789ab"],
    ["0::/system.slice/$(reboot).service", "kill 812"],
    ["", "kill 812"],
  ];
  for (const [cgroup, command] of cases) {
    assert.equal(stopCommand({ pid: 812, name: "nano_node", cgroup }), command);
  }
  assert.match(stopCommand({ pid: undefined, name: "", cgroup: "" }), /container/);
});

Deno.test("refuseRunning() ends with 7 while somebody has the ledger, forced or not, and where nobody can tell unless forced", () => {
  const holders = [{ pid: 812, name: "nano_node", cgroup: "0::/system.slice/nano.service" }];
  for (const force of [false, true]) {
    assert.throws(
      () => refuseRunning({ kind: "running", holders }, HOME, force),
      (error: unknown) =>
        error instanceof NodeRunning && error.exitCode === 7 &&
        error.message ===
          "Cannot install into /srv/Nano: the node runs, process 812 (nano_node) has data.ldb open; " +
            "stop it first: systemctl stop nano.service",
    );
    refuseRunning({ kind: "stopped" }, HOME, force);
  }
  assert.throws(() => refuseRunning({ kind: "unknown" }, HOME, false), /does not say .*--force/);
  refuseRunning({ kind: "unknown" }, HOME, true);
});

Deno.test("startCommand() names the service that runs nano_node, else the program, else a container, where there is docker", () => {
  const units: Record<string, string> = {
    "/etc/systemd/system/nano-exporter.service": "ExecStart=/usr/bin/exporter\n",
    "/etc/systemd/system/nanocurrency.service": "[Service]\nExecStart=/usr/bin/nano_node --daemon\n",
  };
  const files = (there: Record<string, string>): Files => ({
    ...systemFiles,
    list: (folder) =>
      Object.keys(there).filter((path) => path.startsWith(folder)).map((path) =>
        path.slice(folder.length + 1)
      ),
    read: (path) => new TextEncoder().encode(there[path]),
  });
  const programs = (...names: string[]): Programs => ({
    ...systemPrograms,
    find: (name) => names.includes(name!) ? `/usr/bin/${name}` : undefined,
  });
  const home = { ...HOME, directory: "/srv/my node" };
  assert.equal(
    startCommand(files(units), programs("nano_node"), home, false),
    "systemctl start nanocurrency",
  );
  assert.equal(startCommand(files({}), programs("nano_node"), home, true), "nano_node --daemon");
  assert.equal(
    startCommand(files({}), programs("nano_node", "docker"), home, false),
    "nano_node --daemon --data_path '/srv/my node'",
  );
  assert.match(startCommand(files({}), programs("docker"), home, false), /^docker start NAME/);
  assert.equal(
    startCommand(files({}), programs(), home, true),
    "nano_node --daemon (or as it was started before: nano_node is not on PATH here)",
  );
});
