// `nano-snap get --extract --low-disk`: the archive passes through, and never more of it lies on the disk than it says. The
// ledger is the same; where there is room for no more than the ledger and a window, it comes all the same. What ends
// early leaves nothing behind, for nothing of it can be gone on with.

import assert from "node:assert/strict";
import { join } from "node:path";
import { cannotMount, mountSmallDisk } from "./small_disk.ts";
import { mustGet, nanoSnap, needStage, type Play, type Published, Stage } from "./stage.ts";
import { type RunningProgram, say, within } from "./support.ts";

const MIB = 1 << 20;
/** 61 MB of ledger, some 43 MB of archive. */
const PLAY: Play = { blocks: 100_000, pieceSize: MIB / 4, pointer: false, announce: false };
/** 64 pieces of a quarter MiB, and three segments of four MiB. */
const WINDOW = 16 * MIB + 12 * MIB;
const RESERVE = 64 * MIB;

function get(stage: Stage, published: Published, words: readonly string[]): RunningProgram {
  const peers = published.seeds.flatMap(({ port }) => ["--peer", `127.0.0.1:${port}`]);
  const what = ["--torrent", published.torrent.torrent, "--json", "--log-level", "DEBUG", ...peers];
  return nanoSnap(["get", ...stage.common({ dht: false }), ...what, "--extract", ...words], 120_000);
}

function incoming(stage: Stage): string {
  return join(stage.dataDir, ".nano-snap", "incoming");
}

/** What is left of fetching and unpacking: names. */
function leftovers(stage: Stage): string[] {
  const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name);
  return [...names(incoming(stage)), ...names(stage.dataDir).filter((name) => name.startsWith("data.ldb"))];
}

/** Looks at the disk at each change below a folder: the most that files whose name begins so took at a time. */
class Peak implements AsyncDisposable {
  bytes = 0;
  files = 0;
  readonly #watcher: Deno.FsWatcher;
  readonly #watching: Promise<void>;

  constructor(root: string, readonly prefix: string) {
    this.#watcher = Deno.watchFs(root);
    this.#watching = this.#watch(root);
  }

  async #watch(root: string): Promise<void> {
    for await (const _ of this.#watcher) {
      const sizes = allocated(root, this.prefix);
      this.bytes = Math.max(this.bytes, sizes.reduce((sum, size) => sum + size, 0));
      this.files = Math.max(this.files, sizes.length);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher.close();
    await this.#watching;
  }
}

