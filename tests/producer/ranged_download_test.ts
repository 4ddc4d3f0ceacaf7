// Against a server on loopback with every bad manner; files are real, pauses are not waited for.

import assert from "node:assert/strict";
import { join } from "node:path";
import { NetworkStalled, NotEnoughSpace, VerificationFailed } from "../../lib/errors.ts";
import { systemFiles } from "../../lib/io/files.ts";
import { systemHttp } from "../../lib/io/http.ts";
import type { Clock, Files } from "../../lib/ports.ts";
import {
  download,
  DOWNLOAD_DEFAULTS,
  type DownloadLimits,
  findRemote,
  refuseFailedBefore,
} from "../../lib/producer/ranged_download.ts";
import { archiveBytes, FileServer, type Manners } from "./file_server.ts";

const SIZE = 70 * 2 ** 20;
const content = archiveBytes(SIZE);
const report = () => {};
const never = new AbortController().signal;

class World implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "nano-snap-test-" });
  readonly server: FileServer;
  readonly place = { folder: join(this.folder, "tmp"), name: "snapshot.7z" };
  readonly pauses: number[] = [];
  files: Files = systemFiles;
  limits: DownloadLimits = { ...DOWNLOAD_DEFAULTS, timeoutMs: 20_000 };

  constructor(manners: Manners, bytes = content) {
    this.server = new FileServer(bytes, manners);
  }

  /** Time goes on, pauses do not. */
  readonly clock: Clock = {
    nowMs: () => performance.now(),
    unixMs: () => 0,
    sleep: (ms) => {
      this.pauses.push(ms);
      return Promise.resolve();
    },
  };

  async fetch(signal = never): Promise<string> {
    const machine = { clock: this.clock, files: this.files, http: systemHttp };
    const remote = await findRemote(this.server.url(), machine, this.limits, signal);
    refuseFailedBefore(this.files, this.place, remote);
    return await download(remote, this.place, machine, { limits: this.limits, report, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function assertSame(path: string, expected: Uint8Array): void {
  const got = Deno.readFileSync(path);
  assert.equal(got.length, expected.length);
  assert.equal(got.findIndex((byte, i) => byte !== expected[i]), -1);
}

Deno.test("download() fetches in parts and leaves no journal", async () => {
  await using world = new World({ etag: () => '"a"' });
  assertSame(await world.fetch(), content);
  assert.deepEqual(Array.from(Deno.readDirSync(world.place.folder), ({ name }) => name), [
    "snapshot.7z.partial",
  ]);
  assert.equal(world.server.ranges[0], "bytes=0-511");
  assert.equal(world.server.ranges.length, 4, "the look and three stretches of 32 MiB");
  assert.ok(world.server.bytesSent <= SIZE + 2 ** 20, "nothing is fetched twice");
});

Deno.test("download() takes an empty ETag and an empty date for none", async () => {
  await using world = new World({ etag: () => "", lastModified: "" });
  assertSame(await world.fetch(), content);
});

Deno.test("download() goes on where a connection was cut", async () => {
  await using world = new World({
    etag: () => '"a"',
    cutAfter: (n) => n > 0 && n < 30 ? 3_000_000 : undefined,
  });
  assertSame(await world.fetch(), content);
  assert.ok(world.server.ranges.length > 20);
  assert.ok(world.server.bytesSent <= SIZE + 2 ** 20, "what came before a cut is kept");
});

Deno.test("download() goes on in another run after it was given up", async () => {
  await using world = new World({ etag: () => '"a"', cutAfter: (n) => n > 0 ? 20_000_000 : undefined });
  world.limits = { ...world.limits, tries: 1 };
  await assert.rejects(world.fetch(), NetworkStalled);
  const before = world.server.bytesSent;
  assert.ok(before >= 20_000_000);
  world.server.manners = { etag: () => '"a"' };
  assertSame(await world.fetch(), content);
  const again = world.server.bytesSent - SIZE;
  assert.ok(again < 4 * 2 ** 20, `${again} bytes came twice`);
});

Deno.test("download() counts nothing of a journal when the file on the server is another", async () => {
  await using world = new World({ etag: () => '"a"', cutAfter: (n) => n > 0 ? 20_000_000 : undefined });
  world.limits = { ...world.limits, tries: 1 };
  await assert.rejects(world.fetch(), NetworkStalled);
  const other = archiveBytes(SIZE);
  other.fill(7, 1000);
  world.server.content = other;
  world.server.manners = { etag: () => '"b"' };
  assertSame(await world.fetch(), other);
});

Deno.test("download() stops when the file changes on the server meanwhile", async (t) => {
  const cases: [string, Manners, RegExp][] = [
    [
      "and If-Range tells",
      { etag: (n) => n < 2 ? '"a"' : '"b"' },
      /changed on the server meanwhile \(it answers 200\)/,
    ],
    ["and only the ETag tells", { etag: (n) => n < 2 ? 'W/"a"' : 'W/"b"' }, /its ETag W\/"a" became W\/"b"/],
  ];
  for (const [name, manners, message] of cases) {
    await t.step(name, async () => {
      await using world = new World(manners);
      await assert.rejects(world.fetch(), (error: Error) => {
        assert.ok(error instanceof NetworkStalled);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

Deno.test("download() gives up after so many tries without progress, pausing longer and longer", async () => {
  await using world = new World({ status: (n) => n > 0 ? 503 : undefined });
  await assert.rejects(world.fetch(), /10 tries in a row failed, the last so: .*the server answers 503$/);
  assert.deepEqual(world.pauses.toSorted((a, b) => a - b).at(-1), 60_000);
  assert.equal(world.pauses.length, 9);
});

Deno.test("download() does not try again what the server will say again", async () => {
  await using world = new World({ status: () => 404 });
  await assert.rejects(
    world.fetch(),
    /^NetworkStalled: Cannot fetch .*snapshot\.7z: the server answers 404$/,
  );
  assert.equal(world.server.ranges.length, 1);
});

Deno.test("download() gives a silent connection up and asks again", async () => {
  await using world = new World({ etag: () => '"a"', hangs: (n) => n === 1 || n === 2 });
  world.limits = { ...world.limits, timeoutMs: 500 };
  assertSame(await world.fetch(), content);
});

Deno.test("download() takes a server without ranges in one stream, again from the beginning after a cut", async () => {
  const small = archiveBytes(3_000_000);
  await using world = new World(
    { ranges: "ignored", cutAfter: (n) => n === 1 ? 1_000_000 : undefined },
    small,
  );
  assertSame(await world.fetch(), small);
});

Deno.test("download() sets a whole file of undeclared length aside when it is too short to be true", async () => {
  const small = archiveBytes(3_000_000);
  await using world = new World({ ranges: "ignored", hidesLength: true }, small);
  await assert.rejects(world.fetch(), /did not say how long it is, and 3\.0 MB came, less than the 1\.0 GB/);
  assertSame(join(world.place.folder, "snapshot.7z.failed"), small);
  const before = world.server.ranges.length;
  await assert.rejects(world.fetch(), (error: Error) => {
    assert.ok(error instanceof VerificationFailed);
    assert.match(
      error.message,
      /it was fetched before and kept as .*\.failed because of this: .*; remove that file/,
    );
    return true;
  });
  assert.equal(world.server.ranges.length - before, 1, "it is looked at and not fetched again");
  world.limits = { ...world.limits, minUndeclaredBytes: 1000 };
  Deno.removeSync(join(world.place.folder, "snapshot.7z.failed"));
  assertSame(await world.fetch(), small);
});

Deno.test("download() ends a body of undeclared length before the disk is full, and frees what it took", async () => {
  await using world = new World({ ranges: "ignored", hidesLength: true });
  const partial = join(world.place.folder, "snapshot.7z.partial");
  const size = () => systemFiles.stat(partial)?.size ?? 0;
  world.files = { ...systemFiles, freeBytes: () => 150e6 - size() };
  await assert.rejects(world.fetch(), (error: Error) => {
    assert.ok(error instanceof NotEnoughSpace, String(error));
    assert.match(
      error.message,
      /does not say how long it is, and after 67\.\d MB only 8\d\.\d MB were free$/,
    );
    return true;
  });
  assert.equal(size(), 0);
});

Deno.test("findRemote() refuses what is no archive, or not all of one, before it is fetched", async (t) => {
  const cases: [string, Uint8Array, RegExp][] = [
    [
      "a web page",
      new TextEncoder().encode(" <!doctype html>" + "x".repeat(1000)),
      /it is a web page \(HTML\)/,
    ],
    ["anything else", new Uint8Array(5000), /it is none of \.7z/],
    ["an empty file", new Uint8Array(), /it is empty/],
    ["half a 7z", content.subarray(0, SIZE / 2), /it has 36700160 bytes, and its 7z header says 73400320/],
  ];
  for (const [name, bytes, message] of cases) {
    for (const ranges of ["bytes", "ignored"] as const) {
      await t.step(`${name}, ranges ${ranges}`, async () => {
        await using world = new World({ ranges }, bytes);
        await assert.rejects(world.fetch(), (error: Error) => {
          assert.ok(error instanceof VerificationFailed, String(error));
          assert.match(error.message, message);
          return true;
        });
        assert.equal(world.server.ranges.length, 1);
      });
    }
  }
});

Deno.test("download() refuses for want of space, with numbers, before the first byte", async () => {
  await using world = new World({});
  world.files = { ...systemFiles, freeBytes: () => 100e6 };
  await assert.rejects(world.fetch(), (error: Error) => {
    assert.ok(error instanceof NotEnoughSpace);
    assert.match(error.message, /needs 73\.4 MB and 67\.1 MB that must stay free, has 100\.0 MB$/);
    return true;
  });
  assert.equal(world.server.ranges.length, 1);
});

Deno.test("download() notes what has come when it is interrupted", async () => {
  await using world = new World({ etag: () => '"a"' });
  const stop = new AbortController();
  const files: Files = {
    ...systemFiles,
    open: (path, how) => {
      const file = systemFiles.open(path, how);
      const write = file.writeAt.bind(file);
      let written = 0;
      file.writeAt = (bytes, at) => {
        write(bytes, at);
        written += bytes.length;
        if (written > 8e6) stop.abort(new Error("stopped"));
      };
      return file;
    },
  };
  world.files = files;
  await assert.rejects(world.fetch(stop.signal), /stopped/);
  const journal = JSON.parse(Deno.readTextFileSync(join(world.place.folder, "snapshot.7z.journal")));
  const ranges: [number, number][] = journal.done;
  // Which connection brought them is chance.
  assert.ok(ranges.reduce((sum, [start, end]) => sum + end - start, 0) > 8e6);
  assert.equal(journal.source.etag, '"a"');
});
