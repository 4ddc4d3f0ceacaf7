// deploy/release/sbom.ts on a small invented graph, and on ours by the program itself.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { billOf, entriesOf, type Lock, mergedGraph, type ModuleGraph } from "../../deploy/release/sbom.ts";
import { read, ROOT } from "./tree.ts";

const PROGRAM = { name: "nano-snap", version: "1.0.0", license: "Apache-2.0" };
const HASH = createHash("sha512").update("a").digest();
const LOCK: Lock = {
  npm: Object.fromEntries(
    ["@x/a@1.0.0", "b@2.0.0", "tests@3.0.0"].map((
      key,
    ) => [key, { integrity: `sha512-${HASH.toString("base64")}` }]),
  ),
};
const GRAPH: ModuleGraph = {
  modules: [{ kind: "esm" }, { kind: "npm", npmPackage: "@x/a@1.0.0" }],
  npmPackages: {
    "@x/a@1.0.0": { name: "@x/a", version: "1.0.0", dependencies: ["b@2.0.0"] },
    "b@2.0.0": { name: "b", version: "2.0.0", dependencies: ["@x/a@1.0.0"] },
    "tests@3.0.0": { name: "tests", version: "3.0.0", dependencies: [] },
  },
};

Deno.test("billOf() has Deno and what is reached, round a circle too, and nothing of the tests", () => {
  const bill = billOf(
    PROGRAM,
    GRAPH,
    LOCK,
    (key) => key.startsWith("b@") ? "MIT OR ISC" : "SEE LICENSE IN x",
  );
  const [deno, a, b, ...more] = bill.components;
  assert.equal(more.length, 0);
  assert.match(deno!.purl!, /^pkg:github\/denoland\/deno@v\d/);
  assert.deepEqual([a!.purl, b!.purl], ["pkg:npm/%40x/a@1.0.0", "pkg:npm/b@2.0.0"]);
  assert.deepEqual([a!.group, a!.name], ["@x", "a"]);
  assert.deepEqual(a!.hashes, [{ alg: "SHA-512", content: HASH.toString("hex") }]);
  assert.deepEqual(a!.licenses, [{ license: { name: "SEE LICENSE IN x" } }]);
  assert.deepEqual(b!.licenses, [{ expression: "MIT OR ISC" }]);
  assert.deepEqual(bill.dependencies[0]!.dependsOn, [deno!["bom-ref"], a!.purl]);
  const refs = new Set([bill.metadata.component, ...bill.components].map((one) => one["bom-ref"]));
  for (const { ref, dependsOn } of bill.dependencies) {
    for (const one of [ref, ...dependsOn]) assert.ok(refs.has(one), one);
  }
});

Deno.test("billOf() refuses a package that the lock does not hold", () => {
  assert.throws(
    () => billOf(PROGRAM, GRAPH, {}, () => undefined),
    /deno\.lock has no SHA-512 of @x\/a@1\.0\.0/,
  );
});

Deno.test("mergedGraph() has the packages of all", () => {
  const graph = mergedGraph([GRAPH, { modules: [{ kind: "npm", npmPackage: "b@2.0.0" }], npmPackages: {} }]);
  assert.equal(graph.modules.length, 3);
  assert.equal(Object.keys(graph.npmPackages).length, 3);
});

Deno.test("entriesOf() has main.ts and every Worker", () => {
  const entries = entriesOf(ROOT);
  assert.equal(entries[0], "main.ts");
  for (const name of ["extract", "check", "hash", "pack"]) {
    assert.ok(entries.includes(`lib/io/${name}_worker.ts`), name);
  }
});

Deno.test("sbom.ts writes a bill of this tree: what lib/ imports, and not the tests' packages", async () => {
  const args = ["run", "-A", "--quiet", "deploy/release/sbom.ts"];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const bill = JSON.parse(new TextDecoder().decode(stdout));
  const names: string[] = bill.components.map(({ group, name }: { group?: string; name: string }) =>
    group === undefined ? name : `${group}/${name}`
  );
  for (const name of ["deno", "bittorrent-dht", "@noble/ed25519", "7z-wasm", "commander"]) {
    assert.ok(names.includes(name), name);
  }
  for (const name of ["fast-check", "yaml", "modern-tar"]) assert.ok(!names.includes(name), name);
  assert.equal(bill.metadata.component.version, JSON.parse(read("deno.json")).version);
});
