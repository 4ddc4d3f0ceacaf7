import assert from "node:assert/strict";
import fc from "fast-check";
import { toBinaryString, utf8 } from "../../lib/bytes.ts";
import { safeName, SafePaths } from "../../lib/torrent/safe_paths.ts";
import { assertSafeName, assertSafePaths } from "./path_asserts.ts";

const NAMES: readonly (readonly [string, string | undefined])[] = [
  ["nano-ledger-snapshot.7z", "nano-ledger-snapshot.7z"],
  ["Überblick (1).txt", "Überblick (1).txt"],
  [".hidden", ".hidden"],
  ["", "_"],
  [".", undefined],
  ["..", undefined],
  ["/", undefined],
  ["\\\\", undefined],
  ["../../etc/passwd", "....etcpasswd"],
  ["..\\..\\boot.ini", "....boot.ini"],
  ["/./", undefined],
  ["C:\\x", "C_x"],
  ["a\0b\nc\x1b[2J", "a_b_c_[2J"],
  ['what?<is>|"this*', "what__is___this_"],
  ["trailing. . ", "trailing"],
  ["con", "_con"],
  ["LPT1.txt", "_LPT1.txt"],
  ["aux .tar.gz", "_aux .tar.gz"],
  ["console", "console"],
  ["photo\u202egpj.exe", "photogpj.exe"],
  ["a".repeat(300), "a".repeat(240)],
  ["ä".repeat(200) + ".7z", "ä".repeat(118) + ".7z"],
];

Deno.test("safeName() keeps good names and disarms the others", () => {
  for (const [name, safe] of NAMES) {
    assert.equal(safeName(toBinaryString(utf8(name))), safe, JSON.stringify(name));
  }
  assert.equal(safeName("\xff\xfe bad utf-8 \xe2\x82"), "__ bad utf-8 _");
});

Deno.test("safeName() makes a safe name of any bytes, and the same one of its own", () => {
  const nasty = fc.array(
    fc.constantFrom("..", "/", "\\", ".", " ", "\0", ":", "con", "\u202e", "ä", "x".repeat(200)),
  );
  const names = fc.oneof(fc.uint8Array({ maxLength: 400 }), nasty.map((parts) => utf8(parts.join(""))));
  fc.assert(
    fc.property(names, (bytes) => {
      const safe = safeName(toBinaryString(bytes));
      if (safe === undefined) return;
      assertSafeName(safe);
      assert.equal(safeName(toBinaryString(utf8(safe))), safe);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("place() drops what leads up or nowhere", () => {
  const paths = new SafePaths();
  assert.deepEqual(paths.place(["..", "..", "bar"]), ["bar"]);
  assert.deepEqual(paths.place(["/", "foo", ".", "/bar"]), ["foo", "bar"]);
  assert.deepEqual(paths.place(["..", "."]), ["_"]);
  assert.deepEqual(paths.place(["/"]), ["_.1"]);
});

Deno.test("place() tells files apart that one filesystem or another would take for one", () => {
  const paths = new SafePaths();
  const place = (path: string) =>
    paths.place(path.split("|").map((part) => toBinaryString(utf8(part)))).join("/");
  assert.equal(place("foo|bar.txt"), "foo/bar.txt");
  assert.equal(place("foo|bar.txt"), "foo/bar.1.txt");
  assert.equal(place("FOO|Bar.txt"), "foo/Bar.2.txt");
  assert.equal(place("foo|bar.1.txt"), "foo/bar.1.1.txt");
  assert.equal(place("foo"), "foo.1", "a folder has the name");
  assert.equal(place("foo.1|x"), "foo.1.1/x", "a file has the name");
  assert.equal(place("foo.1|y"), "foo.1.1/y", "and the folder keeps its new one");
  assert.equal(place("é"), "é");
  assert.equal(place("e\u0301"), "e\u0301.1");
});

Deno.test("place() is not slow when all names are the same", () => {
  const paths = new SafePaths();
  const before = performance.now();
  const all = new Set(Array.from({ length: 50_000 }, () => paths.place(["a", "b"]).join("/")));
  assert.equal(all.size, 50_000);
  assert(performance.now() - before < 3000);
});

Deno.test("place() gives any list of paths safe ones without a collision", () => {
  const part = fc.constantFrom("a", "A", "a.1", ".", "..", "", "/", "con", "b", "B.txt", "b.1.txt", "\xff");
  const list = fc.array(fc.array(part, { minLength: 1, maxLength: 4 }), { maxLength: 30 });
  fc.assert(fc.property(list, (raw) => {
    const paths = new SafePaths();
    const files = raw.map((parts) => ({
      path: paths.place(parts),
      length: 0,
      offset: 0,
      piecesRoot: undefined,
    }));
    assertSafePaths({ name: "t", isSingleFile: false, files });
    const asFolder = files.flatMap(({ path }) => path.slice(1).map((_, i) => path.slice(0, i + 1).join("/")));
    const asFile = new Set(files.map(({ path }) => path.join("/").toLowerCase()));
    for (const folder of asFolder) {
      assert(!asFile.has(folder.toLowerCase()), `${folder} is a file and a folder`);
    }
  }));
});
