// `nano-snap swarm` and pointers that it must not follow: each is refused, told once, and ends nothing.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { BDict, decode, encode } from "../../lib/bencode.ts";
import { parseHex, toHex } from "../../lib/bytes.ts";
import { targetOf } from "../../lib/dht/signature.ts";
import { pointerValue } from "../../lib/snapshot/pointer.ts";
import { DAILY, KEY, signed } from "../snapshot/fakes.ts";
import { need } from "./support.ts";
import { jsonWhere, SwarmStage } from "./swarm_stage.ts";
import { LibtorrentSwarm } from "./swarm.ts";
import { join } from "node:path";

const ignore = need("libtorrent");

/** An item that the authority signed, as `dhtPutRaw` takes it. */
function raw(seq: number, hash: string) {
  const item = signed(seq, pointerValue(parseHex(hash)!));
  return { k: toHex(KEY), sig: toHex(item.signature), seq, v: toHex(item.value) };
}

Deno.test(
  { name: "swarm is not led back by an older pointer, and puts the newer one in its place", ignore },
  async () => {
    await using stage = await SwarmStage.open();
    const [first, second] = [
      await stage.publish("abcd", { pointer: false }),
      await stage.publish("efgh", { pointer: false }),
    ];
    await stage.swarm.dhtPutRaw(raw(20, second.hash));
    {
      await using mirror = stage.mirror();
      await mirror.switched(second);
      await mirror.stop();
    }
    // Another network, where somebody plays back what was signed before.
    await using past = await LibtorrentSwarm.start({ dhtNodes: 8 });
    await past.dhtPutRaw(raw(10, first.hash));
    await Deno.remove(join(stage.dataDir, ".nano-snap", "dht.json"));
    {
      await using mirror = stage.mirror(["--no-refresh"], {}, past.bootstrap());
      await mirror.seeding(second);
      await mirror.program.stderrLine(/below the seq 20 seen before/);
      mirror.program.kill("SIGHUP");
      const path = join(stage.dataDir, "mirror_state.json");
      const state = await jsonWhere(path, ({ last_error }) => last_error !== "");
      assert.deepEqual([state["phase"], state["last_info_hash"], state["last_seq"]], [
        "seeding",
        second.hash,
        20,
      ]);
      assert.equal(mirror.said(/Ignored a DHT item at seq 10/).length, 1);
      assert.equal(mirror.said(/New snapshot detected/).length, 0);
      await mirror.stop();
    }
    await using mirror = stage.mirror([], {}, past.bootstrap());
    await mirror.program.stderrLine(/Put the pointer at seq 20 again, as it is: [1-9]/);
    await mirror.program.stderrLine(/Discovered DHT mutable item: sequence=20/);
    assert.equal((await past.dhtGet()).seq, 20);
    await mirror.mustHold(second);
    await mirror.stop();
  },
);

Deno.test({
  name: "swarm follows neither of two values at one seq, says so once, and follows the next",
  ignore,
}, async () => {
  await using stage = await SwarmStage.open(10);
  const [first, second, third] = [
    await stage.publish("abcd", { pointer: false }),
    await stage.publish("efgh", { pointer: false }),
    await stage.publish("ijkl", { pointer: false }),
  ];
  await stage.swarm.dhtPutRaw(raw(5, first.hash));
  await using mirror = stage.mirror();
  await mirror.switched(first);
  await stage.swarm.dhtPutRaw({ ...raw(6, second.hash), nodes: [0, 1, 2, 3, 4] });
  await stage.swarm.dhtPutRaw({ ...raw(6, third.hash), nodes: [5, 6, 7, 8, 9] });
  // A lookup in the middle of the two puts may have seen one of them alone; the rule is the same from there on.
  await mirror.program.stderrLine(/Two different values are signed at seq 6/);
  await mirror.program.stderrLine(/Cannot trust the pointer/, 60_000);
  await stage.swarm.dhtPutRaw(raw(7, third.hash));
  await mirror.switched(third);
  assert.equal(mirror.said(/Two different values are signed at seq 6/).length, 1);
  await mirror.program.stderrLine(/All is well again/);
  await mirror.mustHold(third);
  await mirror.stop();
});

Deno.test({ name: "swarm ignores forged answers, and says so once", ignore }, async () => {
  await using stage = await SwarmStage.open();
  const first = await stage.publish("abcd");
  await using forger = await Forger.start("ab".repeat(32));
  await using mirror = stage.mirror([], {}, `${stage.swarm.bootstrap()},127.0.0.1:${forger.port}`);
  await mirror.switched(first);
  await forger.asked(3);
  await mirror.mustHold(first);
  assert.equal(mirror.said(/Ignored \d+ DHT answers that are not signed by the authority/).length, 1);
  assert.equal(mirror.said(/New snapshot detected/).length, 1);
  await mirror.stop();
});

/** A DHT node beside the target that has an item which nobody signed, at a seq above all others. */
class Forger implements AsyncDisposable {
  readonly #socket = createSocket("udp4");
  readonly #waiters: { readonly times: number; readonly done: () => void }[] = [];
  #gets = 0;

  static async start(hash: string): Promise<Forger> {
    const forger = new Forger();
    const id = targetOf(KEY, DAILY).slice();
    id[19]! ^= 1;
    const item = { ...signed(9, pointerValue(parseHex(hash)!)), seq: 999_999 };
    forger.#socket.on("message", (bytes, from) => {
      const query = decode(new Uint8Array(bytes));
      if (!(query instanceof BDict) || query.bytes("q") === undefined) return;
      const isGet = new TextDecoder().decode(query.bytes("q")) === "get";
      const more = isGet
        ? { k: KEY, seq: item.seq, sig: item.signature, v: decode(item.value) as Uint8Array }
        : {};
      const r = { id, nodes: new Uint8Array(), token: new Uint8Array(4), ...more };
      forger.#socket.send(encode({ t: query.bytes("t")!, y: "r", r }), from.port, from.address);
      if (isGet) forger.#count();
    });
    forger.#socket.bind(0, "127.0.0.1");
    await once(forger.#socket, "listening");
    return forger;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Resolves when it has been asked for the item so many times. */
  asked(times: number): Promise<void> {
    if (this.#gets >= times) return Promise.resolve();
    return new Promise((done) => this.#waiters.push({ times, done }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #count(): void {
    this.#gets++;
    for (const { times, done } of this.#waiters) if (this.#gets >= times) done();
  }
}
