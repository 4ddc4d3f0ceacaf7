// What createTorrent() does around the hashing: what it refuses, what it writes and when, with the system's own files.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { toHex } from "../../lib/bytes.ts";
import { Interrupted, OperationFailed, PathUnusable, SnapError, UsageError } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { type CreateOptions, createTorrent } from "../../lib/producer/create.ts";
import type { FileHashes, HashJob } from "../../lib/producer/file_hasher.ts";
import { originalFilename } from "../../lib/torrent/x_snapshot.ts";
import { parseTorrent } from "../../lib/torrent/metainfo.ts";
import { fixtureBytes } from "../torrent/fixtures.ts";
import { hashBytes } from "./hashing.ts";
import { NO_LINKS, NO_MODES, notOnWindows } from "../windows.ts";

const MADE_AT_MS = 1_776_902_400_000;

/** A folder, and a machine whose hasher reads a file at once and may be interrupted in that by `meanwhile`. */
class Desk implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "nano-snap-create-" });
  readonly events: RunEvent[] = [];
  readonly stop = new AbortController();
  hashed = 0;
  meanwhile: () => void = () => {};

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, bytes: Uint8Array): string {
    fs.writeFileSync(this.path(name), bytes);
    return this.path(name);
  }

  async create(name: string, more: Partial<CreateOptions> = {}) {
    const options = {
      path: this.path(name),
      pieceLength: 16384,
      originalFilename: undefined,
      formatFacts: false,
      v2Only: false,
      trackers: [],
      ...more,
    };
    const machine = {
      files: systemFiles,
      clock: { nowMs: () => 0, unixMs: () => MADE_AT_MS, sleep: () => Promise.resolve() },
      random: { bytes: (length: number) => new Uint8Array(length) },
      hasher: {
        hash: (job: HashJob) => this.#hash(job),
        hashWhole: () => Promise.reject(new Error("nobody wants it alone")),
      },
      client: "nano-snap test",
    };
    return await createTorrent(options, machine, (event) => void this.events.push(event), this.stop.signal);
  }

  get warnings(): string[] {
    return this.events.flatMap((event) =>
      event.kind === "note" && event.level === "warning" ? [event.text] : []
    );
  }

  async #hash({ path, pieceLength, kind, size, signal, onProgress }: HashJob): Promise<FileHashes> {
    this.hashed++;
    const bytes = fs.readFileSync(path);
    assert.equal(bytes.length, size);
    this.meanwhile();
    signal.throwIfAborted();
    onProgress(size);
    return await hashBytes(bytes, { pieceLength, kind });
  }

  [Symbol.dispose](): void {
    fs.chmodSync(this.folder, 0o755);
    fs.rmSync(this.folder, { recursive: true });
  }
}

Deno.test("createTorrent() writes FILE.torrent with the file's name, the time and the maker, over an older one", async () => {
  using desk = new Desk();
  desk.write("nano-ledger-snapshot.7z", fixtureBytes(40_000));
  desk.write("nano-ledger-snapshot.7z.torrent", fixtureBytes(5));
  const made = await desk.create("nano-ledger-snapshot.7z", { trackers: ["udp://a.example:1/x"] });
  assert.equal(made.torrentPath, desk.path("nano-ledger-snapshot.7z.torrent"));
  const bytes = new Uint8Array(fs.readFileSync(made.torrentPath));
  assert.deepEqual(bytes, made.bytes);
  const { info, trackers } = parseTorrent(bytes);
  assert.deepEqual([info.name, info.kind, info.pieceLength], ["nano-ledger-snapshot.7z", "hybrid", 16384]);
  assert.deepEqual(trackers, [["udp://a.example:1/x"]]);
  const text = new TextDecoder("latin1").decode(bytes);
  assert.ok(text.includes('7:comment41:{"created_at":"2026-04-23T00:00:00.000Z"}'));
  assert.ok(text.includes("10:created by14:nano-snap test"));
  assert.deepEqual(fs.readdirSync(desk.folder), [
    "nano-ledger-snapshot.7z",
    "nano-ledger-snapshot.7z.torrent",
  ]);
});

Deno.test("createTorrent() has the same hash for the same file, whenever and with whatever trackers", async () => {
  using desk = new Desk();
  desk.write("a.7z", fixtureBytes(40_000));
  const first = await desk.create("a.7z");
  const second = await desk.create("a.7z", { trackers: ["udp://a.example:1/x"] });
  assert.deepEqual(second.info.infoHashV2, first.info.infoHashV2);
});

Deno.test({
  name: "createTorrent() records where a link leads, what it is told, or nothing",
  ignore: notOnWindows(NO_LINKS),
}, async () => {
  using desk = new Desk();
  desk.write("Nano_64_2026_04_23.7z", fixtureBytes(10));
  fs.symlinkSync("Nano_64_2026_04_23.7z", desk.path("nano-ledger-snapshot.7z"));
  const linked = await desk.create("nano-ledger-snapshot.7z");
  assert.equal(linked.info.name, "nano-ledger-snapshot.7z");
  assert.equal(originalFilename(linked.info), "Nano_64_2026_04_23.7z");
  const told = await desk.create("nano-ledger-snapshot.7z", { originalFilename: "told.7z" });
  assert.equal(originalFilename(told.info), "told.7z");
  const silent = await desk.create("nano-ledger-snapshot.7z", { originalFilename: "" });
  assert.equal(silent.info.xSnapshot, undefined);
  assert.equal(silent.originalFilename, undefined);
});

Deno.test("createTorrent() records what the file says of itself where that is asked for", async () => {
  using desk = new Desk();
  desk.write("a.7z", Uint8Array.of(0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, 0, 4));
  const { info } = await desk.create("a.7z", { formatFacts: true });
  const text = new TextDecoder().decode(info.xSnapshot as Uint8Array);
  assert.equal(text, '{"original_filename":"a.7z","format":"7z","size":8}');
  assert.equal(originalFilename(info), "a.7z");
});

