import assert from "node:assert/strict";
import { join } from "node:path";
import { EMBEDDED_AUTHORITY, RELEASE_PUBKEY } from "../../lib/about.ts";
import { parseHex } from "../../lib/bytes.ts";
import { InvariantBroken } from "../../lib/errors.ts";
import { canMakeCertificates } from "../e2e/tls.ts";
import { isSignedBy, parseReleaseKey } from "../../lib/release/key.ts";

/** RFC 8032, 7.1, test 3. */
const PUBLIC = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
const MESSAGE = parseHex("af82")!;
const SIGNATURE = parseHex(
  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
)!;

/** A RELEASE_PUBKEY with this key. */
function textOf(publicKey: string): string {
  return `# a comment\n\nMCowBQYDK2VwAyEA${btoa(String.fromCharCode(...parseHex(publicKey)!))}\n`;
}

Deno.test("isSignedBy() takes the vector of RFC 8032, and it with no bit changed", () => {
  const key = parseReleaseKey(textOf(PUBLIC))!;
  assert.ok(isSignedBy(key, MESSAGE, SIGNATURE));
  for (const at of [0, 31, 32, 63]) {
    const other = SIGNATURE.slice();
    other[at]! ^= 1;
    assert.ok(!isSignedBy(key, MESSAGE, other), `byte ${at}`);
  }
  assert.ok(!isSignedBy(key, new Uint8Array([0xaf]), SIGNATURE));
  for (const length of [0, 63]) assert.ok(!isSignedBy(key, MESSAGE, SIGNATURE.subarray(0, length)));
  assert.ok(!isSignedBy(key, MESSAGE, new Uint8Array([...SIGNATURE, 0])));
});

Deno.test("parseReleaseKey() takes one key or none, and nothing else", () => {
  assert.equal(parseReleaseKey("# why\nnone\n"), undefined);
  for (
    const bad of ["", "# only\n", "none\nnone\n", PUBLIC, textOf(PUBLIC).replace("MCow", "MCox"), "None"]
  ) {
    assert.throws(() => parseReleaseKey(bad), InvariantBroken, bad);
  }
});

Deno.test("deploy/RELEASE_PUBKEY and install.sh have the same key, and it is not the authority's", () => {
  const lines = RELEASE_PUBKEY.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const installer = Deno.readTextFileSync(join(import.meta.dirname!, "..", "..", "install.sh"));
  assert.deepEqual([/^readonly RELEASE_PUBKEY=(\S+)$/m.exec(installer)?.[1]], lines);
  parseReleaseKey(RELEASE_PUBKEY);
  assert.notEqual(lines[0], textOf(EMBEDDED_AUTHORITY).trim().split("\n").at(-1));
});

Deno.test({
  name: "isSignedBy() takes what openssl signs, as docs/releasing.md has it",
  ignore: !canMakeCertificates(),
  async fn() {
    const folder = await Deno.makeTempDir();
    const openssl = async (...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command("openssl", { args, cwd: folder }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout);
    };
    try {
      await openssl("genpkey", "-algorithm", "ed25519", "-out", "release-key.pem");
      const line = (await openssl("pkey", "-in", "release-key.pem", "-pubout")).split("\n")[1]!;
      Deno.writeTextFileSync(join(folder, "SHA256SUMS"), "# nano-snap 1.2.3\n");
      const words = "pkeyutl -sign -rawin -inkey release-key.pem -in SHA256SUMS -out SHA256SUMS.sig";
      await openssl(...words.split(" "));
      const signature = Deno.readFileSync(join(folder, "SHA256SUMS.sig"));
      const key = parseReleaseKey(line)!;
      assert.ok(isSignedBy(key, new TextEncoder().encode("# nano-snap 1.2.3\n"), signature));
      assert.ok(!isSignedBy(key, new TextEncoder().encode("# nano-snap 1.2.4\n"), signature));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
