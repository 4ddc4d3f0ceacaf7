import assert from "node:assert/strict";
import fc from "fast-check";
import { InvariantBroken, NotEnoughSpace } from "../../lib/errors.ts";
import type { Layout, PieceIndex } from "../../lib/torrent/layout.ts";
import {
  CHECKPOINT_BYTES,
  CHECKPOINT_MS,
  peekPieces,
  type Resumed,
  ResumeJournal,
  type ResumeOptions,
  vouchedPieces,
} from "../../lib/torrent/resume.ts";
import { layoutOf } from "./fixtures.ts";
import { MemoryFiles } from "./memory_files.ts";

const JOURNAL = "resume/ab";
const synced = () => Promise.resolve();

/** One machine with one torrent of ten pieces in one file, begun and written, and a journal that says nothing yet. */
class Machine {
  readonly files = new MemoryFiles();
  torrent = new Uint8Array(32).fill(1);
  constructor(readonly layout: Layout = layoutOf("hybrid", 16384, [10 * 16384])) {
    layout.files.forEach((_, i) => this.files.put(`data${i}`, new Uint8Array(0)));
    this.open();
    layout.files.forEach((file, i) => this.files.put(`data${i}`, new Uint8Array(file.length)));
  }

  facts() {
    return this.layout.files.map((_, i) => this.files.stat(`data${i}`)!);
  }

  get options(): ResumeOptions {
    const { files, torrent, layout } = this;
    return { files, path: JOURNAL, torrent, layout, data: this.facts() };
  }

  open(more: Partial<ResumeOptions> = {}): Resumed {
    return ResumeJournal.open({ ...this.options, ...more });
  }

  pieces(...numbers: number[]): PieceIndex[] {
    return numbers.map((n) => this.layout.piece(n)!);
  }

  /** The storage that a clean stop asks. */
  storage = { sync: synced, facts: () => this.facts() };

  reboot(): void {
    this.files.boot = `${this.files.boot} again`;
  }
}

/** What an opened journal says, for comparing: trusted pieces, suspect ones, known. */
function told({ trusted, suspect, isKnown }: Resumed): [number[], number[], boolean] {
  return [[...trusted], [...suspect], isKnown];
}

const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

Deno.test("vouchedPieces() says what is trusted now and leaves the journal as it is", async () => {
  const machine = new Machine();
  const vouched = () => [...vouchedPieces(machine.options)];
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(1, 2), 0);
  assert.deepEqual(vouched(), [1, 2]);
  await journal.closeClean(machine.storage);
  const before = machine.files.read(JOURNAL);
  machine.reboot();
  assert.deepEqual(vouched(), [1, 2]);
  assert.deepEqual(machine.files.read(JOURNAL), before);
  machine.files.put("data0", new Uint8Array(10 * 16384));
  assert.deepEqual(vouched(), [], "somebody wrote to it since");
});

Deno.test("ResumeJournal.open() without a journal suspects every piece that the file is long enough for", () => {
  for (const [size, suspect] of [[0, []], [16383, []], [3 * 16384, [0, 1, 2]], [10 * 16384, ALL]] as const) {
    const machine = new Machine();
    machine.files.all.delete(JOURNAL);
    machine.files.put("data0", new Uint8Array(size));
    const found = machine.open();
    assert.deepEqual(told(found), [[], suspect, false]);
    assert.equal(found.warning, undefined);
    assert.deepEqual(told(machine.open()), [[], suspect, true], "until they are hashed");
  }
});

Deno.test("ResumeJournal trusts every record after a kill in the same boot", () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(3, 1), 0);
  journal.addPieces(machine.pieces(9), 0);
  assert.deepEqual(told(machine.open()), [[1, 3, 9], [], true]);
  assert.deepEqual(told(machine.open()), [[1, 3, 9], [], true], "and again");
});

Deno.test("ResumeJournal trusts what lies before the last checkpoint after another boot, the rest is suspect", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0, 1), 0);
  await journal.checkpoint(synced);
  journal.addPieces(machine.pieces(2), 0);
  await journal.checkpoint(synced);
  journal.addPieces(machine.pieces(3, 4), 0);
  machine.reboot();
  assert.deepEqual(told(machine.open()), [[0, 1, 2], [3, 4], true]);
});

