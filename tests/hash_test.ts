import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parseHex, toHex } from "../lib/bytes.ts";
import { sha1, sha256, sha256Into } from "../lib/hash.ts";

Deno.test("sha1() and sha256() give the standard's hashes of abc", () => {
  const abc = new TextEncoder().encode("abc"); // FIPS 180-4, examples
  assert.equal(toHex(sha1(abc)), "a9993e364706816aba3e25717850c26c9cd0d89d");
  assert.equal(toHex(sha256(abc)), ABC_SHA256);
});

Deno.test("sha256Into() writes the hash at its place and nothing beside it", () => {
  const into = new Uint8Array(34).fill(0xee);
  sha256Into(new TextEncoder().encode("abc"), into, 1);
  assert.deepEqual(into, parseHex(`ee${ABC_SHA256}ee`));
});

Deno.test("sha256Into() agrees with an incremental hash, for blocks of any length and every digit", () => {
  const block = Uint8Array.from({ length: 16_384 }, (_, i) => i * 7 + (i >> 8));
  const into = new Uint8Array(32);
  for (const length of [0, 1, 63, 64, 65, 16_383, 16_384]) {
    const part = block.subarray(block.length - length); // a view that does not begin at its buffer's begin
    sha256Into(part, into, 0);
    assert.equal(toHex(into), createHash("sha256").update(part).digest("hex"), `${length} bytes`);
  }
});

Deno.test({
  name: "sha256Into() leaves no more memory behind than it calls the collector for",
  ignore: Deno.build.os !== "linux",
  async fn() {
    // A process of its own: what others leave in this one is more than what is looked for.
    const script = `
      import { sha256Into } from "${import.meta.resolve("../lib/hash.ts")}";
      const [block, into] = [new Uint8Array(64), new Uint8Array(32)];
      const hash = (times) => { for (let i = 0; i < times; i++) sha256Into(block, into, 0); };
      hash(20_000);
      const before = Deno.memoryUsage().rss;
      let most = 0;
      for (let i = 0; i < 20; i++) { hash(16_000); most = Math.max(most, Deno.memoryUsage().rss - before); }
      console.log(most);`;
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", script] }).output();
    const most = Number(new TextDecoder().decode(stdout));
    assert.ok(most > 0 && most < 24e6, `${most} bytes`); // without a call: 31 MB and more
  },
});

const ABC_SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
