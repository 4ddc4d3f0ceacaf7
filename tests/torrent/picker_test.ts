import assert from "node:assert/strict";
import fc from "fast-check";
import { BLOCK_RECEIVED } from "../../lib/torrent/active_piece.ts";
import { type Layout, type PieceIndex } from "../../lib/torrent/layout.ts";
import { Picker } from "../../lib/torrent/picker.ts";
import { PieceSet } from "../../lib/torrent/piece_set.ts";
import { FakePeer } from "./fake_peer.ts";
import { layoutOf } from "./fixtures.ts";
import { seeded } from "./seeded.ts";

/** `#` for a piece that is there. */
function setOf(drawing: string): PieceSet {
  const set = new PieceSet(drawing.length);
  for (const [piece, letter] of [...drawing].entries()) if (letter === "#") set.add(piece);
  return set;
}

/**
 * A picker, and peers a, b, c, drawn as what they have, a letter per piece.
 *
 * @param options.blocks Blocks per piece; default 2.
 */
function drawn(
  drawing: { us: string; a: string; b?: string; c?: string; d?: string },
  options: { blocks?: number; isReady?: (piece: number) => boolean } = {},
) {
  const { us, ...others } = drawing;
  const pieceLength = 16_384 * (options.blocks ?? 2);
  const picker = new Picker({
    layout: layoutOf("v2", pieceLength, [us.length * pieceLength]),
    here: setOf(us),
    random: seeded(1),
    isReady: options.isReady ?? (() => true),
    keepHashes: false,
  });
  const [a, b, c, d] = Object.values(others).map((drawing, i) => {
    const pieces = setOf(drawing);
    if (!pieces.isFull) picker.onBitfield(pieces);
    return new FakePeer(i + 1, pieces.isFull ? undefined : pieces);
  });
  return { picker, a: a!, b: b!, c: c!, d: d! };
}

Deno.test("pick() takes the rarest piece that the peer has and we lack", () => {
  const { picker, a } = drawn({ us: "##......", a: "#######.", b: "..####.#", c: "..#.#..." });
  assert.deepEqual(a.pick(picker, 2), [[6, 0], [6, 1]]); // held by a alone
  const next = new Set(a.pick(picker, 4).map(([piece]) => piece as number));
  assert.deepEqual(next, new Set([3, 5])); // by a and b
});

Deno.test("pick() goes through short pieces in whole runs of neighbours when the peer is fast", () => {
  const { picker, a, b } = drawn({ us: "................", a: "#".repeat(16), b: "#".repeat(16) }, {
    blocks: 1,
  });
  // Four pieces and a half: runs are powers of two.
  a.runBytes = b.runBytes = 4.5 * 16_384;
  const pieces = [...a.pick(picker, 8), ...b.pick(picker, 8)].map(([piece]) => piece as number);
  for (let at = 0; at < 16; at += 4) {
    const first = pieces[at]!;
    assert.equal(first % 4, 0);
    assert.deepEqual(pieces.slice(at, at + 4), [first, first + 1, first + 2, first + 3]);
  }
  assert.equal(new Set(pieces).size, 16);
  const inOrder = pieces.every((piece, i) => piece === i);
  assert.ok(!inOrder, "where a run begins is chance");
});

Deno.test("pick() keeps a run to pieces that are missing, as rare as its first, and the peer's", () => {
  const { picker, a } = drawn({ us: ".#..........", a: "#########.##", b: "......#....." }, { blocks: 1 });
  a.runBytes = 4 * 16_384;
  const pieces = a.pick(picker, 12).map(([piece]) => piece as number);
  for (const [piece, next] of [[2, 3], [4, 5], [10, 11]]) {
    assert.equal(pieces.indexOf(next!), pieces.indexOf(piece!) + 1, `${pieces}`);
  }
  assert.deepEqual([pieces.length, pieces.at(-1)], [10, 6], "what b has too is not as rare");
});

Deno.test("pick() begins one piece at a time while a peer is slow", () => {
  const { picker, a } = drawn({ us: "................", a: "#".repeat(16) }, { blocks: 1 });
  a.runBytes = 1.9 * 16_384;
  const pieces = a.pick(picker, 16).map(([piece]) => piece as number);
  const joined = pieces.filter((piece, i) => pieces[i + 1] === piece + 1).length;
  assert.ok(joined < 8, `${pieces}`);
});

