// Who has a file open: on Linux by the real thing, for the other systems by what their programs say.

import assert from "node:assert/strict";
import { findHolders, lockersIn, ofExclusiveOpen, ofLsof } from "../../lib/io/holders.ts";
import { isRecordLocked } from "../../lib/io/record_locks.ts";

/** Takes a record lock as LMDB does, says so, and holds it until its input ends. */
const LOCKER = `import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_SH if sys.argv[2] == "shared" else fcntl.LOCK_EX, 1, 0)
print("locked", flush=True)
sys.stdin.read()`;

async function locked(
  path: string,
  how: "shared" | "exclusive",
  check: (pid: number) => void,
  before: string[] = [],
) {
  const words = [...before, "/usr/bin/python3", "-c", LOCKER, path, how];
  const child = new Deno.Command(words[0]!, { args: words.slice(1), stdin: "piped", stdout: "piped" })
    .spawn();
  const reader = child.stdout.getReader();
  try {
    await reader.read();
    check(child.pid);
  } finally {
    await child.stdin.close();
    await reader.cancel();
    await child.status;
  }
}

const ignore = Deno.build.os !== "linux" || !isFile("/usr/bin/python3");

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test({ name: "isRecordLocked() sees a lock of either kind while it is held", ignore }, async () => {
  const path = Deno.makeTempFileSync();
  assert.equal(isRecordLocked(path), false);
  for (const how of ["shared", "exclusive"] as const) {
    await locked(path, how, () => assert.equal(isRecordLocked(path), true));
    assert.equal(isRecordLocked(path), false);
  }
  Deno.removeSync(path);
  assert.equal(isRecordLocked(path), undefined);
});

Deno.test({ name: "findHolders() names the process with its control group", ignore }, async () => {
  const path = Deno.makeTempFileSync();
  await locked(path, "shared", (pid) => {
    const cgroup = Deno.readTextFileSync(`/proc/${pid}/cgroup`).trim();
    assert.deepEqual(findHolders([`${path}-absent`, path]), [{ pid, name: "python3", cgroup }]);
  });
  assert.deepEqual(findHolders([path]), []);
  Deno.removeSync(path);
});

Deno.test("lockersIn() takes no file for one of the same inode on another device", () => {
  const list = [
    "1: POSIX  ADVISORY  READ 812 08:11:42 0 0",
    "2: FLOCK  ADVISORY  WRITE 813 08:01:42 0 EOF",
    "2: -> FLOCK  ADVISORY  WRITE 814 08:11:42 0 EOF",
    "3: POSIX  ADVISORY  WRITE 815 00:19:42 0 EOF",
    "4: POSIX  ADVISORY  WRITE 0 103:10004:43 0 EOF",
    "5: OFDLCK ADVISORY  READ -1 00:1f:44 0 EOF",
    "",
  ].join("\n");
  const onDisk = 0x811;
  assert.deepEqual(lockersIn(list, [`${onDisk}:42`]), [812, 814]);
  assert.deepEqual(lockersIn(list, [`${onDisk}:43`]), []);
  assert.deepEqual(lockersIn(list, [`${0x100_103_04}:43`]), [0], "minor numbers above 255");
  // Btrfs and overlayfs: `stat` says another device than the list, and neither has a major number.
  assert.deepEqual(lockersIn(list, [`${0x2a}:42`]), [815]);
  assert.deepEqual(lockersIn(list, [`${0x2a}:44`]), [0]);
});

Deno.test("ofLsof() reads processes and names, and takes only an answer for one", () => {
  const stdout = "p812\ncnano_node\nf9\np77\ncmdb_stat\nf3\n";
  assert.deepEqual(ofLsof({ code: 0, stdout }), [
    { pid: 812, name: "nano_node", cgroup: "" },
    { pid: 77, name: "mdb_stat", cgroup: "" },
  ]);
  assert.deepEqual(ofLsof({ code: 1, stdout: "" }), []);
  assert.deepEqual(ofLsof({ code: 0, stdout: `p${Deno.pid}\ncdeno\n` }), []);
  assert.equal(ofLsof({ code: 127, stdout: "" }), undefined);
  assert.equal(ofLsof(undefined), undefined);
});

Deno.test("ofExclusiveOpen() knows free, held, and no answer", () => {
  assert.deepEqual(ofExclusiveOpen({ code: 0, stdout: "" }), []);
  assert.deepEqual(ofExclusiveOpen({ code: 3, stdout: "" }), [{ pid: undefined, name: "", cgroup: "" }]);
  assert.equal(ofExclusiveOpen({ code: 4, stdout: "" }), undefined);
  assert.equal(ofExclusiveOpen(undefined), undefined);
});
