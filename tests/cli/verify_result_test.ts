// What a `verify` tells people to do next.

import assert from "node:assert/strict";
import { verifyText } from "../../lib/cli/verify_result.ts";

for (
  const { name, next } of [
    {
      name: "ledger",
      next: "get --extract --force, with its --data-dir (for a node's own: get --install --force), ",
    },
    { name: "pieces", next: "get --force, with its --data-dir, " },
  ] as const
) {
  Deno.test(`verifyText() names the command that mends it when ${name} is bad, and none when it is good`, () => {
    const text = (result: "bad" | "good") => {
      const checks = [{ path: "/a", check: name, result, detail: "it is so" }];
      return verifyText({ path: "/a", isGood: result === "good", checks, elapsedMs: 1000 });
    };
    assert.ok(text("bad").includes(`next         nano-snap ${next}fetches what is not right\n`), text("bad"));
    assert.doesNotMatch(text("good"), /next/);
  });
}
