// What counts as here of a download that was stopped.

import assert from "node:assert/strict";
import { utf8 } from "../../lib/bytes.ts";
import { systemFiles as files } from "../../lib/io/files.ts";
import {
  RangeSet,
  readJournal,
  type RemoteIdentity,
  writeJournal,
} from "../../lib/producer/download_journal.ts";

const identity: RemoteIdentity = { url: "http://h/a.7z", size: 100, etag: '"1"', lastModified: undefined };

/** "##..#" as the ranges of its runs of "#", ten bytes each. */
function drawn(picture: string): [number, number][] {
  return [...picture.matchAll(/#+/g)].map(({ index, 0: run }) => [index * 10, (index + run.length) * 10]);
}

function setOf(picture: string): RangeSet {
  return new RangeSet(drawn(picture).map(([start, end]) => ({ start, end })));
}

Deno.test("RangeSet.add() merges what overlaps or touches, in any order", () => {
  const cases: [string, string, string][] = [
    ["..........", "..##......", "..##......"],
    ["##........", "..##......", "####......"],
    ["....##....", "..##......", "..####...."],
    ["##....##..", "..####....", "########.."],
    ["##..##..##", "...###....", "##.###..##"],
    ["#.#.#.#.#.", "#########.", "#########."],
    ["##########", "...##.....", "##########"],
  ];
  for (const [before, added, after] of cases) {
    const set = setOf(before);
    for (const [start, end] of drawn(added)) set.add({ start, end });
    assert.deepEqual(set.ranges.map(({ start, end }) => [start, end]), drawn(after), `${before} + ${added}`);
    assert.equal(set.bytes, after.replaceAll(".", "").length * 10);
    const rest = after.replaceAll(/./g, (one) => one === "#" ? "." : "#");
    assert.deepEqual(set.gaps(100).map(({ start, end }) => [start, end]), drawn(rest));
  }
  const set = new RangeSet();
  set.add({ start: 5, end: 5 });
  assert.deepEqual(set.ranges, []);
});

Deno.test("readJournal() gives back what was written, for the same file only", () => {
  const folder = Deno.makeTempDirSync({ prefix: "nano-snap-test-" });
  const [path, partial] = [`${folder}/a.journal`, `${folder}/a.partial`];
  const read = (of = identity) => readJournal(files, { path, partial, identity: of });
  try {
    assert.equal(read().done.bytes, 0);
    files.writeNew(partial, new Uint8Array(60));
    writeJournal(files, path, identity, setOf("##..##").ranges);
    assert.deepEqual(read().done.ranges, setOf("##..##").ranges);
    for (const other of [{ url: "http://h/b.7z" }, { size: 101 }, { etag: '"2"' }, { etag: undefined }]) {
      assert.equal(read({ ...identity, ...other }).done.bytes, 0, JSON.stringify(other));
    }
    files.writeAtomic(partial, new Uint8Array(59));
    assert.equal(read().done.bytes, 0, "the file is shorter than the journal says");
    files.writeAtomic(partial, new Uint8Array(60));
    for (const done of ["[[5]]", "[[5,5]]", "[[-1,5]]", '["x"]', "{}", "[[0,1.5]]"]) {
      files.writeAtomic(
        path,
        utf8(
          `{"source":{"url":"http://h/a.7z","size":100,"etag":"\\"1\\"","last_modified":null},"done":${done}}`,
        ),
      );
      const { done: none, warning } = read();
      assert.equal(none.bytes, 0, done);
      assert.match(warning ?? "", /damaged or not ours/, done);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
