import assert from "node:assert/strict";
import { PathUnusable } from "../../lib/errors.ts";
import { placeLedger } from "../../lib/extract/place.ts";
import type { FileFacts, Files } from "../../lib/ports.ts";

Deno.test("placeLedger() renames over a file or over nothing", () => {
  for (const there of [undefined, "file"] as const) {
    const renames: string[][] = [];
    const path = placeLedger(filesWith(there, renames), { partial: "/d/.x/data.ldb.partial", folder: "/d" });
    assert.equal(path, "/d/data.ldb");
    assert.deepEqual(renames, [["/d/.x/data.ldb.partial", "/d/data.ldb"]]);
  }
});

Deno.test("placeLedger() leaves what is no file alone", () => {
  for (const there of ["directory", "other"] as const) {
    const renames: string[][] = [];
    const files = filesWith(there, renames);
    assert.throws(() => placeLedger(files, { partial: "/d/data.ldb.partial", folder: "/d" }), PathUnusable);
    assert.deepEqual(renames, []);
  }
});

function filesWith(kind: FileFacts["kind"] | undefined, renames: string[][]): Files {
  return {
    stat: () => (kind === undefined ? undefined : { kind }),
    rename: (from: string, to: string) => void renames.push([from, to]),
  } as unknown as Files;
}
