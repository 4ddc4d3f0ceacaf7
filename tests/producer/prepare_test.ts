// What prepareSnapshot() leaves beside a file, and when it need not hash again; with the system's own files.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { toHex } from "../../lib/bytes.ts";
import { Interrupted, OperationFailed, PathUnusable } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import { sha256 } from "../../lib/hash.ts";
import { systemFiles } from "../../lib/io/files.ts";
import type { CreateOptions } from "../../lib/producer/create.ts";
import type { HashJob } from "../../lib/producer/file_hasher.ts";
import { prepareSnapshot } from "../../lib/producer/prepare.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { hashBytes } from "./hashing.ts";

const BYTES = Uint8Array.from({ length: 9_000_000 }, (_, i) => i % 251);

/** A folder with one archive, and a count of the hashings for a torrent. */
class Desk implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "nano-snap-prepare-" });
  readonly archive = join(this.folder, "a.7z");
  readonly stop = new AbortController();
  readonly events: RunEvent[] = [];
  hashings = 0;
  wholes = 0;
  reads = 0;
  meanwhile: () => void = () => {};

  constructor() {
    fs.writeFileSync(this.archive, BYTES);
  }

  async prepare(more: Partial<CreateOptions> = {}) {
    const machine = {
      files: {
        ...systemFiles,
        open: (path: string, how: "read" | "write" | "create") => {
          this.reads++;
          return systemFiles.open(path, how);
        },
      },
      clock: { nowMs: () => 0, unixMs: () => 0, sleep: () => Promise.resolve() },
      random: { bytes: (length: number) => new Uint8Array(length) },
      hasher: {
        hash: async (job: HashJob) => {
          this.hashings++;
          const hashes = await hashBytes(fs.readFileSync(job.path), job);
          this.meanwhile();
          job.signal.throwIfAborted();
          return hashes;
        },
        hashWhole: (job: Pick<HashJob, "path">) => {
          this.wholes++;
          return Promise.resolve(sha256(fs.readFileSync(job.path)));
        },
      },
      client: "nano-snap test",
    };
    const options = {
      path: this.archive,
      pieceLength: 1 << 20,
      originalFilename: undefined,
      formatFacts: false,
      v2Only: false,
      trackers: [],
      ...more,
    };
    return await prepareSnapshot(options, machine, (event) => void this.events.push(event), this.stop.signal);
  }

  meta(): Record<string, unknown> {
    return JSON.parse(fs.readFileSync(join(this.folder, "snapshot-meta.json"), "utf8"));
  }

  names(): string[] {
    return fs.readdirSync(this.folder).sort();
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.folder, { recursive: true });
  }
}

Deno.test("prepareSnapshot() leaves a torrent and upstream's facts beside the file", async () => {
  using desk = new Desk();
  fs.utimesSync(desk.archive, 1_776_902_400, 1_776_902_400);
  const prepared = await desk.prepare({ originalFilename: "Nano_64.7z" });
  const { info } = parseTorrent(fs.readFileSync(prepared.torrentPath));
  const { nano_snap: ours, ...theirs } = desk.meta();
  assert.deepEqual(theirs, {
    original_filename: "Nano_64.7z",
    sha256: createHash("sha256").update(BYTES).digest("hex"),
    size_bytes: BYTES.length,
    torrent_format_version: 3,
    downloaded_at: "2026-04-23T00:00:00.000Z",
    torrent_info_hash: toHex(info.infoHashV2!),
    torrent_info_hash_v1: toHex(info.infoHashV1!),
  });
  assert.equal((ours as Record<string, unknown>)["size"], BYTES.length);
  assert.deepEqual(desk.names(), ["a.7z", "a.7z.torrent", "snapshot-meta.json"]);
  assert.equal(prepared.isReused, false);
});

Deno.test("prepareSnapshot() of an untouched file reads nothing again", async () => {
  using desk = new Desk();
  const first = await desk.prepare();
  desk.reads = 0;
  const again = await desk.prepare();
  assert.deepEqual([desk.hashings, desk.reads, again.isReused], [1, 0, true]);
  assert.deepEqual([again.sha256, again.info.infoHashV2], [first.sha256, first.info.infoHashV2]);
});

