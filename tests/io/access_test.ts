// Owners and modes on the real file system. Giving something to another user takes root.

import assert from "node:assert/strict";
import { join } from "node:path";
import { PathUnusable } from "../../lib/errors.ts";
import { systemAccess as access } from "../../lib/io/access.ts";

const ignore = Deno.build.os === "windows";

Deno.test({ name: "give() sets owner and mode of a file and of a folder", ignore }, () => {
  const folder = Deno.makeTempDirSync();
  const file = join(folder, "data.ldb");
  Deno.writeTextFileSync(file, "", { mode: 0o644 });
  const isRoot = Deno.uid() === 0;
  const owner = isRoot ? { uid: 61234, gid: 61235 } : access.self;
  access.give(file, owner, 0o600);
  access.give(folder, owner, 0o700);
  assert.deepEqual(access.ownerOf(file), owner);
  assert.deepEqual(access.ownerOf(folder), owner);
  assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  assert.equal(access.ownerOf(join(folder, "gone")), undefined);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test({ name: "give() touches no link, and no file with a second name", ignore }, () => {
  const folder = Deno.makeTempDirSync();
  const [file, link, second] = ["file", "link", "second"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  Deno.writeTextFileSync(file, "", { mode: 0o644 });
  Deno.symlinkSync(file, link);
  assert.throws(() => access.give(link, access.self, 0o600), PathUnusable);
  Deno.linkSync(file, second);
  assert.throws(() => access.give(file, access.self, 0o600), PathUnusable);
  assert.equal(Deno.statSync(file).mode! & 0o777, 0o644);
  Deno.removeSync(folder, { recursive: true });
});