Deno.test("pick() gives a peer its own piece to the end before anything new", () => {
  const { picker, a, b } = drawn({ us: "....", a: "####", b: "####" }, { blocks: 4 });
  const [[mine]] = a.pick(picker, 1) as [[PieceIndex, number]];
  assert.ok(b.pick(picker, 4).every(([piece]) => piece !== mine));
  assert.deepEqual(a.pick(picker, 3), [[mine, 1], [mine, 2], [mine, 3]]);
});

Deno.test("pick() goes on with what a peer left behind before it starts a new piece", () => {
  const { picker, a, b } = drawn({ us: "......", a: "######", b: "######" }, { blocks: 4 });
  const [[piece]] = a.pick(picker, 3) as [[PieceIndex, number]];
  picker.activePiece(piece)!.receive(0, 1);
  for (const block of [1, 2]) picker.release(piece, block);
  picker.onPeerGone(a);
  assert.deepEqual(b.pick(picker, 3), [[piece, 1], [piece, 2], [piece, 3]]);
});

Deno.test("pick() leaves an orphan to who has it", () => {
  const { picker, a, b, c } = drawn({ us: "....", a: "####", b: "####", c: "..##" });
  for (const [piece, block] of a.pick(picker, 4)) picker.release(piece, block);
  const left = new Set([...picker.active].map(({ piece }) => piece as number));
  picker.onPeerGone(a);
  const mine = c.pick(picker, 8).map(([piece]) => piece as number);
  assert.ok(mine.every((piece) => piece >= 2));
  const rest = b.pick(picker, 8).map(([piece]) => piece as number);
  assert.deepEqual(new Set([...mine, ...rest]), new Set([0, 1, 2, 3]));
  for (const piece of left) assert.ok(mine.includes(piece) || rest.includes(piece));
});

Deno.test("pick() keeps pieces apart while there are missing ones, and shares them at the end", () => {
  const { picker, a, b } = drawn({ us: "##..", a: "####", b: "####" }, { blocks: 8 });
  const [[first]] = a.pick(picker, 1) as [[PieceIndex, number]];
  const second = b.pick(picker, 8);
  assert.ok(second.every(([piece]) => piece !== first), "a piece each");
  for (const [piece, block] of second) picker.activePiece(piece)!.receive(block, 2);
  picker.finish(picker.activePiece(second[0]![0])!);
  const shared = b.pick(picker, 3);
  assert.deepEqual(shared, [[first, 1], [first, 2], [first, 3]]);
  assert.deepEqual(a.pick(picker, 2), [[first, 4], [first, 5]], "nothing twice");
});

Deno.test("pick() shares the piece with the most to do first", () => {
  const { picker, a, b, c } = drawn({ us: "#..", a: "###", b: "###", c: "###" }, { blocks: 8 });
  a.pick(picker, 6);
  const [[least]] = b.pick(picker, 1) as [[PieceIndex, number]];
  assert.ok(c.pick(picker, 4).every(([piece]) => piece === least));
});

Deno.test("pick() asks for nothing twice before the end game", () => {
  const { picker, a, b, c } = drawn({ us: "....", a: "####", b: "####", c: "####" }, { blocks: 4 });
  const seen = new Set<string>();
  for (const peer of [a, b, c, b, a]) {
    for (const [piece, block] of peer.pick(picker, 3)) {
      assert.equal(seen.has(`${piece}/${block}`), false);
      seen.add(`${piece}/${block}`);
    }
  }
  assert.equal(seen.size, 15);
});

Deno.test("pick() asks again in the end game: few, from the tail, of two peers at most", () => {
  const { picker, a, b, c, d } = drawn({ us: ".", a: "#", b: "#", c: "#", d: "#" }, { blocks: 20 });
  assert.equal(a.pick(picker, 99).length, 20);
  const again = b.pick(picker, 99).map(([, block]) => block);
  assert.deepEqual(again, [19, 18, 17, 16, 15, 14, 13, 12]);
  assert.deepEqual(b.pick(picker, 99), [], "it has enough to do");
  assert.deepEqual(a.pick(picker, 99), [], "a is asked for all of them");
  assert.deepEqual(c.pick(picker, 3).map(([, block]) => block), [11, 10, 9]);
  assert.deepEqual(d.pick(picker, 99).map(([, block]) => block), [8, 7, 6, 5, 4, 3, 2, 1]);
  assert.deepEqual(c.pick(picker, 99).map(([, block]) => block), [0]);
  for (const active of picker.active) assert.ok(active.askers.every((askers) => askers <= 2));
});

