import assert from "node:assert/strict";
import { RELEASES_URL } from "../../lib/about.ts";
import { UsageError } from "../../lib/errors.ts";
import { releaseFolders } from "../../lib/release/places.ts";

Deno.test("releaseFolders() has GitHub's paths, and for a base also its own folder first", () => {
  assert.deepEqual(releaseFolders(undefined, undefined), [`${RELEASES_URL}/latest/download`]);
  assert.deepEqual(releaseFolders(undefined, "1.2.3"), [`${RELEASES_URL}/download/v1.2.3`]);
  const mirror = "https://mirror.example/nano";
  assert.deepEqual(releaseFolders(`${mirror}/`, "1.2.3"), [mirror, `${mirror}/download/v1.2.3`]);
  assert.deepEqual(
    releaseFolders("http://127.0.0.1:81", undefined)[1],
    "http://127.0.0.1:81/latest/download",
  );
});

Deno.test("releaseFolders() refuses what install.sh refuses: no https, a password, more than a place", () => {
  const bad = [
    "http://example.com",
    "http://127.0.0.1@example.com",
    "ftp://x",
    "https://",
    "x y",
    "file:///x",
  ];
  for (const base of [...bad, "https://a:b@c", "https://x/?y", "https://x/#y", "https://x/ y", "/folder"]) {
    assert.throws(() => releaseFolders(base, undefined), UsageError, base);
  }
  assert.throws(() => releaseFolders("https://me:secret@x", undefined), (error) => {
    assert.ok(error instanceof UsageError && error.message.includes("NANO_SNAP_BASE_URL"));
    return !error.message.includes("secret");
  });
});
