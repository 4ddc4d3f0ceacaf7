// `nano-snap upgrade` with compiled programs on both sides: one that runs and replaces itself, and a release of a newer
// one on loopback, signed by a key of the tests' own.

import assert from "node:assert/strict";
import { join } from "node:path";
import { EXIT } from "../../lib/errors.ts";
import { assetFor } from "../../lib/release/assets.ts";
import { type ProgramResult, runProgram } from "../interop/program.ts";
import { ROOT, testBinary } from "./binary.ts";
import { Release, ReleaseKey } from "./release_server.ts";

const key = new ReleaseKey();
const signedOnly = `${key.line}\n`;
const NEWER = "99.0.0";
const current = await testBinary({ releaseKey: signedOnly });
const newer = current && await testBinary({ releaseKey: signedOnly, version: NEWER });
const ASSET = assetFor(Deno.build.target)?.name ?? "";
const { version: VERSION } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
const NOBODY = 65534;

interface Kit {
  readonly release: Release;
  readonly folder: string;
  readonly path: string;
  upgrade(...words: string[]): Promise<ProgramResult>;
  version(): Promise<string>;
}

/** A copy of the current program in a folder of its own, and an empty server. */
function test(name: string, fn: (kit: Kit) => Promise<void>): void {
  Deno.test({
    name: `nano-snap upgrade ${name}`,
    ignore: newer === undefined || Deno.build.os === "windows",
    async fn() {
      await using release = new Release();
      const folder = Deno.makeTempDirSync({ prefix: "nano-snap-upgrade-test-" });
      const path = join(folder, "nano-snap");
      Deno.copyFileSync(current!.path, path);
      const env = { NANO_SNAP_BASE_URL: release.url };
      const run = (words: readonly string[]) => runProgram(path, words, { cwd: "/", clearEnv: true, env });
      const version = async () => JSON.parse((await run(["version", "--json"])).stdout).version;
      try {
        await fn({ release, folder, path, version, upgrade: (...words) => run(["upgrade", ...words]) });
        assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["nano-snap"]);
      } finally {
        Deno.chmodSync(folder, 0o755);
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

/** It ended with this code and one sentence, and nothing on stdout. */
function assertRefused(ended: ProgramResult, code: number, sentence: RegExp): void {
  assert.deepEqual([ended.code, ended.stdout], [code, ""], ended.stderr);
  assert.match(ended.stderr.split("\n").at(-1)!, sentence);
  assert.match(ended.stderr.split("\n").at(-1)!, /^nano-snap: Cannot /);
}

/** The real thing: what the server has must be read once only, it takes a while to pack. */
function putNewer(release: Release): void {
  release.putAll("", Deno.readFileSync(newer!.path), ASSET).named(NEWER).signed(key);
}

test("takes a newer release in one step, and then says that it is current", async (kit) => {
  const { release, path, upgrade, version } = kit;
  putNewer(release);
  Deno.chmodSync(path, 0o750);
  const { ino } = Deno.statSync(path);
  const checked = await upgrade("--check");
  assert.deepEqual([checked.code, checked.stderr], [0, ""]);
  assert.equal(checked.stdout, `nano-snap ${NEWER} is there, this is ${VERSION}\nNext: nano-snap upgrade\n`);
  assert.deepEqual([Deno.statSync(path).ino, await version()], [ino, VERSION]);

  const done = await upgrade("--json");
  assert.equal(done.code, 0, done.stderr);
  const facts = { path, version: VERSION, release: NEWER, outcome: "upgraded", signed: true };
  assert.deepEqual(JSON.parse(done.stdout), facts);
  assert.match(done.stderr, new RegExp(`Downloading ${release.url}/${ASSET}\\.gz`));
  assert.deepEqual([await version(), Deno.statSync(path).mode! & 0o777], [NEWER, 0o750]);

  release.asked.length = 0;
  const again = await upgrade();
  assert.deepEqual([again.code, again.stdout], [0, `${path} is current: nano-snap ${NEWER}\n`]);
  assert.deepEqual(release.asked, ["/SHA256SUMS", "/SHA256SUMS.sig"]);
});

test("refuses a wrong sum, a wrong signature, a cut download and no release", async (kit) => {
  const { release, upgrade, path } = kit;
  const before = Deno.statSync(path);
  assertRefused(await upgrade(), EXIT.network, /SHA256SUMS: the server has no such file/);
  const other = new Uint8Array(3_000_000).fill(7);
  release.putAll("", other, ASSET).named(NEWER);
  assertRefused(await upgrade("--check"), EXIT.untrusted, /it is not signed/);
  release.signed(new ReleaseKey(2));
  assertRefused(await upgrade(), EXIT.untrusted, /it is not signed by the release key/);
  release.signed(key).put(`/${ASSET}.gz`, other);
  assertRefused(
    await upgrade(),
    EXIT.untrusted,
    /its SHA-256 is [0-9a-f]{64}, and SHA256SUMS says [0-9a-f]{64}/,
  );
  release.cut(`/${ASSET}.gz`);
  assertRefused(await upgrade(), EXIT.network, new RegExp(`Cannot fetch ${release.url}/${ASSET}\\.gz: `));
  const { ino, mtime, size } = Deno.statSync(path);
  assert.deepEqual({ ino, mtime, size }, { ino: before.ino, mtime: before.mtime, size: before.size });
});

test("says before any download that it cannot replace the program", async ({ release, folder, path }) => {
  Deno.chmodSync(folder, 0o555);
  const asNobody = Deno.uid() === 0
    ? ["/usr/bin/setpriv", "--reuid", `${NOBODY}`, "--regid", `${NOBODY}`, "--clear-groups", "--"]
    : [];
  const [program = "", ...words] = [...asNobody, path, "upgrade"];
  const ended = await runProgram(program, words, {
    cwd: "/",
    clearEnv: true,
    env: { NANO_SNAP_BASE_URL: release.url },
  });
  assertRefused(ended, EXIT.path, /permission denied; run this as the user who installed it/);
  assert.deepEqual(release.asked, []);
});

test("takes its words and its place as install.sh does", async ({ release, upgrade }) => {
  const bad = await upgrade("--version", "../1");
  assert.equal(bad.code, EXIT.usage);
  assert.match(bad.stderr, /--version must be a version, not/);
  const asked = await upgrade("--version", "v0.0.1");
  assertRefused(asked, EXIT.network, /download\/v0\.0\.1\/SHA256SUMS: the server has no such file/);
  assert.deepEqual(release.asked, ["/SHA256SUMS", "/download/v0.0.1/SHA256SUMS"]);
});

Deno.test("nano-snap upgrade says that from source there is nothing to replace, and exits 2", async () => {
  const ended = await runProgram(Deno.execPath(), ["run", "-A", join(ROOT, "main.ts"), "upgrade"]);
  assertRefused(ended, EXIT.usage, /runs from source/);
});