Deno.test("pick() begins no end game while a piece is missing, even one that the peer lacks", () => {
  const { picker, a, b } = drawn({ us: "..", a: "##", b: "#." });
  b.pick(picker, 2);
  assert.deepEqual(b.pick(picker, 9), []);
  a.pick(picker, 2);
  assert.equal(b.pick(picker, 9).length, 0, "b has piece 0 only, and is asked for it");
});

Deno.test("pick() does not ask again for what has come", () => {
  const { picker, a, b } = drawn({ us: ".", a: "#", b: "#" }, { blocks: 4 });
  a.pick(picker, 4);
  picker.activePiece(0)!.receive(3, 1);
  assert.deepEqual(b.pick(picker, 9).map(([, block]) => block), [2, 1, 0]);
});

Deno.test("pick() starts no piece that cannot be checked yet", () => {
  const ready = new Set([2]);
  const { picker, a } = drawn({ us: "....", a: "####" }, { isReady: (piece) => ready.has(piece) });
  assert.deepEqual(a.pick(picker, 9), [[2, 0], [2, 1]]);
  ready.add(0);
  assert.deepEqual(a.pick(picker, 9), [[0, 0], [0, 1]]);
});

Deno.test("pick() asks for nothing that is here, and nobody for what it lacks", () => {
  const { picker, a } = drawn({ us: "#.#.", a: "###." });
  assert.deepEqual(a.pick(picker, 9), [[1, 0], [1, 1]]);
  assert.equal(picker.missing, 1);
});

Deno.test("restart() has a failed piece fetched by one peer alone: not shared, not asked for twice", () => {
  const { picker, a, b } = drawn({ us: ".", a: "#", b: "#" }, { blocks: 8 });
  a.pick(picker, 4);
  b.pick(picker, 4);
  for (let block = 0; block < 8; block++) picker.activePiece(0)!.receive(block, block < 4 ? 1 : 2);
  for (const peer of [a, b]) for (const [piece, block] of peer.owes) peer.settle(piece, block);
  picker.restart(picker.activePiece(0)!);
  assert.equal(picker.missing, 1);
  assert.equal(b.pick(picker, 2).length, 2);
  assert.deepEqual(a.pick(picker, 9), [], "neither a share nor an end game");
  assert.equal(b.pick(picker, 9).length, 6);
  assert.deepEqual(a.pick(picker, 9), []);
});

Deno.test("disown() begins a failed piece anew, so that still one peer alone sends it", () => {
  const { picker, a, b } = drawn({ us: ".", a: "#", b: "#" }, { blocks: 4 });
  a.pick(picker, 4);
  for (let block = 0; block < 4; block++) picker.activePiece(0)!.receive(block, 1 + block % 2);
  for (const [piece, block] of a.owes) a.settle(piece, block);
  picker.restart(picker.activePiece(0)!);
  for (const [piece, block] of a.pick(picker, 3)) {
    a.settle(piece, block);
    if (block === 0) picker.activePiece(0)!.receive(0, 1);
    else picker.release(piece, block);
  }
  picker.disown(1);
  assert.deepEqual(b.pick(picker, 9), [[0, 0], [0, 1], [0, 2], [0, 3]]);
});

Deno.test("hold() keeps pieces from being begun, and from an end game, until they are let go or begun", () => {
  const { picker, a, b } = drawn({ us: "....", a: "####", b: "####" });
  picker.hold([1, 2, 3] as PieceIndex[]);
  assert.deepEqual([picker.held, picker.missing], [3, 1]);
  assert.deepEqual(a.pick(picker, 9), [[0, 0], [0, 1]]);
  assert.deepEqual(b.pick(picker, 9), [], "nothing is asked for twice while there are held ones");
  assert.equal(picker.takeStarved(), true);
  assert.equal(picker.takeStarved(), false);
  const active = picker.begin(2 as PieceIndex);
  active.adopt(0, new Uint8Array(0)); // no hashes are kept here
  assert.deepEqual(b.pick(picker, 9), [[2, 1]], "of a begun one what is not here");
  picker.letGo(3 as PieceIndex);
  assert.deepEqual(b.pick(picker, 2), [[3, 0], [3, 1]]);
  assert.deepEqual([picker.held, picker.isHeld(1), picker.isHeld(3)], [1, true, false]);
  picker.letGoOfAll();
  assert.deepEqual(a.pick(picker, 2), [[1, 0], [1, 1]]);
});

