import assert from "node:assert/strict";
import fc from "fast-check";
import {
  FollowCore,
  type FollowInput,
  type FollowOutput,
  type FollowState,
} from "../../lib/mirror/follow_core.ts";

const POLL_MS = 600_000;

/** A core on a clock of its own, and what it said since it was last asked. */
class Run {
  nowMs = 0;
  readonly core = new FollowCore({ pollMs: POLL_MS, random: () => 0.5 });

  /** Tells it something. @returns What it wants done, states left out. */
  tell(...inputs: FollowInput[]): FollowOutput[] {
    return inputs.flatMap((input) => {
      this.core.handle(input, this.nowMs);
      return this.core.outputs();
    }).filter(({ kind }) => kind !== "state");
  }

  /** Lets the time pass, with a tick whenever one is due. */
  pass(ms: number): FollowOutput[] {
    const endMs = this.nowMs + ms;
    const said: FollowOutput[] = [];
    for (
      let dueMs = this.core.deadlineMs;
      dueMs !== undefined && dueMs <= endMs;
      dueMs = this.core.deadlineMs
    ) {
      this.nowMs = Math.max(dueMs, this.nowMs);
      said.push(...this.tell({ kind: "tick" }));
    }
    this.nowMs = endMs;
    return said;
  }

  begin(held?: string, named?: string): FollowOutput[] {
    return this.tell({ kind: "begin", held, named });
  }

  /** Goes through a fetch up to the moment that its bytes come. */
  fetching(name: string): void {
    assert.deepEqual(this.tell({ kind: "understood", name }), [{ kind: "admit", name }]);
    this.tell({ kind: "stage", name, stage: "checking" }, { kind: "stage", name, stage: "downloading" });
  }

  get state(): FollowState {
    return this.core.state;
  }
}

const LOOK: FollowOutput = { kind: "lookUp" };
const fetch = (name: string): FollowOutput => ({ kind: "fetch", name });
const admit = (name: string): FollowOutput => ({ kind: "admit", name });

Deno.test("FollowCore goes from nothing to a snapshot that is served, a state at a time", () => {
  const run = new Run();
  assert.deepEqual(run.begin(), [LOOK]);
  assert.equal(run.state, "bootstrapping");
  run.tell({ kind: "dhtAnswers" });
  assert.equal(run.state, "discovering");
  assert.deepEqual(run.tell({ kind: "found", name: "a" }), [fetch("a")]);
  assert.equal(run.state, "metadata");
  assert.deepEqual(run.tell({ kind: "understood", name: "a" }), [admit("a")]);
  run.tell({ kind: "stage", name: "a", stage: "checking" });
  assert.equal(run.state, "checking");
  run.tell({ kind: "stage", name: "a", stage: "downloading" });
  assert.equal(run.state, "downloading");
  assert.deepEqual(run.tell({ kind: "whole", name: "a" }), [{ kind: "place", name: "a" }]);
  assert.equal(run.state, "replacing");
  assert.deepEqual(run.tell({ kind: "placed", name: "a" }), []);
  assert.equal(run.state, "seeding");
  run.tell({ kind: "stop" });
  assert.equal(run.state, "stopped");
  assert.equal(run.core.deadlineMs, undefined);
});

Deno.test("FollowCore tells each change of state once, with what is wrong", () => {
  const run = new Run();
  const states: unknown[] = [];
  const tell = (input: FollowInput) => {
    run.core.handle(input, run.nowMs);
    for (const output of run.core.outputs()) {
      if (output.kind === "state") states.push([output.state, output.why]);
    }
  };
  tell({ kind: "begin", held: "a", named: "a" });
  tell({ kind: "dhtAnswers" });
  tell({ kind: "lookupFailed", why: "silence" });
  tell({ kind: "tick" });
  tell({ kind: "lookupFailed", why: "silence" });
  tell({ kind: "found", name: "a" });
  tell({ kind: "found", name: "b" });
  tell({ kind: "fetchFailed", name: "b", why: "no room" });
  tell({ kind: "stop" });
  tell({ kind: "found", name: "c" });
  assert.deepEqual(states, [
    ["seeding", undefined],
    ["degraded", "silence"],
    ["seeding", undefined],
    ["metadata", undefined],
    ["degraded", "no room"],
    ["stopped", "no room"],
  ]);
});