Deno.test("ResumeJournal keeps a piece suspect until it is hashed, whatever happens meanwhile", async () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(3, 4, 5), 0);
  machine.reboot();
  const second = machine.open();
  assert.deepEqual(told(second), [[], [3, 4, 5], true]);
  second.journal.addPieces(machine.pieces(3), 0);
  await second.journal.removePieces(machine.pieces(5));
  assert.deepEqual(told(machine.open()), [[3], [4], true]);
  machine.reboot();
  assert.deepEqual(told(machine.open()), [[], [3, 4], true]);
});

Deno.test("ResumeJournal takes an unknown boot id for another boot", async () => {
  const machine = new Machine();
  machine.files.boot = undefined;
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0), 0);
  await journal.checkpoint(synced);
  journal.addPieces(machine.pieces(1), 0);
  assert.deepEqual(told(machine.open()), [[0], [1], true]);
  machine.files.boot = "boot 1";
  assert.deepEqual(told(machine.open()), [[0], [1], true]);
});

Deno.test("ResumeJournal.checkpoint() does not vouch for pieces recorded while it waits", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0), 0);
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = journal.checkpoint(() => promise);
  assert.equal(journal.checkpoint(() => assert.fail("one at a time")), done);
  journal.addPieces(machine.pieces(1), 0);
  resolve();
  await done;
  machine.reboot();
  assert.deepEqual(told(machine.open()), [[0], [1], true]);
});

Deno.test("ResumeJournal.checkpoint() covers what an earlier run recorded", async () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(0, 1, 2), 0);
  const { journal } = machine.open();
  await journal.removePieces(machine.pieces(1));
  await journal.checkpoint(synced);
  machine.reboot();
  assert.deepEqual(told(machine.open()), [[0, 2], [], true]);
});

Deno.test("ResumeJournal.checkpoint() promises nothing when the data cannot be synced, and is due again", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0), 0);
  await assert.rejects(journal.checkpoint(() => Promise.reject(new NotEnoughSpace("full"))), NotEnoughSpace);
  assert.equal(journal.isCheckpointDue(CHECKPOINT_MS), true);
  machine.reboot();
  assert.deepEqual(told(machine.open()), [[], [0], true]);
});

Deno.test("ResumeJournal.checkpoint() syncs the data, then writes, then syncs the journal", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  const { calls } = machine.files;
  journal.addPieces(machine.pieces(0, 1, 2), 0);
  await journal.checkpoint(() => Promise.resolve(void calls.push("data")));
  assert.deepEqual(calls, ["write", "data", "write", "sync"]);
});

Deno.test("ResumeJournal.isCheckpointDue() after 30 s or 1 GiB, and not with nothing new", async () => {
  const machine = new Machine();
  const small = machine.open().journal;
  assert.equal(small.isCheckpointDue(1e9), false);
  small.addPieces(machine.pieces(0), 100);
  assert.equal(small.isCheckpointDue(100 + CHECKPOINT_MS - 1), false);
  assert.equal(small.isCheckpointDue(100 + CHECKPOINT_MS), true);
  await small.checkpoint(synced);
  assert.equal(small.isCheckpointDue(1e9), false);
  small.addPieces(machine.pieces(0), 1e9);
  assert.equal(small.isCheckpointDue(2e9), false, "it was recorded already");

  const files = new MemoryFiles();
  files.put("data", new Uint8Array(0));
  const layout = layoutOf("hybrid", 1 << 29, [3 * (1 << 29)]);
  const data = [files.stat("data")!];
  const large = ResumeJournal.open({ files, path: JOURNAL, torrent: machine.torrent, layout, data }).journal;
  large.addPieces([layout.piece(0)!], 0);
  assert.equal(large.isCheckpointDue(1), false);
  large.addPieces([layout.piece(1)!], 0);
  assert.equal(2 * layout.pieceLength, CHECKPOINT_BYTES);
  assert.equal(large.isCheckpointDue(1), true);
});

Deno.test("ResumeJournal.isCheckpointDue() also for what an earlier run left without one", () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(0), 0);
  const { journal } = machine.open();
  assert.equal(journal.isCheckpointDue(5000), false);
  assert.equal(journal.isCheckpointDue(5000 + CHECKPOINT_MS), true);
});

