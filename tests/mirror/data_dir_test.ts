import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryHeld, PathUnusable, SnapError } from "../../lib/errors.ts";
import { systemFiles as files } from "../../lib/io/files.ts";
import { DataDir, DataPaths } from "../../lib/mirror/data_dir.ts";
import { notOnWindows, slashed } from "../windows.ts";

const clock = { nowMs: () => 0, unixMs: () => Date.UTC(2026, 7, 13), sleep: () => Promise.resolve() };
const open = (root: string) => DataDir.open(root, files, { role: "get", pid: 4711, clock });

function inFolder(run: (folder: string) => void): () => void {
  return () => {
    const folder = Deno.makeTempDirSync();
    try {
      run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

function refusal(run: () => void): SnapError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof SnapError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was refused" });
}

Deno.test(
  "DataDir.open() makes the directory and leaves nothing in it but its own folder",
  inFolder((folder) => {
    const root = join(folder, "a/nano-data");
    using dir = open(root);
    assert.equal(dir.paths.root, root);
    assert.deepEqual(readdirSync(root), [".nano-snap"]);
    assert.deepEqual(readdirSync(join(root, ".nano-snap")), ["lock"]);
  }),
);

Deno.test(
  {
    name: "DataDir.open() names the instance that holds the directory, and opens once that one is gone",
    ignore: notOnWindows("nobody can read there what another has locked"),
  },
  inFolder((folder) => {
    const first = open(folder);
    const error = refusal(() => open(folder));
    assert.ok(error instanceof DirectoryHeld);
    assert.equal(error.exitCode, 9);
    assert.equal(
      error.message,
      `Cannot use the data directory ${folder}: another instance holds it ` +
        "(nano-snap get, process 4711, since 2026-08-13T00:00:00.000Z)",
    );
    first.close();
    open(folder).close();
  }),
);

Deno.test(
  {
    name: "DataDir.open() repeats no control characters of a foreign lock file",
    ignore: notOnWindows("nobody can read there what another has locked"),
  },
  inFolder((folder) => {
    using _held = open(folder);
    writeFileSync(join(folder, ".nano-snap/lock"), "\x1b[31mme\nyou");
    assert.match(refusal(() => open(folder)).message, /holds it \(\[31mme you\)$/);
    writeFileSync(join(folder, ".nano-snap/lock"), "x".repeat(5000));
    assert.match(refusal(() => open(folder)).message, /holds it \(see .*\.nano-snap[\\/]lock\)$/);
  }),
);

Deno.test(
  "DataDir.open() refuses a file in the directory's place with one sentence and exit code 6",
  inFolder((folder) => {
    const root = join(folder, "file");
    writeFileSync(root, "");
    const error = refusal(() => open(root));
    assert.ok(error instanceof PathUnusable);
    assert.equal(error.exitCode, 6);
    assert.match(error.message, /^Cannot use the data directory .*[\\/]file: cannot make the folder .*[^.]$/);
  }),
);

Deno.test({
  name: "DataDir.open() refuses a filesystem that takes no files, as any user",
  ignore: !existsSync("/proc/self"),
  fn: () => assert.ok(refusal(() => open("/proc/self")) instanceof PathUnusable),
});

Deno.test(
  "DataDir.open() refuses a producer's output directory without touching it",
  inFolder((folder) => {
    writeFileSync(join(folder, "publisher_state.json"), "{}");
    const error = refusal(() => open(folder));
    assert.ok(error instanceof PathUnusable);
    assert.match(error.message, /publisher_state\.json/);
    assert.deepEqual(readdirSync(folder), ["publisher_state.json"]);
  }),
);

Deno.test("DataPaths keeps upstream's names and the design's own", () => {
  const paths = new DataPaths("/data");
  assert.equal(slashed(paths.archive), "/data/nano-ledger-snapshot.7z");
  assert.equal(slashed(paths.ledger), "/data/data.ldb");
  assert.equal(slashed(paths.mirrorState), "/data/mirror_state.json");
  assert.equal(slashed(paths.snapshotMeta), "/data/snapshot-meta.json");
  assert.equal(slashed(paths.torrent("ab")), "/data/.nano-snap/torrents/ab.torrent");
  assert.equal(slashed(paths.incoming("ab")), "/data/.nano-snap/incoming/ab");
  assert.equal(slashed(paths.kept("ab")), "/data/.nano-snap/kept/ab");
  assert.equal(slashed(paths.snapshot("ab")), "/data/.nano-snap/snapshots/ab/data.ldb");
  assert.equal(slashed(paths.resume("ab")), "/data/.nano-snap/resume/ab");
  assert.equal(slashed(paths.trust), "/data/.nano-snap/trust.json");
});
