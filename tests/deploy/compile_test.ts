// The words of `deno task compile` and `compile:all`, and how they end without a program. tests/e2e/binary_test.ts and
// tests/interop/fresh_clone_test.ts make some.

import assert from "node:assert/strict";
import { join } from "node:path";

const SCRIPT = join(import.meta.dirname!, "..", "..", "deploy", "compile.ts");

async function compile(words: readonly string[], env: Record<string, string> = {}) {
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", SCRIPT, ...words], env });
  const { code, stderr } = await command.output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("compile refuses words that make no sense, in one line", async () => {
  const cases: [string, RegExp][] = [
    ["--what", /--what/],
    ["--all --only linux-x65", /no such system: linux-x65; there are linux-x64, /],
    ["--commit abc --date 2026-01-01", /--commit takes 40 hex digits/],
    [`--commit ${"ab".repeat(20)}`, /one needs the other/],
    ["--authority-file /nonexistent/file", /cannot read \/nonexistent\/file/],
  ];
  for (const [words, why] of cases) {
    const ended = await compile(words.split(" "));
    assert.equal(ended.code, 2, words);
    assert.match(ended.stderr, /^compile: [^\n]+\n$/);
    assert.match(ended.stderr, why);
  }
});

Deno.test({
  name: "compile:all names what it could not make and why, leaves no stale one, and ends with 1",
  ignore: Deno.build.target !== "x86_64-unknown-linux-gnu",
  async fn() {
    const folder = Deno.makeTempDirSync();
    try {
      const program = "nano-snap-linux-x64";
      for (const stale of [program, `${program}.gz`, "SHA256SUMS", "SHA256SUMS.sig"]) {
        Deno.writeTextFileSync(join(folder, stale), "of another day");
      }
      const words = ["--all", "--only", "linux-x64", "--output", folder];
      const ended = await compile(words, { NANO_SNAP_DENORT: join(folder, "no-such-runtime") });
      assert.equal(ended.code, 1);
      assert.match(ended.stderr, /^compile: not made: linux-x64: \S[^\n]*\n$/);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
