// What the documents say against what the code says, without running anything. tests/interop/docs_test.ts runs their
// commands.

import assert from "node:assert/strict";
import { join } from "node:path";
import { EXIT } from "../lib/errors.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");

Deno.test("docs/mirror-leech-mode.md lists every exit code once, and no other", () => {
  const text = Deno.readTextFileSync(join(ROOT, "docs", "mirror-leech-mode.md"));
  const cells = [...text.matchAll(/^\| (\d[\d, ]*?) *\|/gm)].flatMap((row) => (row[1] ?? "").split(", "));
  assert.deepEqual(cells.map(Number), Object.values(EXIT).toSorted((a, b) => a - b));
});