Deno.test("FollowCore serves what is on disk before any lookup, and goes on with what was named last", () => {
  const same = new Run();
  assert.deepEqual(same.begin("a", "a"), [LOOK]);
  assert.equal(same.state, "seeding");
  const older = new Run();
  assert.deepEqual(older.begin("a", "b"), [LOOK, fetch("b")]);
  assert.equal(older.state, "metadata");
  const part = new Run();
  assert.deepEqual(part.begin(undefined, "b"), [LOOK, fetch("b")]);
});

Deno.test("FollowCore looks each interval, a tenth more or less, and never twice at once", () => {
  for (const [random, pauseMs] of [[0, 540_000], [0.5, 600_000], [0.999, 659_880]] as const) {
    const core = new FollowCore({ pollMs: POLL_MS, random: () => random });
    core.handle({ kind: "begin", held: "a", named: "a" }, 0);
    core.outputs();
    assert.equal(core.deadlineMs, undefined, "one look is under way");
    core.handle({ kind: "lookNow" }, 5);
    assert.deepEqual(core.outputs(), []);
    core.handle({ kind: "found", name: "a" }, 10);
    assert.ok(Math.abs(core.deadlineMs! - (10 + pauseMs)) < 1);
    core.handle({ kind: "tick" }, core.deadlineMs! - 1);
    assert.deepEqual(core.outputs(), []);
    core.handle({ kind: "tick" }, core.deadlineMs!);
    assert.deepEqual(core.outputs(), [LOOK]);
  }
});

Deno.test("FollowCore does nothing when the same snapshot is named again", () => {
  const run = new Run();
  run.begin("a", "a");
  for (let seq = 0; seq < 5; seq++) {
    assert.deepEqual(run.tell({ kind: "found", name: "a" }), []);
    assert.equal(run.state, "seeding");
    assert.deepEqual(run.pass(POLL_MS), [LOOK]);
  }
});

Deno.test("FollowCore goes on for ever in silence: degraded, looking seldom and seldomer, up to the interval", () => {
  const run = new Run();
  run.begin("a", "a");
  const pausesMs: number[] = [];
  for (let day = 0; day < 2000; day++) {
    run.tell({ kind: "lookupFailed", why: "nobody answers" });
    assert.equal(run.state, "degraded");
    const dueMs = run.core.deadlineMs!;
    if (day < 7) pausesMs.push((dueMs - run.nowMs) / 1000);
    assert.ok(dueMs - run.nowMs <= POLL_MS);
    assert.deepEqual(run.pass(dueMs - run.nowMs), [LOOK]);
  }
  assert.deepEqual(pausesMs, [30, 60, 120, 240, 480, 600, 600]);
  run.tell({ kind: "found", name: "a" });
  assert.equal(run.state, "seeding");
  run.pass(POLL_MS);
  run.tell({ kind: "lookupFailed", why: "again" });
  assert.equal(run.core.deadlineMs! - run.nowMs, 30_000, "the pauses begin anew");
});

Deno.test("FollowCore without a snapshot is degraded in silence, and goes on once it is over", () => {
  const run = new Run();
  run.begin();
  run.tell({ kind: "lookupFailed", why: "nobody answers" });
  assert.equal(run.state, "degraded");
  assert.deepEqual(run.tell({ kind: "found", name: "a" }), [fetch("a")]);
  assert.equal(run.state, "metadata");
});

Deno.test("FollowCore keeps downloading while the DHT is silent, and says that it is", () => {
  const run = new Run();
  run.begin("a", "b");
  run.fetching("b");
  run.tell({ kind: "lookupFailed", why: "nobody answers" });
  assert.equal(run.state, "downloading");
  assert.equal(run.core.trouble, "nobody answers");
  run.tell({ kind: "whole", name: "b" }, { kind: "placed", name: "b" });
  assert.equal(run.state, "degraded");
});