Deno.test("ResumeJournal.closeClean() lets every piece be trusted after another boot", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0, 7), 0);
  await journal.closeClean(machine.storage);
  machine.reboot();
  assert.deepEqual(told(machine.open()), [[0, 7], [], true]);
  machine.reboot();
  assert.deepEqual(told(machine.open()), [[0, 7], [], true], "they are stable from then on");
});

Deno.test("ResumeJournal suspects every piece of a file that changed after a clean stop, in any boot", async () => {
  for (const isReboot of [false, true]) {
    const machine = new Machine();
    const { journal } = machine.open();
    journal.addPieces(machine.pieces(0, 7), 0);
    await journal.closeClean(machine.storage);
    machine.files.put("data0", new Uint8Array(10 * 16384));
    if (isReboot) machine.reboot();
    assert.deepEqual(told(machine.open()), [[], [0, 7], true]);
    machine.reboot();
    assert.deepEqual(told(machine.open()), [[], [0, 7], true]);
  }
});

Deno.test("ResumeJournal does not look at the mtime of a file that no clean stop closed", () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(4), 0);
  machine.files.put("data0", new Uint8Array(10 * 16384));
  assert.deepEqual(told(machine.open()), [[4], [], true]);
});

Deno.test("ResumeJournal.closeClean() vouches for no piece recorded while it syncs", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0, 1), 0);
  await journal.closeClean({
    sync: async () => {
      journal.addPieces(machine.pieces(2), 0);
      await journal.removePieces(machine.pieces(1));
    },
    facts: machine.storage.facts,
  });
  assert.deepEqual(told(machine.open()), [[0], [2], true]);
});

Deno.test("ResumeJournal.closeClean() promises nothing when the data cannot be synced", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0), 0);
  const storage = { ...machine.storage, sync: () => Promise.reject(new NotEnoughSpace("full")) };
  await assert.rejects(journal.closeClean(storage), NotEnoughSpace);
  machine.reboot();
  assert.deepEqual(told(machine.open()), [[], [0], true]);
});

Deno.test("ResumeJournal keeps nothing of data files that are others than before", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(4), 0);
  await journal.closeClean(machine.storage);
  machine.files.all.delete("data0");
  machine.files.put("data0", new Uint8Array(10 * 16384));
  const found = machine.open();
  assert.deepEqual(told(found), [[], ALL, false]);
  assert.equal(found.warning, undefined);
  await found.journal.removePieces(machine.pieces(...ALL));
  assert.deepEqual(told(machine.open()), [[], [], true]);
});

Deno.test("ResumeJournal keeps nothing of a file that was cut below what was written", () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(0, 4), 0);
  machine.files.put("data0", new Uint8Array(5 * 16384));
  assert.deepEqual(told(machine.open()), [[0, 4], [], true], "all pieces are inside");
  machine.files.put("data0", new Uint8Array(5 * 16384 - 1));
  assert.deepEqual(told(machine.open()), [[], [0, 1, 2, 3], false]);
});

Deno.test("ResumeJournal drops suspect pieces that a power loss left outside of the file", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0), 0);
  await journal.checkpoint(synced);
  journal.addPieces(machine.pieces(1, 8), 0);
  machine.reboot();
  machine.files.put("data0", new Uint8Array(3 * 16384));
  assert.deepEqual(told(machine.open()), [[0], [1], true]);
});

Deno.test("ResumeJournal watches every file with data, and no empty one", () => {
  const machine = new Machine(layoutOf("v2", 16384, [20000, 0, 5]));
  machine.open().journal.addPieces(machine.pieces(0, 2), 0);
  machine.files.all.delete("data1");
  machine.files.put("data1", new Uint8Array(0));
  assert.deepEqual(told(machine.open()), [[0, 2], [], true]);
  machine.files.all.delete("data2");
  machine.files.put("data2", new Uint8Array(5));
  assert.deepEqual(told(machine.open()), [[], [0, 1, 2], false]);
});

Deno.test("ResumeJournal sets a foreign journal aside, says why and trusts nothing", () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(4), 0);
  const own = machine.files.get(JOURNAL).slice();
  const damaged = own.slice();
  damaged[70]! ^= 1;
  const newer = own.slice();
  newer[11] = 2;
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [new TextEncoder().encode("d4:this8:elsewhere".padEnd(80)), /something else/],
    [new Uint8Array(0), /has 0 bytes/],
    [own.subarray(0, 120), /cut off/],
    [damaged, /damaged/],
    [newer, /format is 2, not 1/],
  ];
  for (const [i, [bytes, why]] of cases.entries()) {
    machine.files.put(JOURNAL, bytes);
    const found = machine.open();
    assert.deepEqual(told(found), [[], ALL, false]);
    assert.match(found.warning!, why);
    assert.match(found.warning!, new RegExp(`\\.bad-${i + 1},`));
    assert.deepEqual(machine.files.get(`${JOURNAL}.bad-${i + 1}`), bytes);
  }
});

