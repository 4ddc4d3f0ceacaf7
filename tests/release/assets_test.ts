import assert from "node:assert/strict";
import { assetFor, ASSETS } from "../../lib/release/assets.ts";

Deno.test("ASSETS have the names that a release is promised to have", () => {
  assert.deepEqual(ASSETS.map(({ name }) => name), [
    "nano-snap-linux-x64",
    "nano-snap-linux-arm64",
    "nano-snap-darwin-x64",
    "nano-snap-darwin-arm64",
    "nano-snap-windows-x64.exe",
  ]);
});

Deno.test("assetFor() knows the system that this runs on, and no invented one", () => {
  assert.equal(assetFor(Deno.build.target)?.target, Deno.build.target);
  assert.equal(assetFor("riscv64gc-unknown-linux-gnu"), undefined);
});
