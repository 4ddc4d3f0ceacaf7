import assert from "node:assert/strict";
import { formatSums, parseSums } from "../../lib/release/sums.ts";

const A = "aa".repeat(32);
const B = "bb".repeat(32);

Deno.test("parseSums() reads what formatSums() writes", () => {
  const sums = { version: "1.2.3-rc.1", files: new Map([["b.gz", B], ["a", A]]) };
  assert.equal(formatSums(sums), `# nano-snap 1.2.3-rc.1\n${A}  a\n${B}  b.gz\n`);
  assert.deepEqual(parseSums(formatSums(sums)), sums);
});

Deno.test("parseSums() takes binary marks, CRLF and no version, and leaves out what is no line", () => {
  const text = `${A} *a\r\n${B}  a\r\nshort  b\n${B.toUpperCase()}  c\n${A}  \n# nano-snap\n# nano-snap x\n`;
  assert.deepEqual(parseSums(text), { version: undefined, files: new Map([["a", A]]) });
  assert.deepEqual(parseSums(""), { version: undefined, files: new Map() });
});

Deno.test({
  name: "formatSums() writes what sha256sum --check takes, with its comment",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/empty`, "");
      const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
      const text = formatSums({ version: "1.0.0", files: new Map([["empty", sum]]) });
      await Deno.writeTextFile(`${folder}/SHA256SUMS`, text);
      const check = new Deno.Command("sha256sum", {
        args: ["--check", "--strict", "SHA256SUMS"],
        cwd: folder,
      });
      const { code, stderr } = await check.output();
      assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