Deno.test("ResumeJournal sets the journal of another torrent aside", () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(4), 0);
  machine.torrent = new Uint8Array(32).fill(2);
  const found = machine.open();
  assert.deepEqual(told(found), [[], ALL, false]);
  assert.match(found.warning!, /another torrent/);
});

Deno.test("ResumeJournal keeps twenty journals aside at most", () => {
  const machine = new Machine();
  for (let i = 0; i < 25; i++) {
    machine.files.put(JOURNAL, Uint8Array.of(i));
    machine.open();
  }
  assert.equal([...machine.files.all.keys()].filter((path) => path.includes(".bad-")).length, 20);
});

Deno.test("ResumeJournal cut at any byte never throws and trusts only what was recorded before", async () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(6), 0);
  const { journal } = machine.open();
  const start = machine.files.get(JOURNAL).length;
  journal.addPieces(machine.pieces(0, 1), 0);
  await journal.checkpoint(synced);
  journal.addPieces(machine.pieces(2), 0);
  const whole = machine.files.get(JOURNAL).slice();
  const order = [0, 1, undefined, 2];
  assert.equal(whole.length, start + order.length * 8);
  for (let length = 0; length <= whole.length; length++) {
    machine.files.put(JOURNAL, whole.subarray(0, length));
    const found = machine.open();
    if (length < start) {
      assert.deepEqual(told(found), [[], ALL, false], `${length} bytes`);
      continue;
    }
    const records = order.slice(0, Math.floor((length - start) / 8));
    const expected = [...records.filter((n) => n !== undefined), 6].sort();
    assert.deepEqual(told(found), [expected, [], true], `${length} bytes`);
    assert.deepEqual(told(machine.open()), [expected, [], true], "the torn tail is gone");
  }
});

Deno.test("ResumeJournal with any byte changed never throws and trusts only what was recorded", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0, 1), 0);
  await journal.checkpoint(synced);
  journal.addPieces(machine.pieces(2), 0);
  const whole = machine.files.get(JOURNAL).slice();
  for (let at = 0; at < whole.length; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const changed = whole.slice();
      changed[at]! ^= mask;
      machine.files.put(JOURNAL, changed);
      const { trusted, suspect, isKnown } = machine.open();
      assert.ok(
        [...trusted].every((piece) => piece <= 2) && trusted.count < 3,
        `byte ${at}: ${[...trusted]}`,
      );
      assert.deepEqual([...suspect], isKnown ? [] : ALL);
    }
  }
});

Deno.test("ResumeJournal stops at a page that never reached the disk", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(0, 1, 2), 0);
  await journal.checkpoint(synced);
  const bytes = machine.files.get(JOURNAL).slice();
  bytes.fill(0, bytes.length - 24, bytes.length - 16);
  machine.files.put(JOURNAL, bytes);
  machine.reboot();
  assert.deepEqual(told(machine.open()), [[], [0], true]);
});

Deno.test("ResumeJournal writes once per batch, and over a write that failed", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  machine.files.room = 5;
  assert.throws(() => journal.addPieces(machine.pieces(0, 1), 0), NotEnoughSpace);
  machine.files.room = Infinity;
  assert.deepEqual(machine.files.calls, ["write"]);
  journal.addPieces(machine.pieces(1, 1, 2), 0);
  journal.addPieces(machine.pieces(1, 2), 0);
  await journal.removePieces(machine.pieces(7));
  assert.deepEqual(machine.files.calls, ["write", "write"]);
  assert.deepEqual(told(machine.open()), [[1, 2], [], true]);
});

Deno.test("ResumeJournal.removePieces() syncs the journal when a piece was trusted", async () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(1, 2), 0);
  machine.reboot();
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(1), 0);
  machine.files.calls.length = 0;
  await journal.removePieces(machine.pieces(2));
  assert.deepEqual(machine.files.calls, ["write"], "a suspect one was not");
  await journal.removePieces(machine.pieces(1));
  assert.deepEqual(machine.files.calls, ["write", "write", "sync"]);
});

