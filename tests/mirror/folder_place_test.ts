import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PathUnusable } from "../../lib/errors.ts";
import { systemFiles as files } from "../../lib/io/files.ts";
import { refuseForeignFolder } from "../../lib/mirror/folder_place.ts";
import { parseInfo } from "../../lib/torrent/metainfo.ts";
import { encode } from "../../lib/bencode.ts";

/** A v1 torrent "snap" of these files. */
function torrentOf(lengths: Record<string, number>) {
  const listed = Object.entries(lengths).map(([path, length]) => ({ length, path: path.split("/") }));
  const total = listed.reduce((sum, { length }) => sum + length, 0);
  const pieces = new Uint8Array(20 * Math.ceil(total / 16384));
  return parseInfo(encode({ files: listed, name: "snap", "piece length": 16384, pieces }));
}

const TORRENT = torrentOf({ "a.7z": 10, "sub/b": 5, "sub/deep/c": 1 });

/** Runs in a fresh folder that has these files (a name that ends in / is a folder). */
function inFolder(there: Record<string, string>, run: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    for (const [name, text] of Object.entries(there)) {
      mkdirSync(name.endsWith("/") ? join(folder, name) : dirname(join(folder, name)), { recursive: true });
      if (!name.endsWith("/")) writeFileSync(join(folder, name), text);
    }
    run(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const passed: [string, Record<string, string>][] = [
  ["nothing", {}],
  ["an empty folder", { "snap/": "" }],
  ["a part of the torrent", { "snap/a.7z": "0123", "snap/sub/deep/": "" }],
  ["all of it", { "snap/a.7z": "0123456789", "snap/sub/b": "01234", "snap/sub/deep/c": "0" }],
];
for (const [what, there] of passed) {
  Deno.test(`refuseForeignFolder() lets ${what} pass`, () => {
    inFolder(there, (folder) => refuseForeignFolder(files, join(folder, "snap"), TORRENT));
  });
}

const refused: [string, Record<string, string>, string][] = [
  ["a file that the torrent has not", { "snap/a.7z": "0", "snap/my notes": "" }, "my notes"],
  ["one in a folder of the torrent's", { "snap/sub/x": "" }, "sub/x"],
  ["a folder that the torrent has not", { "snap/photos/1": "" }, "photos"],
  ["a longer file", { "snap/sub/b": "012345" }, "sub/b"],
  ["a file in a folder's place", { "snap/sub": "" }, "sub"],
  ["a folder in a file's place", { "snap/a.7z/": "" }, "a.7z"],
];
for (const [what, there, named] of refused) {
  Deno.test(`refuseForeignFolder() refuses ${what}`, () => {
    inFolder(there, (folder) => {
      assert.throws(() => refuseForeignFolder(files, join(folder, "snap"), TORRENT), (error: unknown) => {
        assert.ok(error instanceof PathUnusable);
        assert.ok(error.message.includes(`holds ${named}, which is not of this torrent`), error.message);
        return true;
      });
    });
  });
}
