import assert from "node:assert/strict";
import { compareVersions, isVersion } from "../../lib/release/versions.ts";

Deno.test("compareVersions() orders as semver.org says, its own example among them", () => {
  const ordered = [
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.10",
    "1.2.0",
    "10.0.0",
  ];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) {
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} and ${b}`);
    }
  }
  assert.equal(compareVersions("1.0.0+abc", "1.0.0+xyz"), 0);
});

Deno.test("isVersion() takes versions, and nothing that is a path, an option or a line more", () => {
  for (const good of ["1", "1.2.3", "1.2.3-rc.1", "1.2.3+abc"]) assert.ok(isVersion(good), good);
  for (const bad of ["", "v1", "-1", "../1", "1/2", "1 2", "1\n", "x".repeat(9), "1".repeat(70)]) {
    assert.ok(!isVersion(bad), bad);
  }
});
