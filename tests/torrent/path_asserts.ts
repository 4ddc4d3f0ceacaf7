// What must hold of the paths of every torrent that is accepted, whatever it calls its files.

import assert from "node:assert/strict";
import { join, relative, sep, win32 } from "node:path";
import type { Info } from "../../lib/torrent/info.ts";

/** No path leaves the target folder, on any system, and no two files meet. */
export function assertSafePaths(info: Pick<Info, "name" | "files" | "isSingleFile">): void {
  assertSafeName(info.name);
  const seen = new Set<string>();
  for (const { path } of info.files) {
    assert(path.length >= 1 && path.length <= 100);
    path.forEach(assertSafeName);
    if (info.isSingleFile) assert.deepEqual(path, [info.name]);
    const inside = relative("/target", join("/target", ...path));
    assert.equal(inside, path.join(sep));
    const folded = inside.normalize("NFC").toLowerCase();
    assert(!seen.has(folded), `two files are ${inside}`);
    seen.add(folded);
  }
}

export function assertSafeName(name: string): void {
  const shown = JSON.stringify(name);
  assert(name !== "" && name !== "." && name !== "..", shown);
  assert(!/[/\\:\p{Cc}]|[. ]$/u.test(name), shown);
  assert(name.isWellFormed(), shown);
  assert(new TextEncoder().encode(name).length <= 255, shown);
  assert.equal(win32.basename(win32.resolve("C:\\target", name)), name);
}
