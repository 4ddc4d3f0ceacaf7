// Which node takes which ledger, and what a node's program answers.

import assert from "node:assert/strict";
import { join } from "node:path";
import { systemClock } from "../../lib/io/clock.ts";
import { systemPrograms } from "../../lib/io/programs.ts";
import { installedVersion, parseVersion, versionWarning } from "../../lib/node/version.ts";

const NEVER = new AbortController().signal;

Deno.test("parseVersion() reads what nano_node --version says", () => {
  assert.deepEqual(parseVersion("Version V27.1\nBuild Info 8b4de1d x86_64\n"), { major: 27, minor: 1 });
  assert.deepEqual(parseVersion("Version V28.0RC1\n"), { major: 28, minor: 0 });
  assert.equal(parseVersion("bash: nothing"), undefined);
});

Deno.test("versionWarning() warns of a node that is older than the first that takes the ledger, and of no other", () => {
  const node = (major: number, minor: number) => ({ major, minor });
  assert.match(
    versionWarning(node(26, 1), "V27.0", 24) ?? "",
    /V26\.1.*\(version 24\) needs V27\.0 or later/,
  );
  assert.equal(versionWarning(node(27, 0), "V27.0", 24), undefined);
  assert.equal(versionWarning(node(28, 0), "V27.1", 24), undefined);
  assert.notEqual(versionWarning(node(27, 0), "V27.1", 24), undefined);
  assert.equal(versionWarning(undefined, "V27.0", 24), undefined);
  assert.equal(versionWarning(node(20, 0), undefined, 99), undefined);
});

Deno.test({
  name: "installedVersion() asks the program, and takes a broken one for none",
  ignore: Deno.build.os === "windows",
}, async () => {
  const folder = Deno.makeTempDirSync();
  const binary = join(folder, "nano_node");
  for (
    const [text, version] of [['echo "Version V27.1"', { major: 27, minor: 1 }], [
      "exit 3",
      undefined,
    ]] as const
  ) {
    Deno.writeTextFileSync(binary, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    assert.deepEqual(await installedVersion(systemPrograms, binary, systemClock, NEVER), version);
  }
  Deno.removeSync(folder, { recursive: true });
  assert.equal(await installedVersion(systemPrograms, binary, systemClock, NEVER), undefined);
});
