import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NotEnoughSpace, PathUnusable } from "../../lib/errors.ts";
import { systemFiles as files } from "../../lib/io/files.ts";
import { NO_LINKS, notOnWindows } from "../windows.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function inFolder(run: (folder: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = Deno.makeTempDirSync();
    try {
      await run(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

Deno.test(
  "writeAt() leaves a hole before a far position",
  inFolder(async (folder) => {
    const file = files.open(join(folder, "sparse"), "create");
    const far = 6_000_000_000; // above 2^32: positions are not cut to 32 bits
    file.writeAt(bytes("ledger"), far);
    await file.sync();
    const into = new Uint8Array(10);
    assert.equal(file.readAt(into, far - 2), 8);
    assert.deepEqual(into.subarray(0, 8), bytes("\0\0ledger"));
    const facts = file.facts();
    assert.equal(facts.size, far + 6);
    assert.ok(facts.allocated <= 1 << 20, `${facts.allocated} bytes on disk`);
    file.close();
  }),
);

Deno.test(
  "readAt() returns fewer bytes only at the end of the file",
  inFolder((folder) => {
    writeFileSync(join(folder, "f"), "abc");
    const file = files.open(join(folder, "f"), "read");
    assert.equal(file.readAt(new Uint8Array(2), 0), 2);
    assert.equal(file.readAt(new Uint8Array(2), 2), 1);
    assert.equal(file.readAt(new Uint8Array(2), 9), 0);
    file.close();
    assert.throws(() => file.readAt(new Uint8Array(2), 0), /is open/);
  }),
);

Deno.test({
  name: "writeAt() says that the disk is full, naming the file",
  ignore: !existsSync("/dev/full"),
  fn() {
    const file = files.open("/dev/full", "write");
    assert.throws(() => file.writeAt(bytes("x"), 0), (error: Error) => {
      assert.ok(error instanceof NotEnoughSpace);
      assert.equal(error.message, "Cannot write /dev/full: no space left on the device");
      return true;
    });
    file.close();
  },
});

Deno.test(
  {
    name: "open() refuses what is missing, a folder, and a path through a file, each with its reason",
    ignore: notOnWindows("it has reasons of its own where a path is refused"),
  },
  inFolder((folder) => {
    writeFileSync(join(folder, "f"), "");
    const refused = (path: string, how: "read" | "write" | "create", why: RegExp) =>
      assert.throws(() => files.open(join(folder, path), how), (error: Error) => {
        assert.ok(error instanceof PathUnusable, error.message);
        assert.match(error.message, why);
        return true;
      });
    refused("none", "read", /^Cannot read .*\/none: no such file or folder$/);
    refused("none", "write", /no such file/);
    refused("none/x", "create", /^Cannot create .*: no such file/);
    refused("f/x", "create", /not a folder/);
    refused(".", "write", /it is a folder/);
  }),
);

Deno.test(
  {
    name: "writeAtomic() replaces the file and never writes through a link left under the temporary name",
    ignore: notOnWindows(NO_LINKS),
  },
  inFolder((folder) => {
    const path = join(folder, "state.json");
    writeFileSync(join(folder, "victim"), "precious");
    symlinkSync(join(folder, "victim"), `${path}.tmp`);
    files.writeAtomic(path, bytes("one"));
    files.writeAtomic(path, bytes("two"), 0o600);
    assert.equal(readFileSync(path, "utf8"), "two");
    assert.equal(readFileSync(join(folder, "victim"), "utf8"), "precious");
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.deepEqual(files.list(folder), ["state.json", "victim"]);
  }),
);

Deno.test(
  {
    name:
      "writeNew() makes the file with its mode and replaces nothing, not even through a link that leads nowhere",
    ignore: notOnWindows(NO_LINKS),
  },
  inFolder((folder) => {
    const path = join(folder, "key");
    files.writeNew(path, bytes("secret"), 0o600);
    assert.equal(readFileSync(path, "utf8"), "secret");
    assert.equal(files.stat(path)?.mode, 0o600);
    assert.throws(() => files.writeNew(path, bytes("other")), /Cannot create .*key: something else is there/);
    symlinkSync(join(folder, "nowhere"), join(folder, "link"));
    assert.throws(() => files.writeNew(join(folder, "link"), bytes("other")), PathUnusable);
    assert.equal(readFileSync(path, "utf8"), "secret");
    assert.deepEqual(files.list(folder), ["key", "link"]);
  }),
);

Deno.test(
  {
    name: "realPath() follows links to the end and gives undefined where nothing is",
    ignore: notOnWindows(NO_LINKS),
  },
  inFolder((folder) => {
    const real = Deno.realPathSync(folder);
    writeFileSync(join(folder, "file"), "");
    symlinkSync("file", join(folder, "link"));
    assert.equal(files.realPath(join(folder, "link")), join(real, "file"));
    assert.equal(files.realPath(join(folder, "none")), undefined);
  }),
);

Deno.test(
  "read() refuses a file above the limit and what is no file, and gives undefined where nothing is",
  inFolder((folder) => {
    const path = join(folder, "f");
    writeFileSync(path, "12345");
    assert.deepEqual(files.read(path, 5), bytes("12345"));
    assert.throws(() => files.read(path, 4), PathUnusable);
    assert.throws(() => files.read(folder, 4), /not a regular file/);
    assert.equal(files.read(join(folder, "none"), 4), undefined);
    assert.equal(files.read(join(path, "below"), 4), undefined);
  }),
);

Deno.test({
  name: "read() reads files of /proc, which say that their size is 0",
  ignore: !existsSync("/proc/self/status"),
  fn: () => assert.match(new TextDecoder().decode(files.read("/proc/self/status", 1 << 20)), /^Name:/),
});

Deno.test(
  "makeDir() makes parents, accepts a folder that is there, refuses a file in its place",
  inFolder((folder) => {
    files.makeDir(join(folder, "a/b"));
    files.makeDir(join(folder, "a/b"));
    assert.equal(files.stat(join(folder, "a/b"))?.kind, "directory");
    writeFileSync(join(folder, "f"), "");
    assert.throws(() => files.makeDir(join(folder, "f")), PathUnusable);
    assert.throws(() => files.makeDir(join(folder, "f/x")), PathUnusable);
  }),
);

Deno.test(
  "rename(), remove(), removeAll() and list() take what is there and what is not",
  inFolder((folder) => {
    mkdirSync(join(folder, "d/e"), { recursive: true });
    writeFileSync(join(folder, "b"), "");
    files.rename(join(folder, "b"), join(folder, "a"));
    assert.deepEqual(files.list(folder), ["a", "d"]);
    files.remove(join(folder, "a"));
    files.remove(join(folder, "a"));
    files.removeAll(join(folder, "d"));
    files.removeAll(join(folder, "d"));
    assert.deepEqual(files.list(folder), []);
    assert.deepEqual(files.list(join(folder, "none")), []);
    assert.throws(() => files.rename(join(folder, "none"), join(folder, "x")), PathUnusable);
  }),
);

Deno.test(
  "freeBytes() answers for a path that does not exist yet",
  inFolder((folder) => {
    assert.ok(files.freeBytes(join(folder, "not/yet/there")) > 0);
  }),
);

Deno.test(
  "lock() is refused while another holder has it, and free again once released",
  inFolder((folder) => {
    const path = join(folder, "lock");
    const held = files.lock(path, "pid 1");
    assert.ok(held !== undefined);
    assert.equal(files.lock(path, "pid 2"), undefined);
    assert.equal(readFileSync(path, "utf8"), "pid 1");
    held.release();
    const again = files.lock(path, "pid 3");
    assert.ok(again !== undefined);
    assert.equal(readFileSync(path, "utf8"), "pid 3");
    again.release();
  }),
);

Deno.test(
  { name: "lock() follows no link, and makes nothing where one leads", ignore: notOnWindows(NO_LINKS) },
  inFolder((folder) => {
    const [path, victim, absent] = ["lock", "victim", "absent"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(victim, "precious");
    for (const target of [victim, absent]) {
      symlinkSync(target, path);
      assert.throws(() => files.lock(path, "pid 1"), PathUnusable);
      files.remove(path);
    }
    assert.equal(readFileSync(victim, "utf8"), "precious");
    assert.deepEqual(files.list(folder), ["victim"]);
  }),
);

Deno.test(
  "lock() of a process dies with it",
  inFolder(async (folder) => {
    const path = join(folder, "lock");
    const script = `import { systemFiles } from ${
      JSON.stringify(import.meta.resolve("../../lib/io/files.ts"))
    };
      systemFiles.lock(${JSON.stringify(path)}, "other"); console.log("held"); setInterval(() => {}, 1000);`;
    const other = new Deno.Command(Deno.execPath(), { args: ["eval", script], stdout: "piped" }).spawn();
    const reader = other.stdout.getReader();
    await reader.read();
    assert.equal(files.lock(path, "us"), undefined);
    other.kill("SIGKILL");
    await other.status;
    await reader.cancel();
    const held = files.lock(path, "us");
    assert.ok(held !== undefined);
    held.release();
  }),
);