Deno.test("prepareSnapshot() hashes the whole alone when only that is missing, and not when it is known", async () => {
  using desk = new Desk();
  const { sha256: wanted } = await desk.prepare();
  assert.equal(desk.wholes, 0, "the torrent's hashing brought it along");
  const path = join(desk.folder, "snapshot-meta.json");
  const { sha256: _, ...rest } = desk.meta();
  fs.writeFileSync(path, JSON.stringify(rest));
  const again = await desk.prepare();
  assert.deepEqual([desk.hashings, desk.wholes, again.isReused, again.sha256], [1, 1, true, wanted]);
  assert.equal(desk.meta()["sha256"], wanted);
  fs.rmSync(`${desk.archive}.torrent`);
  assert.equal((await desk.prepare()).sha256, wanted);
  assert.deepEqual([desk.hashings, desk.wholes], [2, 1]);
});

Deno.test("prepareSnapshot() hashes again whatever it cannot be sure of", async () => {
  const cases: [string, (desk: Desk) => void, Partial<CreateOptions>?][] = [
    ["another size", ({ archive }) => fs.appendFileSync(archive, "x")],
    ["another time", ({ archive }) => fs.utimesSync(archive, 1, 1)],
    ["another file in its place", ({ archive }) => {
      const { atime, mtime } = fs.statSync(archive);
      fs.writeFileSync(`${archive}.new`, BYTES);
      fs.renameSync(`${archive}.new`, archive);
      fs.utimesSync(archive, atime, mtime);
    }],
    ["no torrent", ({ archive }) => fs.rmSync(`${archive}.torrent`)],
    ["a torn torrent", ({ archive }) => fs.truncateSync(`${archive}.torrent`, 100)],
    ["another torrent", ({ archive }) => {
      const bytes = fs.readFileSync(`${archive}.torrent`, "latin1");
      fs.writeFileSync(`${archive}.torrent`, bytes.replace("4:name4:a.7z", "4:name4:b.7z"), "latin1");
    }],
    ["no facts", ({ folder }) => fs.rmSync(join(folder, "snapshot-meta.json"))],
    ["upstream's facts only", (desk) => {
      const { nano_snap: _, ...theirs } = desk.meta();
      fs.writeFileSync(join(desk.folder, "snapshot-meta.json"), JSON.stringify(theirs));
    }],
    ["another piece length", () => {}, { pieceLength: 1 << 21 }],
    ["another source's name", () => {}, { originalFilename: "b.7z" }],
    ["no v1 half", () => {}, { v2Only: true }],
    ["other trackers", () => {}, { trackers: ["http://t.test/announce"] }],
  ];
  for (const [what, change, more] of cases) {
    using desk = new Desk();
    await desk.prepare();
    change(desk);
    const { isReused, sha256 } = await desk.prepare(more);
    assert.deepEqual([desk.hashings, isReused], [2, false], what);
    assert.equal(sha256, createHash("sha256").update(fs.readFileSync(desk.archive)).digest("hex"), what);
  }
});

Deno.test("prepareSnapshot() keeps keys of others, and when the same archive came", async () => {
  using desk = new Desk();
  const sha256 = createHash("sha256").update(BYTES).digest("hex");
  const meta = {
    downloaded_at: "2026-01-01T00:00:00Z",
    sha256,
    source_url: "https://a.test/",
    theirs: { x: 1 },
  };
  fs.writeFileSync(join(desk.folder, "snapshot-meta.json"), JSON.stringify(meta));
  await desk.prepare();
  const written = desk.meta();
  for (const [key, value] of Object.entries(meta)) assert.deepEqual(written[key], value, key);
  fs.appendFileSync(desk.archive, "x");
  await desk.prepare();
  assert.notEqual(desk.meta()["downloaded_at"], meta.downloaded_at, "another archive came at another time");
});

Deno.test("prepareSnapshot() says what is wrong with a file, and writes nothing", async () => {
  using desk = new Desk();
  fs.writeFileSync(join(desk.folder, "empty"), "");
  for (
    const [name, said] of [["none", /no such file/], ["empty", /it is empty/], [
      ".",
      /it is a folder/,
    ]] as const
  ) {
    const prepared = desk.prepare({ path: join(desk.folder, name) });
    await assert.rejects(prepared, (error) => error instanceof PathUnusable && said.test(error.message));
  }
  assert.deepEqual(desk.names(), ["a.7z", "empty"]);
});

Deno.test("prepareSnapshot() refuses a file that changes meanwhile, and ends when it is interrupted", async () => {
  using desk = new Desk();
  desk.meanwhile = () => fs.appendFileSync(desk.archive, "x");
  await assert.rejects(desk.prepare(), OperationFailed);
  assert.deepEqual(desk.names(), ["a.7z"]);
  desk.meanwhile = () => desk.stop.abort(new Interrupted("SIGINT", "Interrupted"));
  await assert.rejects(desk.prepare(), Interrupted);
  assert.deepEqual(desk.names(), ["a.7z"]);
});
