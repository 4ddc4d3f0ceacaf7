// What is said of a machine, by figures of a test's own; the real machine is looked at in tests/interop/doctor_test.ts.

import assert from "node:assert/strict";
import { join } from "node:path";
import { lookAtClock, lookAtLimits, lookAtRights, lookAtSpace } from "../../lib/doctor/host.ts";
import { fail, type Finding, ok, warn, worstOf } from "../../lib/doctor/finding.ts";
import { PathUnusable } from "../../lib/errors.ts";
import { systemClock } from "../../lib/io/clock.ts";
import { systemFiles } from "../../lib/io/files.ts";
import type { Files } from "../../lib/ports.ts";
import { slashed } from "../windows.ts";

const verdicts = (findings: readonly Finding[]) => findings.map(({ verdict }) => verdict);

Deno.test("worstOf() is the worst, whatever the order", () => {
  assert.equal(worstOf([]), "ok");
  assert.equal(worstOf([warn("a", "", ""), ok("b", "")]), "warn");
  assert.equal(worstOf([ok("b", ""), fail("c", "", ""), warn("a", "", "")]), "fail");
});

Deno.test("lookAtSpace() knows what a run, a run with --low-disk, and nothing at all needs", () => {
  const at = (free: number) => lookAtSpace({ ...systemFiles, freeBytes: () => free }, "/data");
  const found = verdicts([at(182e9), at(181e9), at(122e9), at(121e9), at(1e9), at(0.9e9)]);
  assert.deepEqual(found, ["ok", "warn", "warn", "warn", "warn", "fail"]);
  assert.match(at(150e9).remedy ?? "", /--low-disk does with 122\.0 GB/);
});

Deno.test("lookAtRights() proves it by a file that goes, in the folder or where it will be made", () => {
  const root = Deno.makeTempDirSync();
  assert.equal(lookAtRights(systemFiles, root).text, `${root} can be written`);
  assert.match(lookAtRights(systemFiles, join(root, "a", "b")).text, /a[\\/]b can be made in /);
  assert.deepEqual([...Deno.readDirSync(root)], []);
  const refusing: Files = {
    ...systemFiles,
    writeNew: () => {
      throw new PathUnusable("Cannot create it: the filesystem is read-only");
    },
  };
  const { verdict, text } = lookAtRights(refusing, root);
  assert.equal(verdict, "fail");
  assert.match(text, /read-only/);
  Deno.writeTextFileSync(join(root, ".nano-snap-doctor"), "of a run that was killed");
  assert.equal(lookAtRights(systemFiles, root).verdict, "ok");
  Deno.mkdirSync(join(root, ".nano-snap"));
  const roots: Files = {
    ...systemFiles,
    writeNew: (path, bytes) => {
      if (slashed(path).includes("/.nano-snap/")) {
        throw new PathUnusable(`Cannot create ${path}: permission denied`);
      }
      systemFiles.writeNew(path, bytes);
    },
  };
  assert.match(lookAtRights(roots, root).text, /files cannot be made in .*\.nano-snap: /);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("lookAtClock() finds a clock that is behind what was written here", () => {
  const root = Deno.makeTempDirSync();
  Deno.writeTextFileSync(join(root, "mirror_state.json"), "{}");
  const at = (ms: number) =>
    lookAtClock(systemFiles, { ...systemClock, unixMs: () => Date.now() + ms }, root);
  assert.deepEqual(verdicts([at(0), at(3_600_000), at(-3_600_000)]), ["ok", "ok", "warn"]);
  const closed: Files = {
    ...systemFiles,
    stat: (path) => {
      throw new PathUnusable(`Cannot look at ${path}: permission denied`);
    },
  };
  assert.equal(lookAtClock(closed, systemClock, root).verdict, "ok");
  assert.equal(lookAtRights(closed, root).verdict, "fail");
  assert.match(at(-3_600_000).text, /1 h 0 min before .*mirror_state\.json was written/);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("lookAtLimits() reads both versions of control groups", () => {
  const root = Deno.makeTempDirSync();
  const look = (there: Record<string, string>) => {
    const folder = Deno.makeTempDirSync({ dir: root });
    for (const [name, text] of Object.entries(there)) {
      Deno.mkdirSync(join(folder, name, ".."), { recursive: true });
      Deno.writeTextFileSync(join(folder, name), text);
    }
    return lookAtLimits(systemFiles, folder);
  };
  assert.match(look({}).text, /^no container/);
  assert.match(look({ "memory.max": "max\n", "cpu.max": "max 100000\n" }).text, /^no container/);
  assert.match(look({ "memory/memory.limit_in_bytes": "9223372036854771712\n" }).text, /^no container/);
  const small = look({ "memory.max": "300000000\n", "cpu.max": "50000 100000\n" });
  assert.deepEqual([small.verdict, small.text], ["warn", "limited to 300.0 MB of memory and 0.5 cores"]);
  assert.equal(look({ "memory/memory.limit_in_bytes": "100000000\n" }).verdict, "fail");
  const { verdict, remedy } = look({ "memory.max": "600000000\n" });
  assert.equal(verdict, "warn");
  assert.match(remedy ?? "", /^get --install and verify .* 800\.0 MB; get --extract does with this$/);
  assert.equal(look({ "memory.max": "4000000000\n", "cpu.max": "50000 100000\n" }).verdict, "warn");
  assert.equal(look({ "memory.max": "4000000000\n", "cpu.max": "200000 100000\n" }).verdict, "ok");
  Deno.removeSync(root, { recursive: true });
});
