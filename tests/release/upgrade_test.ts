// upgrade() with the real machine, where the programs are small scripts that answer like nano-snap.
// tests/e2e/upgrade_test.ts does it with the real one.

import assert from "node:assert/strict";
import { join } from "node:path";
import {
  NetworkStalled,
  OperationFailed,
  PathUnusable,
  UsageError,
  VerificationFailed,
} from "../../lib/errors.ts";
import { SystemMachine } from "../../lib/io/machine.ts";
import { upgrade, type UpgradeOptions, type UpgradeResult } from "../../lib/release/upgrade.ts";
import { parseReleaseKey } from "../../lib/release/key.ts";
import type { Files, OwnProgram } from "../../lib/ports.ts";
import { Release, ReleaseKey, sha256 } from "../e2e/release_server.ts";

const ASSET = "nano-snap-linux-x64";
const AUTHORITY = "aa".repeat(32);

/** A program of this version. */
function program(version: string, facts: Record<string, unknown> = {}): Uint8Array {
  const answer = JSON.stringify({ name: "nano-snap", version, authority: AUTHORITY, ...facts });
  return script(`echo '${answer}'`);
}

function script(body: string): Uint8Array {
  return new TextEncoder().encode(`#!/bin/sh\n${body}\n`);
}

interface Kit {
  readonly release: Release;
  readonly folder: string;
  /** 1.0.0, mode 0751. */
  readonly path: string;
  go(
    options?: Partial<UpgradeOptions>,
    more?: { self?: Partial<OwnProgram>; files?: Partial<Files>; signal?: AbortSignal },
  ): Promise<UpgradeResult>;
  /** It failed with this, and everything is as it was. */
  refused(
    error: new (...args: never[]) => Error,
    why: RegExp,
    options?: Partial<UpgradeOptions>,
  ): Promise<void>;
}

