import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes.ts";
import { UsageError } from "../../lib/errors.ts";
import { chooseAuthority, parseAuthority } from "../../lib/snapshot/authority.ts";

const OPENRAI = "cdbc9284015e84c225f0e67b891606505a60cf1218b127ac1c1edb6444567e6b";
const OTHER = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
const chosen = (...sources: Parameters<typeof chooseAuthority>) => toHex(chooseAuthority(...sources));

Deno.test("chooseAuthority() takes OpenRai's key when nothing else is named", () => {
  assert.equal(chosen({}), OPENRAI);
  assert.equal(chosen({ flag: "", env: { PRODUCER_SIGNING_PUBKEY: " ", AUTHORITY_PUBKEY: "" } }), OPENRAI);
});

Deno.test("chooseAuthority() takes either environment name, and both when they agree", () => {
  assert.equal(chosen({ env: { PRODUCER_SIGNING_PUBKEY: OTHER } }), OTHER);
  assert.equal(chosen({ env: { AUTHORITY_PUBKEY: OTHER } }), OTHER);
  const colons = OTHER.toUpperCase().match(/../g)!.join(":");
  assert.equal(chosen({ env: { PRODUCER_SIGNING_PUBKEY: OTHER, AUTHORITY_PUBKEY: colons } }), OTHER);
});

Deno.test("chooseAuthority() refuses two environment names that differ, unless a flag decides", () => {
  const env = { PRODUCER_SIGNING_PUBKEY: OTHER, AUTHORITY_PUBKEY: OPENRAI };
  assert.throws(() => chooseAuthority({ env }), (error: Error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /PRODUCER_SIGNING_PUBKEY and AUTHORITY_PUBKEY/);
    return true;
  });
  assert.equal(chosen({ flag: OTHER, env }), OTHER);
});

Deno.test("parseAuthority() takes 64 hex digits with colons and spaces around, and nothing else", () => {
  assert.equal(toHex(parseAuthority(` ${OTHER.match(/../g)!.join(":")}\n`, "x")), OTHER);
  for (const wrong of ["", "abc", OTHER.slice(2), OTHER + "00", OTHER.replace("0", "g")]) {
    assert.throws(() => parseAuthority(wrong, "--authority"), UsageError, wrong);
  }
});

Deno.test("parseAuthority() refuses a key that anyone could sign for", () => {
  for (const key of ["00".repeat(32), "01" + "00".repeat(31), "ff".repeat(32)]) {
    assert.throws(() => parseAuthority(key, "--authority"), /not an Ed25519 public key/);
  }
});

Deno.test("parseAuthority() does not print what may be a private key", () => {
  const pasted = "5".repeat(128);
  assert.throws(
    () => parseAuthority(pasted, "--authority"),
    (error: Error) => !error.message.includes("5".repeat(20)),
  );
});