Deno.test("FollowCore tries a fetch that failed again, later each time, and at once when somebody asks", () => {
  const run = new Run();
  run.begin("a", "b");
  const pausesMs: number[] = [];
  for (let i = 0; i < 5; i++) {
    assert.deepEqual(run.tell({ kind: "fetchFailed", name: "b", why: "no room" }), []);
    assert.equal(run.state, "degraded");
    run.tell({ kind: "found", name: "b" });
    assert.equal(run.state, "degraded", "a pointer makes no room");
    const pauseMs = run.core.deadlineMs! - run.nowMs;
    pausesMs.push(pauseMs / 1000);
    assert.deepEqual(run.pass(pauseMs), [fetch("b")]);
  }
  assert.deepEqual(pausesMs, [30, 60, 120, 240, 480]);
  const asked = new Run();
  asked.begin("a", "b");
  asked.tell({ kind: "fetchFailed", name: "b", why: "no room" });
  assert.deepEqual(asked.tell({ kind: "lookNow" }), [fetch("b")]);
  asked.fetching("b");
  assert.equal(asked.core.trouble, undefined, "there is room now");
});

Deno.test("FollowCore forgets what failed when another snapshot is named", () => {
  const run = new Run();
  run.begin("a", "b");
  run.tell({ kind: "fetchFailed", name: "b", why: "its hashes disagree" });
  assert.deepEqual(run.tell({ kind: "found", name: "c" }), [fetch("c")]);
  assert.equal(run.core.trouble, undefined);
  run.tell({ kind: "fetchFailed", name: "c", why: "no room" });
  assert.deepEqual(run.tell({ kind: "found", name: "a" }), []);
  assert.equal(run.state, "seeding", "what is here is what is wanted");
});

Deno.test("FollowCore goes over at once to a newer snapshot when nothing of the other has come", () => {
  const run = new Run();
  run.begin("a", "b");
  assert.deepEqual(run.tell({ kind: "found", name: "c" }), [
    { kind: "abandon", name: "b", why: "a newer one is named" },
    fetch("c"),
  ]);
  run.fetching("c");
  assert.deepEqual(run.tell({ kind: "understood", name: "b" }), [], "what was abandoned is not heard");
});

Deno.test("FollowCore finishes or goes over to a newer snapshot by which needs less", () => {
  for (
    const [neededBytes, otherBytes, isOver] of [[10, 11, true], [10, 10, false], [11, 10, false]] as const
  ) {
    const run = new Run();
    run.begin("a", "b");
    run.fetching("b");
    assert.deepEqual(run.tell({ kind: "found", name: "c" }), [fetch("c")]);
    assert.deepEqual(run.tell({ kind: "found", name: "c" }), [], "it is on its way");
    assert.deepEqual(run.tell({ kind: "understood", name: "c" }), [{
      kind: "measure",
      name: "c",
      other: "b",
    }]);
    const said = run.tell({ kind: "measured", name: "c", neededBytes, otherBytes });
    if (isOver) {
      assert.deepEqual(said, [
        { kind: "abandon", name: "b", why: "the newer one is closer to its end" },
        admit("c"),
      ]);
    } else {
      assert.deepEqual(said, []);
      assert.deepEqual(run.tell({ kind: "whole", name: "b" }), [{ kind: "place", name: "b" }]);
      assert.deepEqual(run.tell({ kind: "placed", name: "b" }), [admit("c")]);
    }
    assert.equal(run.state, "metadata");
    run.tell({ kind: "stage", name: "c", stage: "downloading" }, { kind: "whole", name: "c" });
    run.tell({ kind: "placed", name: "c" });
    assert.equal(run.state, "seeding");
  }
});

Deno.test("FollowCore admits who is understood only after the other one was placed", () => {
  const run = new Run();
  run.begin(undefined, "b");
  run.fetching("b");
  run.tell({ kind: "found", name: "c" });
  run.tell({ kind: "whole", name: "b" });
  assert.deepEqual(run.tell({ kind: "placed", name: "b" }), []);
  assert.equal(run.state, "metadata");
  assert.deepEqual(run.tell({ kind: "understood", name: "c" }), [admit("c")]);
});

Deno.test("FollowCore takes the newest of those that come while one is fetched", () => {
  const run = new Run();
  run.begin("a", "b");
  run.fetching("b");
  run.tell({ kind: "found", name: "c" });
  assert.deepEqual(run.tell({ kind: "found", name: "d" }), [
    { kind: "abandon", name: "c", why: "a newer one is named" },
    fetch("d"),
  ]);
  assert.deepEqual(run.tell({ kind: "measured", name: "c", neededBytes: 0, otherBytes: 9 }), []);
  // The pointer may come back, at a higher seq.
  assert.deepEqual(run.tell({ kind: "found", name: "b" }), [
    { kind: "abandon", name: "d", why: "the pointer names another one" },
  ]);
  assert.deepEqual(run.tell({ kind: "found", name: "a" }), [
    { kind: "abandon", name: "b", why: "the pointer names what is here" },
  ]);
  assert.equal(run.state, "seeding");
});

