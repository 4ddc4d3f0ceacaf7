// The lock that keeps LMDB from opening, against processes that take theirs as LMDB does.

import assert from "node:assert/strict";
import { join } from "node:path";
import { findHolders } from "../../lib/io/holders.ts";
import { isRecordLocked } from "../../lib/io/record_locks.ts";
import { takeStartLock } from "../../lib/io/start_lock.ts";

/** As mdb_env_excl_lock: exclusive if that can be had at once, else shared, waiting for it. Then holds it. */
const OPENER = `import fcntl, os, sys
file = open(sys.argv[1], "r+")
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
    how = "exclusive"
except OSError:
    print("waits", flush=True)
    fcntl.lockf(file, fcntl.LOCK_SH, 1, 0)
    how = "shared"
print(how, os.fstat(file.fileno()).st_size, flush=True)
sys.stdin.read()`;

class Opener implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(path: string) {
    const args = ["-c", OPENER, path];
    this.#child = new Deno.Command("/usr/bin/python3", { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  get pid(): number {
    return this.#child.pid;
  }

  async line(): Promise<string> {
    while (!this.#text.includes("\n")) {
      const { value } = await this.#lines.read();
      assert.ok(value !== undefined, "it has ended");
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#lines.cancel();
    await this.#child.status;
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

function lockFile(): string {
  const path = join(Deno.makeTempDirSync(), "data.ldb-lock");
  Deno.writeTextFileSync(path, "what the last run left");
  return path;
}

Deno.test(
  { name: "takeStartLock() makes who opens wait, and then find the file empty", ignore },
  async () => {
    const path = lockFile();
    const lock = takeStartLock(path);
    assert.ok(typeof lock === "object");
    assert.deepEqual(lock.waiting(), []);
    // Any descriptor of ours that was closed would let it go.
    assert.equal(isRecordLocked(path), false);
    assert.deepEqual(findHolders([path]), []);
    await using opener = new Opener(path);
    assert.equal(await opener.line(), "waits");
    Deno.removeSync(path);
    assert.deepEqual(lock.waiting().map(({ pid, name }) => [pid, name]), [[opener.pid, "python3"]]);
    lock.release();
    assert.equal(await opener.line(), "shared 0");
    lock.release();
    assert.deepEqual(lock.waiting(), []);
  },
);

Deno.test({ name: "takeStartLock() is refused while somebody has the file locked", ignore }, async () => {
  const path = lockFile();
  {
    await using opener = new Opener(path);
    assert.match(await opener.line(), /^exclusive/);
    assert.equal(takeStartLock(path), "taken");
    assert.equal(isRecordLocked(path), true, "its own lock it has still");
  }
  assert.equal(Deno.readTextFileSync(path), "what the last run left");
  const lock = takeStartLock(path);
  assert.ok(typeof lock === "object");
  lock.release();
  await using opener = new Opener(path);
  assert.equal(await opener.line(), "exclusive 0", "free again");
});

Deno.test(
  { name: "takeStartLock() empties nothing that a name in that folder only leads to", ignore },
  () => {
    const path = lockFile();
    const [link, hard] = [`${path}.link`, `${path}.hard`];
    Deno.symlinkSync(path, link);
    assert.equal(takeStartLock(link), undefined);
    Deno.linkSync(path, hard);
    assert.equal(takeStartLock(hard), undefined);
    assert.equal(takeStartLock(`${path}.gone`), undefined);
    assert.equal(Deno.readTextFileSync(path), "what the last run left");
  },
);

Deno.test(
  {
    name: "takeStartLock() empties nothing of root's in a folder of somebody else's",
    ignore: ignore || Deno.uid() !== 0,
  },
  () => {
    const path = lockFile();
    Deno.chownSync(join(path, ".."), NODE_USER, NODE_USER);
    assert.equal(takeStartLock(path), undefined);
    assert.equal(Deno.readTextFileSync(path), "what the last run left");
    Deno.chownSync(path, NODE_USER, NODE_USER);
    const lock = takeStartLock(path);
    assert.ok(typeof lock === "object");
    lock.release();
  },
);

Deno.test({ name: "takeStartLock() does not open what a symbolic link leads to", ignore }, async () => {
  const path = lockFile();
  const [pipe, link] = [`${path}.pipe`, `${path}.link`];
  assert.ok((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
  Deno.symlinkSync(pipe, link);
  // A shell that waits for somebody to open the other end, and says when it is about to.
  const args = ["-c", 'echo ready; read line < "$0"; echo "$line"', pipe];
  const reader = new Deno.Command("sh", { args, stdout: "piped" }).spawn();
  const lines = reader.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await lines.read()).value, "ready\n");
  await untilAsleep(reader.pid);
  assert.equal(takeStartLock(link), undefined);
  using end = Deno.openSync(pipe, { read: true, write: true });
  end.writeSync(new TextEncoder().encode("nobody else\n"));
  assert.equal((await lines.read()).value, "nobody else\n");
  await lines.cancel();
  await reader.status;
});

/** Until it waits for the kernel. */
async function untilAsleep(pid: number): Promise<void> {
  while (!/\) S /.test(Deno.readTextFileSync(`/proc/${pid}/stat`))) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const NODE_USER = 1000;
