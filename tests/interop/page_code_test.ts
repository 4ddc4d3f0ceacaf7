// lib/ledger/wasm/page_code.wasm is in the tree as it was compiled by hand: whoever reads its source must be able to rely
// on it.

import assert from "node:assert/strict";
import { join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { mustRun } from "./support.ts";

const OUTPUT = "lib/ledger/wasm/page_code.wasm";

Deno.test("deno task wasm makes page_code.wasm of its source, byte for byte", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const made = join(folder, "page_code.wasm");
    const [deno, ...words] = config.tasks.wasm.split(" ");
    assert.equal(deno, "deno");
    assert.equal(words.filter((word) => word === OUTPUT).length, 1);
    await mustRun(Deno.execPath(), words.map((word) => word === OUTPUT ? made : word));
    assert.deepEqual(await Deno.readFile(made), await Deno.readFile(OUTPUT));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
