// kill -9 at every step of bringing a kept archive to its place: the next run does the rest, says where the archive is, and
// warns of nothing.

import assert from "node:assert/strict";
import { join } from "node:path";
import { nameOf } from "../../lib/mirror/content_options.ts";
import { bringKept } from "../../lib/mirror/kept_archive.ts";
import { contentOf, LetterTorrent, World } from "../mirror/content_world.ts";
import { runProgram } from "./support.ts";

const SCRIPT = join(import.meta.dirname!, "kept_main.ts");
const MOST_STEPS = 20;

interface Case {
  readonly what: string;
  readonly make: () => LetterTorrent;
  /** Files of the torrent and their letters. */
  readonly files: Record<string, string>;
  /** What lies in the data directory before. */
  readonly before?: string;
  readonly killed: number;
}
const CASES: Case[] = [
  {
    what: "an archive",
    make: () => new LetterTorrent("hybrid", "abcdef"),
    files: { "snap.7z": "abcdef" },
    killed: 4,
  },
  {
    what: "a folder whose name is taken",
    make: () => new LetterTorrent("v2", { "data.7z": "abc", "more/note.txt": "d" }, "snap"),
    files: { "snap/data.7z": "abc", "snap/more/note.txt": "d" },
    before: "snap/mine.txt",
    killed: 7,
  },
];

for (const one of CASES) {
  Deno.test(`${one.what} whose move to its place is killed at any step is there after the next run`, async () => {
    let killed = 0;
    for (let step = 1;; step++) {
      assert.ok(step < MOST_STEPS);
      using world = new World();
      const torrent = one.make();
      const name = nameOf(torrent.info);
      await world.fetchAndDie(torrent, torrent.info.isSingleFile ? [0, 1, 2, 3, 4, 5] : [0, 1, 2, 3]);
      if (one.before !== undefined) world.put(one.before, contentOf("x"));
      world.events.length = 0;
      const args = ["run", "-A", "--quiet", "--no-check", SCRIPT, world.root, world.boot, name, String(step)];
      const { code, signal, stderr } = await runProgram(Deno.execPath(), args);
      const { machine, paths, root } = world;
      const hasJournal = exists(paths.resume(name));
      const path = bringKept({ machine, paths, report: (event) => void world.events.push(event) }, name);
      // Nothing but the journal says that what lies there is this one.
      assert.equal(path, hasJournal ? join(root, torrent.info.name) : undefined, `step ${step}`);
      assert.equal(hasJournal, signal !== null, `step ${step}: only a run that came to its end leaves none`);
      for (const [file, letters] of Object.entries(one.files)) {
        assert.deepEqual(Deno.readFileSync(join(root, file)), contentOf(letters), `step ${step}: ${file}`);
      }
      if (one.before !== undefined) {
        assert.deepEqual(Deno.readFileSync(join(root, one.before)), contentOf("x"));
      }
      assert.deepEqual(world.notes("warning"), [], `step ${step}`);
      for (const folder of ["incoming", "resume"]) {
        assert.deepEqual([...Deno.readDirSync(join(paths.own, folder))], [], `step ${step}: ${folder}`);
      }
      if (signal === null) {
        assert.equal(code, 0, stderr);
        break;
      }
      assert.equal(signal, "SIGKILL");
      killed++;
    }
    assert.ok(killed >= one.killed, `${killed} steps`);
  });
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