Deno.test("nextHeld() gives the rarest piece that the peer has, or what somebody who reads along comes to first", () => {
  const { picker, a, b } = drawn({ us: "......", a: "####..", b: "...#.." });
  picker.hold([1, 2, 3] as PieceIndex[]);
  const any = () => true;
  assert.equal(picker.nextHeld(b, any), 3);
  assert.ok([1, 2].includes(picker.nextHeld(a, any)!), "a alone has it");
  assert.equal(picker.nextHeld(a, (piece) => piece === 3), 3);
  picker.onHave(1);
  picker.onHave(2);
  picker.onHave(2);
  picker.onHave(3);
  assert.equal(picker.nextHeld(a, any), 1);
  picker.follow(() => ({
    first: [5],
    waitingFor: undefined,
    from: 2,
    soonEnd: 3,
    end: 6,
    isStrict: false,
  }));
  assert.equal(picker.nextHeld(a, any), 2);
  assert.equal(picker.nextHeld(a, (piece) => piece === 1), 1, "what lies behind the reader as well");
  assert.equal(picker.nextHeld(a, () => false), undefined);
});

Deno.test("onHave(), onDontHave() and onPeerGone() make pieces commoner and rarer", () => {
  const first = (change: (world: ReturnType<typeof drawn>) => void) => {
    const world = drawn({ us: "...", a: "###", b: ".##", c: "#..", d: "#.#" });
    change(world);
    return world.a.pick(world.picker, 1)[0]![0] as number;
  };
  assert.equal(first(() => {}), 1);
  assert.equal(first(({ picker, c, d }) => [c, d].forEach((peer) => picker.onPeerGone(peer))), 0);
  assert.equal(first(({ picker }) => [1, 1, 0].forEach((piece) => picker.onHave(piece))), 2);
  assert.equal(first(({ picker }) => [2, 2].forEach((piece) => picker.onDontHave(piece))), 2);
});

/** A swarm in steps: who may do what is chosen by chance, what must hold is asserted at each step. */
class Steps {
  readonly #layout: Layout;
  readonly #picker: Picker;
  readonly #random: () => number;
  readonly #peers: FakePeer[] = [];
  readonly #choked = new Set<FakePeer>();
  readonly #done = new Set<number>();
  readonly #failed = new Set<number>();
  #number = 0;