/** Bytes on disk of each such file. What goes meanwhile takes nothing. */
function allocated(folder: string, prefix: string): number[] {
  try {
    return [...Deno.readDirSync(folder)].flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory) return allocated(path, prefix);
      return entry.name.startsWith(prefix) ? [(Deno.statSync(path).blocks ?? 0) * 512] : [];
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Resolves once a file of that name has grown. */
async function grows(stage: Stage, prefix: string): Promise<void> {
  const watch = async () => {
    using watcher = Deno.watchFs(stage.temp.path);
    const isThere = () => allocated(stage.temp.path, prefix).some((size) => size > 0);
    if (isThere()) return;
    for await (const _ of watcher) if (isThere()) return;
  };
  await within(watch(), 30_000, `${prefix} grows`);
}

for (const archive of ["7z", "tar.zst", "ldb.zst"] as const) {
  Deno.test({
    name:
      `get --low-disk of a ${archive} brings the ledger, with a window of the archive on the disk at a time`,
    ignore: needStage("7zz", "zstd", "tar"),
    async fn() {
      await using stage = await Stage.open(0);
      const published = await stage.publish({ ...PLAY, archive });
      assert.ok(published.torrent.size > 1.3 * WINDOW);
      await using peak = new Peak(stage.temp.path, "seg-");
      await using run = get(stage, published, ["--low-disk"]);
      await mustGet(run, published, stage.dataDir);
      say(
        `interop: at most ${peak.bytes} of ${published.torrent.size} bytes of a ${archive} were here at a time`,
      );
      assert.ok(peak.bytes > MIB, `${peak.bytes}`);
      assert.ok(peak.bytes <= WINDOW, `${peak.bytes} bytes in ${peak.files} files`);
      assert.deepEqual(leftovers(stage), ["data.ldb"]);
      const [uploaded = 0] = await stage.uploaded(published);
      assert.ok(uploaded <= published.torrent.size * 1.05, `${uploaded} bytes for ${published.torrent.size}`);
    },
  });
}

Deno.test({
  name:
    "get --low-disk needs no more room than the ledger and a window, where without it there is too little",
  ignore: needStage("7zz") || cannotMount(),
  async fn() {
    await using stage = await Stage.open(0);
    const published = await stage.publish({ ...PLAY, pieceSize: 64 << 10 });
    Deno.mkdirSync(stage.dataDir);
    const room = published.ledger.size + RESERVE + WINDOW + MIB;
    assert.ok(published.torrent.size > WINDOW + 8 * MIB);
    await using _disk = await mountSmallDisk(stage.dataDir, Math.ceil(room / 4096) * 4096);
    {
      await using run = get(stage, published, []);
      assert.equal((await run.finished()).code, 5);
    }
    await using run = get(stage, published, ["--low-disk"]);
    await run.stderrLine(/fetched without --low-disk is removed/);
    await mustGet(run, published, stage.dataDir);
  },
});

Deno.test({
  name: "get --low-disk ends 5 when the disk is full in the middle, and leaves nothing",
  ignore: needStage("7zz") || cannotMount(),
  async fn() {
    await using stage = await Stage.open(0);
    const published = await stage.publish({ ...PLAY, upLimit: 8 * MIB });
    Deno.mkdirSync(stage.dataDir);
    const room = published.ledger.size + RESERVE + WINDOW + MIB;
    await using _disk = await mountSmallDisk(stage.dataDir, Math.ceil(room / 4096) * 4096);
    await using run = get(stage, published, ["--low-disk"]);
    await grows(stage, "data.ldb.partial");
    const ballast = join(stage.dataDir, "ballast");
    fill(ballast);
    const { code, stderr } = await run.finished();
    assert.equal(code, 5, stderr);
    assert.match(stderr.split("\n").at(-1)!, /no space left on the device/);
    assert.deepEqual(leftovers(stage), []);
  },
});

Deno.test({
  name: "get --low-disk that was killed or stopped begins anew, and a get without it has its room",
  ignore: needStage("7zz"),
  async fn() {
    await using stage = await Stage.open(0);
    const published = await stage.publish({ ...PLAY, upLimit: 8 * MIB });
    {
      await using run = get(stage, published, ["--low-disk"]);
      await grows(stage, "data.ldb.partial");
      run.kill("SIGINT");
      const { code, stderr } = await run.finished();
      assert.equal(code, 130, stderr);
      assert.match(stderr.split("\n").at(-1)!, /with --low-disk the same command begins anew/);
      assert.deepEqual(leftovers(stage), []);
    }
    for (const next of [["--low-disk"], []]) {
      {
        await using run = get(stage, published, ["--low-disk"]);
        await grows(stage, "data.ldb.partial");
        run.kill("SIGKILL");
        await run.finished();
        assert.ok(leftovers(stage).length > 0);
      }
      await stage.swarm.limits(published.seeds[0]!, {});
      await using run = get(stage, published, [...next, "--force"]);
      await mustGet(run, published, stage.dataDir);
      assert.deepEqual(leftovers(stage), ["data.ldb"]);
      await Deno.remove(join(stage.dataDir, "data.ldb"));
      await stage.swarm.limits(published.seeds[0]!, { upLimit: 8 * MIB });
    }
  },
});

/** Writes until the disk is full. */
function fill(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  const bytes = new Uint8Array(MIB);
  try {
    for (;;) file.writeSync(bytes);
  } catch {
    // That is what it is for.
  }
}