Deno.test("FollowCore gives up a snapshot that brings nothing for ten minutes while another waits", () => {
  const run = new Run();
  run.begin("a", "b");
  run.fetching("b");
  run.tell({ kind: "found", name: "c" }, { kind: "understood", name: "c" });
  run.tell({ kind: "measured", name: "c", neededBytes: 9, otherBytes: 1 });
  run.pass(500_000);
  run.tell({ kind: "advanced", name: "b" });
  assert.deepEqual(run.pass(590_000).filter(({ kind }) => kind === "abandon"), []);
  assert.deepEqual(run.pass(20_000).filter(({ kind }) => kind !== "lookUp"), [
    { kind: "abandon", name: "b", why: "it brings nothing any more" },
    admit("c"),
  ]);
  // Alone it may wait for ever.
  const alone = new Run();
  alone.begin("a", "b");
  alone.fetching("b");
  assert.deepEqual(alone.pass(86_400_000).filter(({ kind }) => kind !== "lookUp"), []);
  assert.equal(alone.state, "downloading");
});

Deno.test("FollowCore lets the next one in when a fetch fails", () => {
  const run = new Run();
  run.begin("a", "b");
  run.fetching("b");
  run.tell({ kind: "found", name: "c" }, { kind: "understood", name: "c" });
  assert.deepEqual(run.tell({ kind: "fetchFailed", name: "b", why: "its hashes disagree" }), [admit("c")]);
  assert.equal(run.state, "metadata");
  run.tell({ kind: "found", name: "d" });
  run.tell({ kind: "fetchFailed", name: "c", why: "late" });
  assert.equal(run.state, "metadata", "d is on its way already");
});

Deno.test("FollowCore tries one at the gate again when it fails there, with the next pointer", () => {
  const run = new Run();
  run.begin("a", "b");
  run.fetching("b");
  run.tell({ kind: "found", name: "c" });
  assert.deepEqual(run.tell({ kind: "fetchFailed", name: "c", why: "its metadata is wrong" }), []);
  assert.equal(run.state, "downloading");
  assert.deepEqual(run.tell({ kind: "found", name: "c" }), [fetch("c")]);
});

Deno.test("FollowCore decides nothing while one takes its place", () => {
  const run = new Run();
  run.begin("a", "b");
  run.fetching("b");
  run.tell({ kind: "found", name: "c" }, { kind: "understood", name: "c" });
  run.tell({ kind: "whole", name: "b" });
  assert.deepEqual(run.tell({ kind: "measured", name: "c", neededBytes: 1, otherBytes: 2 }), []);
  assert.deepEqual(run.tell({ kind: "found", name: "d" }), []);
  assert.deepEqual(run.pass(POLL_MS * 2).filter(({ kind }) => kind !== "lookUp"), []);
  assert.deepEqual(run.tell({ kind: "placed", name: "b" }), [
    { kind: "abandon", name: "c", why: "the pointer names another one" },
    fetch("d"),
  ]);
});

Deno.test("FollowCore that cannot place a whole one says so and tries again", () => {
  const run = new Run();
  run.begin("a", "b");
  run.fetching("b");
  run.tell({ kind: "whole", name: "b" });
  run.tell({ kind: "fetchFailed", name: "b", why: "the folder is read-only" });
  assert.equal(run.state, "degraded");
  assert.deepEqual(run.pass(30_000), [fetch("b")]);
});

Deno.test("FollowCore fetches again what was lost", () => {
  const run = new Run();
  run.begin("a", "a");
  run.tell({ kind: "found", name: "a" });
  assert.deepEqual(run.tell({ kind: "lost" }), [fetch("a")]);
  assert.equal(run.state, "metadata");
  // While another one is fetched, losing the old one changes nothing.
  const busy = new Run();
  busy.begin("a", "b");
  busy.fetching("b");
  assert.deepEqual(busy.tell({ kind: "lost" }), []);
  assert.equal(busy.state, "downloading");
});