Deno.test("ResumeJournal does not grow from run to run", () => {
  const machine = new Machine();
  machine.open().journal.addPieces([...machine.layout.pieces()], 0);
  machine.open();
  const { length } = machine.files.get(JOURNAL);
  for (let i = 0; i < 5; i++) machine.open().journal.addPieces([...machine.layout.pieces()], 0);
  assert.equal(machine.files.get(JOURNAL).length, length);
});

Deno.test("ResumeJournal.close() is safe twice; nothing is recorded afterwards", async () => {
  const machine = new Machine();
  const { journal } = machine.open();
  await journal.close();
  await journal.close();
  assert.throws(() => journal.addPieces(machine.pieces(0), 0), InvariantBroken);
});

Deno.test("ResumeJournal agrees with a model over random runs, kills and power losses", async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constantFrom("add" as const, "remove" as const), piece: fc.nat(9) }),
    fc.record({
      do: fc.constantFrom("checkpoint" as const, "kill" as const, "power" as const, "stop" as const),
    }),
  );
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const machine = new Machine();
    let run = machine.open();
    const written = new Set<number>();
    const durable = new Set<number>();
    const suspect = new Set<number>();
    for (const at of steps) {
      const piece = "piece" in at ? machine.pieces(at.piece) : [];
      if (at.do === "add") {
        run.journal.addPieces(piece, 0);
        written.add(piece[0]!);
        suspect.delete(piece[0]!);
      } else if (at.do === "remove") {
        await run.journal.removePieces(piece);
        for (const set of [written, durable, suspect]) set.delete(piece[0]!);
      } else if (at.do === "checkpoint") {
        await run.journal.checkpoint(synced);
        for (const n of written) durable.add(n);
      } else {
        if (at.do === "stop") {
          await run.journal.closeClean(machine.storage);
          for (const n of written) durable.add(n);
        }
        if (at.do === "power") {
          machine.reboot();
          for (const n of written) {
            if (durable.has(n)) continue;
            suspect.add(n);
            written.delete(n);
          }
        }
        run = machine.open();
        assert.deepEqual(told(run).slice(0, 2), [[...written].sort(), [...suspect].sort()]);
      }
    }
  }));
});

Deno.test("ResumeJournal of files that others write to is for those bytes only, in the same boot too", async () => {
  for (const isClosed of [true, false]) {
    const machine = new Machine();
    const { journal } = machine.open({ isForeign: true });
    journal.addPieces(machine.pieces(1, 2), 0);
    await journal.removePieces(machine.pieces(3, 4, 5, 6, 7, 8, 9, 0));
    if (isClosed) await journal.closeClean(machine.storage);
    assert.deepEqual(told(machine.open({ isForeign: true })), [[1, 2], [], true]);
    machine.files.put("data0", machine.files.get("data0"));
    assert.deepEqual(told(machine.open({ isForeign: true })), [[], ALL, false], "written to");
  }
});

Deno.test("ResumeJournal.open() with distrust suspects all that is there, and so does the next run until it is hashed", () => {
  const machine = new Machine();
  machine.open().journal.addPieces(machine.pieces(1, 2), 0);
  const { journal, ...found } = machine.open({ distrust: true });
  assert.deepEqual([[...found.trusted], [...found.suspect]], [[], ALL]);
  journal.addPieces(machine.pieces(0, 1), 0);
  assert.deepEqual(told(machine.open()), [[0, 1], [2, 3, 4, 5, 6, 7, 8, 9], true]);
});

Deno.test("peekPieces() names what may be there, and changes nothing", () => {
  const machine = new Machine();
  machine.files.put("data0", new Uint8Array(5 * 16384));
  const { journal } = machine.open();
  journal.addPieces(machine.pieces(1, 2), 0);
  const before = machine.files.get(JOURNAL);
  assert.deepEqual([...peekPieces(machine.options)], [1, 2]);
  machine.files.boot = "another";
  assert.deepEqual([...peekPieces(machine.options)], [1, 2], "suspect now");
  assert.deepEqual(machine.files.get(JOURNAL), before);
  machine.files.all.delete(JOURNAL);
  assert.deepEqual([...peekPieces(machine.options)], [0, 1, 2, 3, 4], "as far as the file reaches");
});
