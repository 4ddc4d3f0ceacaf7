// Inode numbers above 2^53 on a real file system: an overlay of two others marks each file with the one that it is of, in
// the highest bits.

import assert from "node:assert/strict";
import { inNamespace, needNamespace, scriptOf } from "./namespace.ts";
import { say, tempDir } from "./support.ts";

Deno.test({
  name:
    "files whose inode numbers are rounded to one are still two files, by path, when open, and to who has them open",
  ignore: needNamespace(),
  async fn() {
    await using temp = await tempDir();
    const { stdout } = await inNamespace(`
      mount -t tmpfs none '${temp.path}'
      cd '${temp.path}'
      mkdir low up all
      mount -t tmpfs none low
      mount -t tmpfs none up
      mkdir up/files up/work
      echo a > low/a
      echo b > low/b
      overlay=lowerdir=low,upperdir=up/files,workdir=up/work,xino=on
      mount -t overlay overlay -o "$overlay" all || { echo no overlay; exit 0; }
      stat -c %i all/a all/b
      sleep 60 < all/b &
      ${scriptOf("inode_main.ts")} '${temp.path}/all'
      kill $!
    `);
    const [a = "", b = "", json] = stdout.trim().split("\n");
    if (json === undefined) {
      return say(`interop: a test is skipped: ${stdout.trim()} with numbers of its own`);
    }
    const { rounded, inodes, holders, open } = JSON.parse(json);
    assert.equal(rounded[0], rounded[1], "what the runtime says");
    assert.notEqual(a, b);
    assert.deepEqual(inodes, [a, b]);
    assert.deepEqual(open, [b, b, b]);
    assert.deepEqual(holders, [[], ["sleep"]]);
  },
});
