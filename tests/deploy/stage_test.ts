import assert from "node:assert/strict";
import { join } from "node:path";
import { hashOfSources, sourceFiles, Stage, stampOf } from "../../deploy/stage.ts";
import { slashed } from "../windows.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const STAMP = { commit: "ab".repeat(20), date: "2026-11-22T00:00:00Z", modified: false };

Deno.test("Stage is a copy with another stamp and another key, and goes in the end", () => {
  const before = hashOfSources(ROOT);
  const read = (folder: string, name: string) => Deno.readTextFileSync(join(folder, name));
  let path;
  {
    using stage = new Stage(ROOT, { stamp: STAMP, authority: "key\n", version: "9.9.9" });
    path = stage.path;
    assert.deepEqual(JSON.parse(read(path, "deploy/stamp.json")), STAMP);
    assert.equal(read(path, "AUTHORITY_PUBKEY"), "key\n");
    assert.equal(JSON.parse(read(path, "deno.json")).version, "9.9.9");
    for (const name of ["main.ts", "deno.lock", "deploy/RELEASE_PUBKEY", "lib/cli/program.ts"]) {
      assert.equal(read(path, name), read(ROOT, name));
    }
    assert.deepEqual(sourceFiles(path), sourceFiles(ROOT));
  }
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  assert.equal(hashOfSources(ROOT), before);
});

Deno.test("Stage.workers() has every file that a Worker is made of", () => {
  using stage = new Stage(ROOT, { stamp: STAMP });
  const sources = sourceFiles(ROOT).map(slashed).filter((file) =>
    file.startsWith("lib/") && file.endsWith(".ts")
  );
  const withoutComments = (file: string) =>
    Deno.readTextFileSync(join(ROOT, file)).replaceAll(/^ *(\*|\/[/*]).*$/gm, "");
  const made = sources.flatMap((file) =>
    [...withoutComments(file).matchAll(/new Worker\(\s*new URL\("\.\/(\w+\.ts)"/g)]
      .map(([, name]) => slashed(join(file, "..", name!)))
  );
  assert.ok(made.length >= 4);
  const inside = stage.workers();
  assert.deepEqual(made.filter((file) => !inside.includes(file)), []);
});

Deno.test("stampOf() knows the commit, whether a source differs from it, and when there is no repository", async () => {
  const folder = Deno.makeTempDirSync();
  const git = async (...words: string[]) => {
    const who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"];
    const env = {
      GIT_COMMITTER_DATE: "2026-01-02T03:04:05+02:00",
      GIT_CEILING_DIRECTORIES: join(folder, ".."),
    };
    const command = new Deno.Command("git", { args: [...who, "-C", folder, ...words], env });
    const { success, stdout, stderr } = await command.output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim();
  };
  try {
    assert.deepEqual(stampOf(folder), { commit: "unknown", date: "unknown", modified: false });
    await git("init", "--quiet");
    for (const name of ["main.ts", "README.md"]) Deno.writeTextFileSync(join(folder, name), "");
    await git("add", ".");
    await git("commit", "--quiet", "--no-verify", "-m", "x");
    const clean = { commit: await git("rev-parse", "HEAD"), date: "2026-01-02T01:04:05Z", modified: false };
    assert.deepEqual(stampOf(folder), clean);
    Deno.writeTextFileSync(join(folder, "README.md"), "no part of the program");
    assert.deepEqual(stampOf(folder), clean);
    Deno.writeTextFileSync(join(folder, "main.ts"), "other");
    assert.deepEqual(stampOf(folder), { ...clean, modified: true });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