function test(name: string, fn: (kit: Kit) => Promise<void>, ignore = false): void {
  Deno.test({
    name: `upgrade() ${name}`,
    ignore: ignore || Deno.build.os === "windows",
    async fn() {
      await using release = new Release();
      const folder = Deno.realPathSync(Deno.makeTempDirSync());
      const path = join(folder, "nano-snap");
      Deno.writeFileSync(path, program("1.0.0"));
      Deno.chmodSync(path, 0o751);
      const machine = new SystemMachine("test");
      const own = { ...machine.self, path, target: "x86_64-unknown-linux-gnu" };
      const go: Kit["go"] = (
        options = {},
        { self = {}, files = {}, signal = new AbortController().signal } = {},
      ) =>
        upgrade(
          {
            base: release.url,
            version: undefined,
            checkOnly: false,
            releaseKey: undefined,
            current: { version: "1.0.0", authority: AUTHORITY },
            ...options,
          },
          { ...machine, self: { ...own, ...self }, files: { ...machine.files, ...files } },
          () => {},
          signal,
        );
      const refused: Kit["refused"] = async (error, why, options) => {
        await assert.rejects(() => go(options), (thrown) => {
          assert.ok(thrown instanceof error, String(thrown));
          assert.match(thrown.message, why);
          return true;
        });
        assert.deepEqual(Deno.readFileSync(path), program("1.0.0"));
        assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["nano-snap"]);
      };
      try {
        await fn({ release, folder, path, go, refused });
      } finally {
        Deno.chmodSync(folder, 0o755);
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

test("puts a newer program into its place and keeps its mode", async ({ release, folder, path, go }) => {
  release.putAll("", program("1.1.0"), ASSET).named("1.1.0");
  const checked = await go({ checkOnly: true });
  assert.deepEqual(checked, {
    path,
    before: "1.0.0",
    release: "1.1.0",
    outcome: "available",
    isSigned: false,
  });
  assert.deepEqual(release.asked, ["/SHA256SUMS"]);
  assert.deepEqual(Deno.readFileSync(path), program("1.0.0"));
  assert.deepEqual(await go(), { ...checked, outcome: "upgraded" });
  assert.deepEqual(Deno.readFileSync(path), program("1.1.0"));
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o751);
  assert.deepEqual([...Deno.readDirSync(folder)].length, 1);
  assert.equal((await go({ current: { version: "1.1.0", authority: AUTHORITY } })).outcome, "current");
});

test("replaces what a link leads to, and leaves the link", async ({ release, folder, path, go }) => {
  release.putAll("", program("1.1.0"), ASSET);
  const link = join(Deno.makeTempDirSync({ dir: folder }), "link");
  Deno.symlinkSync(path, link);
  const { outcome, path: replaced } = await go({}, { self: { path: link } });
  assert.deepEqual([outcome, replaced], ["upgraded", Deno.realPathSync(path)]);
  assert.equal(Deno.readLinkSync(link), path);
  assert.deepEqual(Deno.readFileSync(path), program("1.1.0"));
});

test("takes what a release has: a mirror's paths, only .gz, only the plain file", async ({ release, path, go }) => {
  release.putAll("/download/v1.2.0", program("1.2.0"), ASSET);
  assert.equal((await go({ version: "1.2.0" })).outcome, "upgraded");
  release.putAll("/latest/download", program("1.3.0"), ASSET);
  const sums = new TextDecoder().decode(release.get("/latest/download/SHA256SUMS")).split("\n");
  release.put("/latest/download/SHA256SUMS", sums.slice(1).join("\n"));
  assert.equal((await go()).release, "1.3.0");
  release.putAll("", program("1.4.0"), ASSET);
  release.put("/SHA256SUMS", sumLine(release, ASSET));
  assert.equal((await go()).release, "1.4.0");
  assert.deepEqual(Deno.readFileSync(path), program("1.4.0"));
});

test("does nothing with an older release, unless it is named", async ({ release, path, go }) => {
  release.putAll("", program("0.9.0"), ASSET).named("0.9.0");
  assert.equal((await go()).outcome, "older");
  // A SHA256SUMS that does not say: then the program does.
  release.putAll("", program("0.9.0"), ASSET);
  assert.equal((await go()).outcome, "older");
  assert.deepEqual(Deno.readFileSync(path), program("1.0.0"));
  assert.equal((await go({ version: "0.9.0" })).outcome, "upgraded");
  assert.deepEqual(Deno.readFileSync(path), program("0.9.0"));
});

test("refuses a file with another sum, packed, plain or damaged", async ({ release, refused }) => {
  release.putAll("", program("1.1.0"), ASSET);
  const other = new Release();
  const packed = other.putAll("", program("6.6.6"), ASSET).get(`/${ASSET}.gz`);
  await other[Symbol.asyncDispose]();
  release.put(`/${ASSET}.gz`, packed);
  await refused(VerificationFailed, /^Cannot use \S+\.gz: its SHA-256 is [0-9a-f]{64}, and SHA256SUMS says/);
  release.put("/SHA256SUMS", `${sumLine(release, `${ASSET}.gz`)}${sumLine(release, ASSET)}`);
  await refused(VerificationFailed, /^Cannot use the program in \S+\.gz: its SHA-256 is/);
  release.put(`/${ASSET}.gz`, "not gzip").put("/SHA256SUMS", sumLine(release, `${ASSET}.gz`));
  await refused(VerificationFailed, /it is not whole gzip data/);
  release.put("/SHA256SUMS", `${"0".repeat(64)}  other\n`);
  await refused(VerificationFailed, /no line for nano-snap-linux-x64$/);
});

test("takes only what the release key has signed, where there is one", async ({ release, go, refused }) => {
  const key = new ReleaseKey();
  const releaseKey = parseReleaseKey(key.line);
  release.putAll("", program("1.1.0"), ASSET).named("1.1.0");
  await refused(VerificationFailed, /it is not signed \(there is no SHA256SUMS\.sig\)/, { releaseKey });
  release.signed(new ReleaseKey(2));
  await refused(VerificationFailed, /it is not signed by the release key/, { releaseKey });
  release.signed(key).put("/SHA256SUMS", new TextDecoder().decode(release.get("/SHA256SUMS")) + "\n");
  await refused(VerificationFailed, /it is not signed by the release key/, { releaseKey });
  release.put("/SHA256SUMS.sig", new Uint8Array(65));
  await refused(VerificationFailed, /SHA256SUMS\.sig: it is longer than/, { releaseKey });
  release.signed(key);
  const result = await go({ releaseKey });
  assert.deepEqual([result.outcome, result.isSigned], ["upgraded", true]);
});

test("refuses a cut download and one that is not there, naming it", async ({ release, refused }) => {
  await refused(NetworkStalled, /latest\/download\/SHA256SUMS: the server has no such file/);
  release.put("/SHA256SUMS", `${"0".repeat(64)}  ${ASSET}\n`);
  await refused(NetworkStalled, /Cannot fetch \S+\/nano-snap-linux-x64: the server has no such file \(404\)/);
  release.putAll("", program("1.1.0"), ASSET).cut(`/${ASSET}.gz`);
  await refused(NetworkStalled, /Cannot fetch \S+\/nano-snap-linux-x64\.gz: /);
  await refused(NetworkStalled, /Cannot fetch http:\/\/127\.0\.0\.1:9\/SHA256SUMS: /, {
    base: "http://127.0.0.1:9",
  });
});

test("refuses a program that does not run here, is none, or another version", async ({ release, refused }) => {
  const cases: [Uint8Array, new (...args: never[]) => Error, RegExp][] = [
    [
      script("echo no such library >&2; exit 127"),
      OperationFailed,
      /does not run here: exit code 127 no such library/,
    ],
    [new TextEncoder().encode("\x7fELF\x02\x01\x01(of no machine"), OperationFailed, /does not run here: /],
    [script("echo hello"), VerificationFailed, /it is no nano-snap/],
    [script(`echo '{"name":"other"}'`), VerificationFailed, /it is no nano-snap/],
    [program("1.2.0"), OperationFailed, /has version 1\.2\.0, not 1\.1\.0/],
    [
      program("1.1.0", { authority: "bb".repeat(32) }),
      VerificationFailed,
      /trusts another authority \(bbbb.*install\.sh/,
    ],
  ];
  for (const [bytes, error, why] of cases) {
    release.putAll("", bytes, ASSET).named("1.1.0");
    await refused(error, why);
  }
  await refused(OperationFailed, /has version 1\.1\.0, not 1\.3\.0/, { version: "1.3.0" });
});

test("refuses before a fetch what cannot be: from source, another system, no way to write", async (kit) => {
  const { release, path, folder, go } = kit;
  await assert.rejects(() => go({}, { self: { path: undefined } }), UsageError);
  await assert.rejects(() => go({}, { self: { target: "riscv64gc-unknown-linux-gnu" } }), OperationFailed);
  await assert.rejects(() => go({}, { self: { path: `${path} (deleted)` } }), PathUnusable);
  if (Deno.uid() !== 0) {
    Deno.chmodSync(folder, 0o555);
    await assert.rejects(() => go(), {
      name: "PathUnusable",
      message: /Cannot upgrade \S+: .*permission denied; run/,
    });
  }
  assert.deepEqual(release.asked, []);
});

test("leaves nothing when it is stopped in the middle, and removes what a killed one left", async (kit) => {
  const { release, folder, path, go } = kit;
  const stop = new AbortController();
  const reason = new Error("stopped");
  const elsewhere = Deno.makeTempDirSync();
  try {
    // It says when it is tried, which then would take ten minutes.
    release.putAll("", script(`: >'${elsewhere}/tried'; exec sleep 600`), ASSET);
    using watcher = Deno.watchFs(elsewhere);
    const run = go({}, { signal: stop.signal });
    await Promise.race([watcher[Symbol.asyncIterator]().next(), run]);
    stop.abort(reason);
    await assert.rejects(run, reason);
  } finally {
    Deno.removeSync(elsewhere, { recursive: true });
  }
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["nano-snap"]);

  const [old, young] = [".nano-snap-upgrade.1", ".nano-snap-upgrade.2"].map((name) => join(folder, name));
  for (const left of [old!, young!]) Deno.writeTextFileSync(left, "");
  Deno.utimeSync(old!, 1000, 1000);
  release.putAll("", program("1.1.0"), ASSET);
  assert.equal((await go()).outcome, "upgraded");
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).toSorted(), [
    ".nano-snap-upgrade.2",
    "nano-snap",
  ]);
  assert.deepEqual(Deno.readFileSync(path), program("1.1.0"));
});

test("moves the old program away where a running one cannot be replaced", async ({ release, folder, path, go }) => {
  for (const version of ["1.1.0", "1.2.0"]) {
    release.putAll("", program(version), ASSET);
    assert.equal((await go({}, { self: { canReplace: false } })).outcome, "upgraded");
    assert.deepEqual(Deno.readFileSync(path), program(version));
  }
  assert.deepEqual(Deno.readFileSync(join(folder, ".nano-snap-upgrade.old")), program("1.1.0"));
});

test("moves the old program back when the new one cannot have its place", async ({ release, folder, path, go }) => {
  release.putAll("", program("1.1.0"), ASSET);
  const rename = (from: string, to: string) => {
    // A scanner holds the new file open, say.
    if (to === path && Deno.readTextFileSync(from).includes("1.1.0")) {
      throw new PathUnusable(`Cannot rename ${from} to ${to}: busy`);
    }
    Deno.renameSync(from, to);
  };
  await assert.rejects(() => go({}, { self: { canReplace: false }, files: { rename } }), PathUnusable);
  assert.deepEqual(Deno.readFileSync(path), program("1.0.0"));
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["nano-snap"]);
});

function sumLine(release: Release, name: string): string {
  return `${sha256(release.get(`/${name}`))}  ${name}\n`;
}