  constructor(seed: number) {
    this.#random = seeded(seed);
    const pieces = 1 + this.#below(12);
    const blocks = 1 + this.#below(6);
    const short = this.#below(16_384 * blocks);
    this.#layout = layoutOf("v2", 16_384 * blocks, [16_384 * blocks * pieces - short]);
    this.#picker = new Picker({
      layout: this.#layout,
      here: new PieceSet(this.#layout.pieceCount),
      random: this.#random,
      isReady: () => true,
      keepHashes: false,
    });
    this.#join(undefined);
    for (let i = this.#below(5); i > 0; i--) {
      const pieces = new PieceSet(this.#layout.pieceCount);
      for (let piece = 0; piece < pieces.size; piece++) if (this.#random() < 0.5) pieces.add(piece);
      this.#join(pieces);
    }
  }

  run(): void {
    for (let step = 0; step < 300 && !this.#isDone; step++) this.#step();
    // From here on everybody keeps to the point.
    this.#choked.clear();
    for (let step = 0; !this.#isDone; step++) {
      assert.ok(step < 2000, "it completes");
      for (const peer of this.#peers) this.#pick(peer, 3);
      const peer = this.#peers[this.#below(this.#peers.length)]!;
      const [first] = peer.owes;
      if (first !== undefined) this.#deliver(peer, ...first, true);
    }
    assert.equal(this.#picker.missing, 0);
    assert.deepEqual([...this.#picker.active], []);
  }

  get #isDone(): boolean {
    return this.#done.size === this.#layout.pieceCount;
  }

  #step(): void {
    const at = this.#below(this.#peers.length);
    const peer = this.#peers[at]!;
    const owes = peer.owes;
    const chance = this.#random();
    if (chance < 0.4) this.#pick(peer, 1 + this.#below(8));
    else if (chance < 0.8 && owes.length > 0) {
      this.#deliver(peer, ...owes[this.#below(owes.length)]!, this.#random() < 0.9);
    } else if (chance < 0.85 && owes.length > 0) this.#refuse(peer, ...owes[0]!);
    else if (chance < 0.9) {
      this.#choked.add(peer);
      for (const owed of owes) this.#refuse(peer, ...owed);
      this.#picker.disown(peer.number);
    } else if (chance < 0.95) this.#choked.delete(peer);
    else {
      for (const owed of owes) this.#refuse(peer, ...owed);
      this.#picker.onPeerGone(peer);
      this.#choked.delete(peer);
      this.#peers.splice(at, 1);
      this.#join(peer.pieces);
    }
  }

  #join(pieces: PieceSet | undefined): void {
    if (pieces !== undefined) this.#picker.onBitfield(pieces);
    this.#peers.push(new FakePeer(++this.#number, pieces));
  }

  #pick(peer: FakePeer, most: number): void {
    if (this.#choked.has(peer)) return;
    const before = new Set(peer.owes.map(String));
    const picked = peer.pick(this.#picker, most);
    assert.ok(picked.length <= most);
    for (const [piece, block] of picked) {
      assert.ok(peer.pieces?.has(piece) ?? true, "it has the piece");
      assert.equal(this.#done.has(piece), false, "the piece is not here");
      assert.equal(before.has(String([piece, block])), false, "it was not asked for that");
      before.add(String([piece, block]));
      assert.notEqual(this.#picker.activePiece(piece)!.states[block], BLOCK_RECEIVED);
      const askers = this.#peers.filter((other) => other.isAskedFor(piece, block));
      assert.ok(askers.length <= (this.#failed.has(piece) ? 1 : 2), `${askers.length} askers`);
    }
  }

  #refuse(peer: FakePeer, piece: number, block: number): void {
    if (peer.settle(piece, block)) this.#picker.release(piece, block);
  }

  /** As the swarm does it: whoever else was asked is told that it need not send the block. */
  #deliver(peer: FakePeer, piece: number, block: number, isGood: boolean): void {
    for (const other of this.#peers) other.settle(piece, block);
    const active = this.#picker.activePiece(piece);
    assert.ok(active !== undefined, "what is asked for is wanted");
    assert.equal(active.receive(block, peer.number), true, "nothing comes twice");
    if (!active.isComplete) return;
    if (this.#failed.has(piece)) assert.equal(active.contributors().size, 1, "one sender after a failure");
    if (isGood) {
      assert.equal(this.#done.has(piece), false, "once");
      this.#done.add(piece);
      this.#failed.delete(piece);
      this.#picker.finish(active);
    } else {
      this.#failed.add(piece);
      this.#picker.restart(active);
    }
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }
}

Deno.test("Picker completes every piece exactly once with peers that choke, refuse, lie and leave", () => {
  fc.assert(fc.property(fc.integer(), (seed) => new Steps(seed).run()), { numRuns: 300 });
});

Deno.test("pick() begins with what the peer suggests, where that is as rare as the rarest", () => {
  const { picker, a, b } = drawn({ us: "#.......", a: "########", b: ".#####.." });
  // 6 and 7 are held by a alone.
  for (const piece of [7, 6]) {
    a.suggested = [0, 2, 99, piece];
    assert.deepEqual(a.pick(picker, 2), [[piece, 0], [piece, 1]], "not what is here, less rare, or no piece");
  }
  a.suggested = [4];
  assert.deepEqual(a.pick(picker, 2), [[4, 0], [4, 1]]);
  b.suggested = [7, 4, 0];
  assert.ok([1, 2, 3, 5].includes(b.pick(picker, 2)[0]![0]), "nor what it has not, or is on its way");
});

Deno.test("pick() begins with what is wanted by who reads along, whatever a peer suggests", () => {
  const { picker, a } = drawn({ us: "........", a: "########" });
  picker.follow(() => ({ first: [3], waitingFor: undefined, from: 0, soonEnd: 2, end: 2, isStrict: false }));
  a.suggested = [6];
  assert.deepEqual(a.pick(picker, 8).filter(([, block]) => block === 0).map(([piece]) => piece), [
    3,
    0,
    1,
    6,
  ]);
});
