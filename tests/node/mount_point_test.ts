// The kernel's own list, and lines that it wrote of files that were mounted by themselves.

import assert from "node:assert/strict";
import { join } from "node:path";
import { utf8 } from "../../lib/bytes.ts";
import { PathUnusable } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { SystemMachine } from "../../lib/io/machine.ts";
import { refusals } from "../../lib/mirror/install.ts";
import type { InstallMachine } from "../../lib/mirror/node_place.ts";
import { findHome } from "../../lib/node/home.ts";
import { isMountPoint } from "../../lib/node/mount_point.ts";
import type { Files } from "../../lib/ports.ts";
import { notOnWindows } from "../windows.ts";

/** As the kernel wrote it after two mounts with --bind on a disk of their own. */
function filesWith(folder: string): Files {
  const written = folder.replaceAll(" ", "\\040");
  const lines = `97 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n` +
    `118 97 254:0 /tmp/a\\040b.ldb ${written}/data.ldb rw,relatime - ext4 /dev/vda rw,discard\n` +
    `119 97 254:0 /tmp/a\\040b.ldb ${written}/x\\040y rw,relatime - ext4 /dev/vda rw,discard\n`;
  return {
    ...systemFiles,
    read: (path, max) => path === "/proc/self/mountinfo" ? utf8(lines) : systemFiles.read(path, max),
  };
}

Deno.test("isMountPoint() is true of what is mounted under that very name only", () => {
  const files = filesWith("/srv/my Nano");
  for (const path of ["/srv/my Nano/data.ldb", "/srv/my Nano/x y", "/"]) {
    assert.equal(isMountPoint(files, path), true, path);
  }
  for (const path of ["/srv/my Nano", "/tmp/a b.ldb", "/srv/my Nano/data.ldb-lock", ""]) {
    assert.equal(isMountPoint(files, path), false, path);
  }
  const refuse = () => {
    throw new PathUnusable("Cannot read it");
  };
  assert.equal(isMountPoint({ ...systemFiles, read: refuse }, "/"), false);
  assert.equal(isMountPoint({ ...systemFiles, read: () => undefined }, "/"), false);
});

Deno.test({
  name: "isMountPoint() reads the kernel's list",
  ignore: Deno.build.os !== "linux",
  fn() {
    assert.equal(isMountPoint(systemFiles, "/proc"), true);
    assert.equal(isMountPoint(systemFiles, "/proc/self"), false);
  },
});

Deno.test({
  name:
    "refusals() of an installation name a ledger that is mounted by itself (6), before anything is fetched",
  ignore: notOnWindows("nobody says there who has a file open"),
}, () => {
  const directory = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "nano-snap my node" }));
  try {
    Deno.writeTextFileSync(join(directory, "data.ldb"), "");
    const system = new SystemMachine("nano-snap test");
    const told = (files: Files) => {
      const machine: InstallMachine = { ...system, client: system.client, files };
      const home = findHome("live", directory, { files, env: {}, target: "linux" });
      const wish = { network: "live", backup: true, force: false, lowDisk: false } as const;
      return refusals(machine, home, wish).map(({ exitCode, message }) => [exitCode, message]);
    };
    assert.deepEqual(told(systemFiles), []);
    const [[exitCode, message] = [], ...more] = told(filesWith(directory));
    assert.deepEqual([exitCode, more], [6, []]);
    assert.match(String(message), /its data\.ldb is mounted by itself, .* mount the folder that it is in/);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
