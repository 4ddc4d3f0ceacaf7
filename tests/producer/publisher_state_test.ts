import assert from "node:assert/strict";
import { toHex, utf8 } from "../../lib/bytes.ts";
import { DirectoryHeld, InvariantBroken, PathUnusable } from "../../lib/errors.ts";
import type { RunEvent } from "../../lib/events.ts";
import { PublisherState } from "../../lib/producer/publisher_state.ts";
import { DAILY, KEY } from "../dht/vectors.ts";
import { A, B, LAST_GOOD, MortalFiles, STATE } from "./publish_world.ts";

function open(files: MortalFiles, salt = DAILY) {
  const warnings: string[] = [];
  const report = (event: RunEvent) => void (event.kind === "note" && warnings.push(event.text));
  const stream = { publicKey: KEY, salt };
  return {
    state: PublisherState.open({ files: files.files, path: STATE, stream, pid: 7, report }),
    warnings,
  };
}

/** Files after these seqs were reserved and published. */
function after(...seqs: readonly (readonly [number, Uint8Array])[]): MortalFiles {
  const files = new MortalFiles();
  using state = open(files).state;
  for (const [seq, value] of seqs) {
    state.reserve(seq, value);
    state.published(seq, value);
  }
  return files;
}

Deno.test("PublisherState starts at 0 and remembers what was given", () => {
  const fresh = open(new MortalFiles());
  assert.deepEqual([fresh.state.floor, fresh.state.last, fresh.warnings], [0, undefined, []]);
  const { state } = open(after([4, A], [6, B]));
  assert.deepEqual([state.floor, state.last], [6, { seq: 6, infoHash: "bb".repeat(32) }]);
  assert.deepEqual([state.isOurs(6, B), state.isOurs(6, A), state.isOurs(7, B)], [true, false, false]);
  assert.deepEqual([state.isLatest(B), state.isLatest(A)], [true, false]);
});

Deno.test("reserve() gives a seq to one value, once", () => {
  const files = new MortalFiles();
  const { state } = open(files);
  state.reserve(3, A);
  assert.throws(() => state.reserve(3, B), InvariantBroken);
  assert.throws(() => state.reserve(2, A), InvariantBroken);
  assert.throws(() => state.published(4, A), InvariantBroken);
  const { writes } = files;
  state.reserve(3, A);
  assert.equal(files.writes, writes, "what is known is not written again");
  state[Symbol.dispose]();
  assert.deepEqual([open(files).state.floor, files.json()["last_dht_seq"]], [3, undefined]);
});

Deno.test("sawForeign() takes the seq from our value, and survives", () => {
  const files = after([4, A]);
  {
    using state = open(files).state;
    state.sawForeign(4);
    assert.deepEqual([state.isOurs(4, A), state.floor], [false, 4]);
    state.sawForeign(9);
    state.sawForeign(5);
  }
  assert.equal(open(files).state.floor, 9);
});

Deno.test("PublisherState with a torn file uses the other copy, names it, and writes both again", () => {
  for (const torn of [STATE, LAST_GOOD]) {
    for (const bytes of [utf8('{"last_dht_seq": 4'), utf8("[]"), utf8('{"last_dht_seq": -1}'), utf8("")]) {
      const files = after([4, A]);
      files.contents.set(torn, bytes);
      const { state, warnings } = open(files);
      assert.equal(state.floor, 4);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0]!, /is now .*\.bad; the other copy is whole and counts/);
      state.reserve(5, B);
      assert.equal(files.json(torn)["reserved_dht_seq"], 5);
      assert.deepEqual(files.contents.get(`${torn}.bad`), bytes);
    }
  }
});

Deno.test("PublisherState without a sound copy refuses, until the user decides", () => {
  const files = after([4, A]);
  for (const path of [STATE, LAST_GOOD]) files.contents.set(path, utf8("{"));
  for (let times = 0; times < 2; times++) {
    assert.throws(() => open(files), (error) => {
      assert.ok(error instanceof PathUnusable && error.exitCode === 6);
      assert.match(
        error.message,
        /publisher_state\.json\.bad and .* cannot be read, so the last seq is unknown/,
      );
      return true;
    });
    assert.equal(files.isLocked, false, "a refusal holds nothing");
  }
  for (const path of [STATE, LAST_GOOD]) files.remove(`${path}.bad`);
  assert.equal(open(files).state.floor, 0);
});

Deno.test("PublisherState with only one of its copies goes on from it", () => {
  for (const gone of [STATE, LAST_GOOD]) {
    const files = after([4, A]);
    files.remove(gone);
    const { state, warnings } = open(files);
    assert.deepEqual([state.floor, warnings], [4, []]);
  }
});

Deno.test("PublisherState counts the higher copy, whichever was written later", () => {
  const files = after([4, A]);
  files.killAfterWrites = 1;
  const { state } = open(files);
  assert.throws(() => state.reserve(5, B));
  state[Symbol.dispose]();
  files.killAfterWrites = Infinity;
  const again = open(files).state;
  assert.deepEqual([again.floor, again.isOurs(5, B), again.last?.seq], [5, true, 4]);
  again[Symbol.dispose]();

  // Upstream's program went on alone, with the one file that it knows.
  files.writeAtomic(
    STATE,
    utf8(JSON.stringify({ last_dht_seq: 8, last_dht_info_hash: "aa".repeat(32), more: 1 })),
  );
  const third = open(files).state;
  assert.deepEqual([third.floor, third.isOurs(8, A)], [8, true]);
  third.reserve(9, B);
  assert.equal(files.json()["more"], 1);
});

Deno.test("PublisherState whose copies give one seq to two values lets neither have it", () => {
  const files = after([4, A]);
  files.contents.set(
    LAST_GOOD,
    utf8(JSON.stringify({ ...files.json(), reserved_dht_value: toHex(B) })),
  );
  const { state } = open(files);
  assert.deepEqual([state.floor, state.isOurs(4, A), state.isOurs(4, B)], [4, false, false]);
});

Deno.test("PublisherState of another stream is no reason to go below its seq, nor to reuse it", () => {
  const files = after([4, A]);
  const { state } = open(files, utf8("weekly"));
  assert.deepEqual([state.floor, state.isOurs(4, A), state.isLatest(A), state.last], [
    4,
    false,
    false,
    undefined,
  ]);
  state.reserve(5, A);
  assert.equal(files.json()["dht_salt"], "weekly");
});

Deno.test("PublisherState is held by one process at a time", () => {
  const files = new MortalFiles();
  const { state } = open(files);
  assert.throws(() => open(files), (error) => error instanceof DirectoryHeld && error.exitCode === 9);
  state[Symbol.dispose]();
  open(files).state[Symbol.dispose]();
});