Deno.test("createTorrent() leaves the v1 half out of a v2-only torrent", async () => {
  using desk = new Desk();
  desk.write("a.7z", fixtureBytes(40_000));
  const { info } = await desk.create("a.7z", { v2Only: true });
  assert.deepEqual([info.kind, info.infoHashV1], ["v2", undefined]);
});

Deno.test("createTorrent() refuses what no torrent can be made of before it hashes, in one sentence", async () => {
  using desk = new Desk();
  desk.write("empty", new Uint8Array());
  fs.mkdirSync(desk.path("folder"));
  for (
    const [name, reason] of [
      ["missing", "no such file"],
      ["folder", "it is a folder"],
      ["empty", "it is empty"],
      ["empty/below", "no such file"],
    ] as const
  ) {
    await assert.rejects(desk.create(name), (error: Error) => {
      assert.ok(error instanceof PathUnusable);
      assert.equal(error.message, `Cannot make a torrent of ${desk.path(name)}: ${reason}`);
      return true;
    });
  }
  assert.equal(desk.hashed, 0);
  assert.deepEqual(fs.readdirSync(desk.folder), ["empty", "folder"]);
});

Deno.test({
  name:
    "createTorrent() refuses a file that it may not read and a folder that it may not write to, before it hashes",
  ignore: Deno.uid() === 0 || notOnWindows(NO_MODES), // who may do anything is not refused
}, async () => {
  using desk = new Desk();
  const path = desk.write("a.7z", fixtureBytes(10));
  fs.chmodSync(path, 0o000);
  await assert.rejects(desk.create("a.7z"), /Cannot read .*a\.7z: permission denied/);
  fs.chmodSync(path, 0o644);
  fs.chmodSync(desk.folder, 0o555);
  await assert.rejects(desk.create("a.7z"), PathUnusable);
  assert.equal(desk.hashed, 0);
});

Deno.test("createTorrent() refuses a folder in the torrent's place, and pieces by the million, before it hashes", async () => {
  using desk = new Desk();
  desk.write("a.7z", fixtureBytes(10));
  fs.mkdirSync(desk.path("a.7z.torrent"));
  await assert.rejects(desk.create("a.7z"), /Cannot write .*a\.7z\.torrent: it is a folder/);
  fs.truncateSync(desk.write("huge", new Uint8Array(1)), 16384 * 2 ** 20 + 1);
  await assert.rejects(desk.create("huge"), (error: Error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /^Cannot make 1048577 pieces of 16\.4 KB, at most 1048576: choose a larger/);
    return true;
  });
  assert.equal(desk.hashed, 0);
});

Deno.test("createTorrent() writes nothing when the file changes while it is hashed, and says how", async () => {
  const changes: [string, (path: string) => void, RegExp][] = [
    ["grows", (path) => fs.appendFileSync(path, "x"), /it had 40000 bytes and has 40001$/],
    ["is written to", (path) => fs.utimesSync(path, 1, 1), /it was written to$/],
    ["is replaced", (path) => {
      fs.writeFileSync(`${path}.new`, fixtureBytes(40_000));
      fs.renameSync(`${path}.new`, path);
    }, /another file is in its place$/],
    ["goes", (path) => fs.rmSync(path), /it is gone$/],
  ];
  for (const [name, change, reason] of changes) {
    using desk = new Desk();
    const path = desk.write("a.7z", fixtureBytes(40_000));
    desk.write("a.7z.torrent", fixtureBytes(5));
    desk.meanwhile = () => change(path);
    await assert.rejects(desk.create("a.7z"), (error: Error) => {
      assert.ok(error instanceof OperationFailed, name);
      assert.match(error.message, /^Cannot make a torrent of .*a\.7z: it changed while it was hashed: /);
      assert.match(error.message, reason);
      return true;
    });
    assert.deepEqual(new Uint8Array(fs.readFileSync(`${path}.torrent`)), fixtureBytes(5), name);
    assert.ok(!fs.existsSync(`${path}.torrent.tmp`), name);
  }
});

Deno.test("createTorrent() ends with the signal's reason and writes nothing", async () => {
  using desk = new Desk();
  desk.write("a.7z", fixtureBytes(10));
  desk.meanwhile = () => desk.stop.abort(new Interrupted("SIGINT", "stopped"));
  await assert.rejects(desk.create("a.7z"), SnapError);
  assert.deepEqual(fs.readdirSync(desk.folder), ["a.7z"]);
});

Deno.test("createTorrent() chooses the piece length by the size, honours one that is asked for, and warns of a bad one", async () => {
  using desk = new Desk();
  desk.write("a.7z", fixtureBytes(513 * 16384));
  assert.equal((await desk.create("a.7z", { pieceLength: undefined })).info.pieceLength, 32 << 20);
  assert.deepEqual(desk.warnings, []);
  const { info } = await desk.create("a.7z");
  assert.deepEqual([info.pieceLength, info.pieceCount], [16384, 513]);
  assert.match(desk.warnings[0]!, /^513 pieces are one more than a multiple of 512/);
  assert.equal(toHex(info.infoHashV2!).length, 64);
});

Deno.test("createTorrent() tells its progress from nothing to all", async () => {
  using desk = new Desk();
  desk.write("a.7z", fixtureBytes(10));
  await desk.create("a.7z");
  assert.deepEqual(
    desk.events.filter(({ kind }) => kind === "work"),
    [0, 10].map((doneBytes) => ({
      kind: "work",
      label: "Hashing",
      doneBytes,
      totalBytes: 10,
    })),
  );
});
