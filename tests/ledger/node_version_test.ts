import assert from "node:assert/strict";
import { minimumNode } from "../../lib/ledger/node_version.ts";

Deno.test("minimumNode() names the first release that takes a ledger, and none for what no release writes", () => {
  const expected = [[20, undefined], [21, "V22.0"], [22, "V25.0"], [23, "V27.0"], [24, "V27.0"], [
    25,
    undefined,
  ]] as const;
  for (const [version, node] of expected) assert.equal(minimumNode(version), node, `${version}`);
});
