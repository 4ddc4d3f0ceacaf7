// Words and variables of `produce run` and `produce fixture` as what they ask for.

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { Inputs } from "../../lib/cli/options.ts";
import { readFixtureOptions } from "../../lib/cli/produce_fixture.ts";
import { readRunOptions } from "../../lib/cli/produce_run.ts";
import { UsageError } from "../../lib/errors.ts";

const run = (flags: Record<string, unknown>, env: Record<string, string> = {}) =>
  readRunOptions(new Inputs(flags, env));
const fixture = (flags: Record<string, unknown>) => readFixtureOptions(new Inputs(flags, {}));

Deno.test("readRunOptions() takes upstream's variables, and flags before them", () => {
  const env = {
    OUTPUT_DIR: "/srv/out",
    UPSTREAM_SNAPSHOT_INDEX_URL: " https://example.org/latest ",
    SNAPSHOT_RETENTION_COUNT: "2",
    STATUS_API_URL: "https://hub.example.org",
    DHT_SALT: "weekly",
  };
  const { outputDir, source, retain, hub, salt } = run({}, env);
  assert.deepEqual([outputDir, retain, hub], [resolve("/srv/out"), 2, "https://hub.example.org"]);
  assert.deepEqual(source, { kind: "index", url: "https://example.org/latest" });
  assert.equal(new TextDecoder().decode(salt), "weekly");
  assert.deepEqual(run({ sourceIndex: "http://other/" }, env).source, {
    kind: "index",
    url: "http://other/",
  });
  assert.deepEqual(run({ ledger: "data.ldb" }, env).source, {
    kind: "ledger",
    path: resolve("data.ldb"),
    format: "7z",
  });
});

Deno.test("readRunOptions() refuses what makes no sense", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ ledger: "a", sourceIndex: "http://h/" }, /exclude each other/],
    [{ format: "7z" }, /--format goes with --ledger/],
    [{ ledger: "a", format: "zip" }, /--format must be one of 7z, tar\.zst, ldb/],
    [{ ledger: "" }, /--ledger must be a ledger's file/],
    [{ sourceIndex: "example.org/latest" }, /--source-index must be an http or https URL/],
    [{ outputDir: "" }, /--output-dir must be a folder/],
    [{ retain: "-1" }, /--retain must be/],
  ];
  for (const [flags, message] of cases) {
    assert.throws(() => run(flags), (error) => error instanceof UsageError && message.test(error.message));
  }
});

Deno.test("readFixtureOptions() has a size and a name for everything", () => {
  assert.deepEqual(fixture({}), {
    size: 64e6,
    format: "tar.zst",
    out: resolve("nano-ledger-snapshot.tar.zst"),
    force: false,
  });
  assert.deepEqual(fixture({ size: "1G", format: "ldb", force: true }), {
    size: 1e9,
    format: "ldb",
    out: resolve("data.ldb"),
    force: true,
  });
  for (const size of ["63K", "1001G", "much", "-1"]) assert.throws(() => fixture({ size }), UsageError, size);
});

Deno.test("readFixtureOptions() takes the format from the ending of --out, and refuses another beside it", () => {
  const cases = [["a.7z", "7z"], ["b/A.TAR.ZST", "tar.zst"], ["data.ldb", "ldb"], ["a.zip", "tar.zst"], [
    "x7z",
    "tar.zst",
  ]];
  for (const [out, format] of cases) assert.equal(fixture({ out }).format, format, out);
  assert.equal(fixture({ out: "a.7z", format: "7z" }).format, "7z");
  assert.equal(fixture({ out: "a.zip", format: "ldb" }).format, "ldb");
  assert.throws(() => fixture({ out: "a.7z", format: "tar.zst" }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.equal(error.message, '--out "a.7z" is the name of a 7z, --format is tar.zst');
    return true;
  });
});
