import assert from "node:assert/strict";
import { WebSeedRule } from "../../lib/torrent/web_seed_rule.ts";

const KB = 1000;

/** Seconds of a world in which peers and web seeds have these rates; `web` is what they bring when they are asked. */
class World {
  readonly rule = new WebSeedRule(0);
  readonly line: number | undefined;
  /** One letter a second: whether web seeds were asked. */
  drawn = "";
  #ms = 0;
  #bytes = 0;
  #isOn = false;

  constructor(line?: number) {
    this.line = line;
  }

  pass(seconds: number, rates: { peers: number; web: number; together?: number }): string {
    const before = this.drawn.length;
    for (let i = 0; i < seconds; i++) {
      const peersRate = this.#isOn ? rates.together ?? rates.peers : rates.peers;
      const webRate = this.#isOn ? rates.web : 0;
      this.#ms += 1000;
      this.#bytes += peersRate;
      const moment = { nowMs: this.#ms, peersBytes: this.#bytes, peersRate, webRate, lineRate: this.line };
      this.#isOn = this.rule.look(moment);
      this.drawn += this.#isOn ? "W" : ".";
    }
    return this.drawn.slice(before);
  }
}

Deno.test("look() asks web seeds once peers have sent nothing for five seconds, and all the time then", () => {
  const world = new World();
  assert.equal(world.pass(60, { peers: 0, web: 900 * KB }), "....".padEnd(60, "W"));
});

Deno.test("look() leaves peers that give the first fifteen seconds, and then tries", () => {
  const world = new World();
  assert.equal(world.pass(40, { peers: 100 * KB, web: 900 * KB }), "..............".padEnd(40, "W"));
});

Deno.test("look() rests a minute where peers give less while web seeds help: the line is full", () => {
  const world = new World();
  const drawn = world.pass(90, { peers: 1000 * KB, web: 500 * KB, together: 500 * KB });
  assert.match(drawn, /^\.{14}W{10}\.{60}W+$/);
});

Deno.test("look() rests where web seeds bring hardly anything beside peers", () => {
  const world = new World();
  assert.match(world.pass(80, { peers: 1000 * KB, web: 50 * KB }), /^\.{14}W{10}\.+$/);
});

Deno.test("look() asks no web seeds while peers fill the user's limit, and none once they do", () => {
  const world = new World(1000 * KB);
  assert.equal(world.pass(100, { peers: 950 * KB, web: 500 * KB }), ".".repeat(100));
  const other = new World(1000 * KB);
  assert.match(other.pass(30, { peers: 300 * KB, web: 700 * KB }), /W{16}$/);
  assert.match(other.pass(3, { peers: 950 * KB, web: 300 * KB }), /^\.{3}$/);
});

Deno.test("look() measures peers alone again after a while of help, less and less often", () => {
  const world = new World();
  const drawn = world.pass(300, { peers: 100 * KB, web: 900 * KB });
  assert.match(drawn, /^\.{14}W{60}\.{10}W{120}\.{10}W+$/);
});

Deno.test("look() comes back at once when peers fall silent in a rest", () => {
  const world = new World();
  world.pass(30, { peers: 1000 * KB, web: 0 });
  assert.equal(world.pass(8, { peers: 0, web: 500 * KB }), "....WWWW");
});