/** A driver that is told what to do, keeps to it, and tells whatever may happen next, by chance. */
class ChanceDriver {
  readonly core = new FollowCore({ pollMs: POLL_MS, random: () => 0.5 });
  nowMs = 0;
  #isLookingUp = false;
  #isPlacing: string | undefined;
  /** Begun and not ended, and whether it was admitted. */
  readonly fetches = new Map<string, boolean>();

  tell(input: FollowInput): void {
    this.core.handle(input, this.nowMs);
    for (const output of this.core.outputs()) this.#carryOut(output);
    const { deadlineMs } = this.core;
    if (input.kind === "tick") {
      assert.ok(deadlineMs === undefined || deadlineMs > this.nowMs, "a tick is done with");
    }
    const admitted = [...this.fetches.values()].filter((isAdmitted) => isAdmitted).length;
    assert.ok(admitted <= 1 && this.fetches.size <= 2, "one is fetched, one waits");
    assert.ok(
      deadlineMs !== undefined || this.#isLookingUp || this.core.state === "stopped",
      "it never rests for ever",
    );
  }

  /** Something that can happen now. */
  happen(event: string, name: string, number: number): void {
    const isAdmitted = this.fetches.get(name);
    switch (event) {
      case "found":
      case "lookupFailed":
        if (!this.#isLookingUp) return;
        this.#isLookingUp = false;
        return this.tell(
          event === "found" ? { kind: event, name } : { kind: "lookupFailed", why: "silence" },
        );
      case "understood":
        return isAdmitted === false ? this.tell({ kind: event, name }) : undefined;
      case "measured":
        return isAdmitted === false
          ? this.tell({ kind: event, name, neededBytes: number, otherBytes: 50 })
          : undefined;
      case "downloading":
        return isAdmitted === true ? this.tell({ kind: "stage", name, stage: event }) : undefined;
      case "whole":
        return isAdmitted === true && this.#isPlacing === undefined
          ? this.tell({ kind: event, name })
          : undefined;
      case "placed":
        if (this.#isPlacing === undefined) return;
        this.fetches.delete(this.#isPlacing);
        name = this.#isPlacing;
        this.#isPlacing = undefined;
        return this.tell({ kind: event, name });
      case "fetchFailed":
        if (isAdmitted === undefined) return;
        this.fetches.delete(name);
        if (this.#isPlacing === name) this.#isPlacing = undefined;
        return this.tell({ kind: event, name, why: "no room" });
      case "lost":
      case "lookNow":
        return this.tell({ kind: event });
      case "time":
        this.nowMs = Math.max(this.nowMs, this.core.deadlineMs ?? 0) + number;
        return this.tell({ kind: "tick" });
    }
  }

  #carryOut(output: FollowOutput): void {
    switch (output.kind) {
      case "lookUp":
        assert.equal(this.#isLookingUp, false, "one look at a time");
        this.#isLookingUp = true;
        break;
      case "fetch":
        assert.ok(!this.fetches.has(output.name), "each is fetched once");
        this.fetches.set(output.name, false);
        break;
      case "admit":
        assert.equal(this.fetches.get(output.name), false, "who waits is admitted");
        this.fetches.set(output.name, true);
        break;
      case "measure":
        assert.equal(this.fetches.get(output.other), true);
        break;
      case "abandon":
        assert.ok(this.fetches.delete(output.name), "what is abandoned was begun");
        assert.notEqual(this.#isPlacing, output.name);
        break;
      case "place":
        assert.equal(this.#isPlacing, undefined, "one takes its place at a time");
        this.#isPlacing = output.name;
        break;
    }
  }
}

Deno.test("FollowCore keeps its driver's rules, whatever happens in whatever order", () => {
  const events = [
    ...["found", "lookupFailed", "understood", "measured", "downloading", "whole", "placed", "fetchFailed"],
    ...["lost", "lookNow", "time"],
  ];
  const step = fc.tuple(fc.constantFrom(...events), fc.constantFrom("a", "b", "c", "d"), fc.nat(100));
  const name = fc.option(fc.constantFrom("a", "b"), { nil: undefined });
  const runs = fc.array(step, { minLength: 20, maxLength: 200 });
  fc.assert(
    fc.property(name, name, runs, (held, named, steps) => {
      const driver = new ChanceDriver();
      driver.tell({ kind: "begin", held, named });
      for (const [event, name, number] of steps) driver.happen(event, name, number);
    }),
    { numRuns: 1000 },
  );
});
