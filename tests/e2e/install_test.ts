// install.sh as users run it: by each kind of shell, against a release on loopback. The machine that it finds is
// invented (uname and getconf come from a folder at the front of PATH), so that every system runs the same cases. What
// is installed is a small script that answers like nano-snap.

import assert from "node:assert/strict";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { compareVersions } from "../../lib/release/versions.ts";
import { need } from "../interop/support.ts";
import { canMakeCertificates, makeCertificate } from "./tls.ts";
import { Release as AnyRelease, ReleaseKey, sha256 } from "./release_server.ts";

const ROOT = join(import.meta.dirname ?? ".", "..", "..");
const INSTALLER = join(ROOT, "install.sh");
const ASSET = "nano-snap-linux-x64";
const SHELLS = [["dash"], ["bash"], ["busybox", "sh"]] as const;

/** What the installer itself calls, besides curl or wget. */
const TOOLS =
  "sh cat chmod cp expr getconf grep gzip id ldd mkdir mktemp mv rm sed sha256sum sleep tail uname"
    .split(
      " ",
    );

/** A program of this version. */
function program(version = "1.2.3"): Uint8Array {
  return new TextEncoder().encode(`#!/bin/sh\necho "nano-snap ${version} (test)"\necho "authority none"\n`);
}

/** A release of the invented machine's program, unless it is told otherwise. */
class Release extends AnyRelease {
  override putAll(prefix = "", bytes = program()): this {
    return super.putAll(prefix, bytes, ASSET);
  }
}

/** A home, a folder to install into, and a PATH of our making. */
class Sandbox implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "nano-snap-install-" });
  readonly home = join(this.root, "home");
  readonly folder = join(this.root, "opt", "bin");
  readonly target = join(this.folder, "nano-snap");
  readonly #fakes = join(this.root, "fakes");

  constructor() {
    Deno.chmodSync(this.root, 0o755); // for tests as another user
    for (const folder of [this.home, this.#fakes]) Deno.mkdirSync(folder);
    this.fake("uname", 'if [ "$1" = -m ]; then echo x86_64; else echo Linux; fi');
    this.fake("getconf", 'if [ "$1" = LONG_BIT ]; then echo 64; else echo "glibc 2.36"; fi');
  }

  /** Puts a program of this name before all others. */
  fake(name: string, body: string): void {
    Deno.writeTextFileSync(join(this.#fakes, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }

  get path(): string {
    return `${this.#fakes}:${Deno.env.get("PATH")}`;
  }

  /** A PATH with the installer's tools and these, and nothing else. */
  pathOfOnly(...more: readonly string[]): string {
    const folder = join(this.root, `only-${more.join("-")}`);
    Deno.mkdirSync(folder);
    for (const name of [...TOOLS, ...more]) {
      const found = onPath(name);
      if (found !== undefined) Deno.symlinkSync(found, join(folder, name));
    }
    return `${this.#fakes}:${folder}`;
  }

  /** Everything in the target's folder, so that no leftover is missed. */
  left(): string[] {
    return [...Deno.readDirSync(this.folder)].map((entry) => entry.name).sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

interface Call {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  /** Instead of the installer as it is. */
  readonly script?: Uint8Array;
  /** A program and its first words, which runs the shell. */
  readonly around?: readonly string[];
}

/** The installer, read from stdin as `curl … | sh` gives it. */
async function run(shell: readonly string[], box: Sandbox, call: Call = {}) {
  const [first, ...rest] = [...(call.around ?? []), onPath(shell[0]!) ?? shell[0]!, ...shell.slice(1)];
  const child = new Deno.Command(first!, {
    args: [...rest, "-s", "--", ...(call.args ?? [])],
    cwd: box.root,
    clearEnv: true,
    env: { HOME: box.home, PATH: box.path, NANO_SNAP_INSTALL_DIR: box.folder, ...call.env },
    ...(call.uid === undefined ? {} : { uid: call.uid, gid: call.uid }),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A script that is refused in its first lines is not read to its end.
  await writer.write(call.script ?? Deno.readFileSync(INSTALLER)).then(() => writer.close()).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** It failed with this code and one sentence that matches, and nothing is left that was not there. */
function assertRefused(
  ended: { code: number; stdout: string; stderr: string },
  code: number,
  sentence: RegExp,
): void {
  assert.equal(ended.code, code, ended.stdout + ended.stderr);
  assert.match(ended.stderr, /^install\.sh: [^\n]+\n$/);
  assert.match(ended.stderr, sentence);
}

function onPath(name: string): string | undefined {
  return (Deno.env.get("PATH") ?? "").split(":").map((folder) => join(folder, name)).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Runs what follows with a file system of its own at a folder, its first word, after a command that may name it $0. */
const mounted = (options: string, first = "true") => [
  "unshare",
  "--map-root-user",
  "--mount",
  "sh",
  "-c",
  `mount -t tmpfs -o ${options} tmpfs "$0" && ${first} && exec "$@"`,
];
/** Nothing runs from there. */
const NOEXEC_AT = mounted("noexec");
const noNoexec = !succeeds([...NOEXEC_AT, "/tmp", "true"]);
if (noNoexec) {
  say("install_test: skipped on a noexec folder and on a full disk: mounting one is not allowed here");
}

const noOpenssl = !canMakeCertificates();
if (noOpenssl) say("install_test: skipped with signatures and https: openssl 3 is not installed");

Deno.test({
  name: "install.sh has nothing that shellcheck would say, as any POSIX shell",
  ignore: need("shellcheck"),
  async fn() {
    const options = { args: ["--shell=sh", INSTALLER] };
    const { code, stdout } = await new Deno.Command("shellcheck", options).output();
    assert.equal(code, 0, new TextDecoder().decode(stdout));
  },
});

for (const shell of SHELLS) {
  const name = shell.join(" ");
  const isMissing = Deno.build.os === "windows" || need(shell[0]);

  /** One case, with a fresh sandbox and server. */
  const test = (
    what: string,
    fn: (box: Sandbox, release: Release, go: (call?: Call) => ReturnType<typeof run>) => Promise<void>,
    ignore = false,
  ) =>
    Deno.test({
      name: `install.sh (${name}) ${what}`,
      ignore: isMissing || ignore,
      async fn() {
        using box = new Sandbox();
        await using release = new Release();
        const base = { NANO_SNAP_BASE_URL: release.url };
        await fn(box, release, (call) => run(shell, box, { ...call, env: { ...base, ...call?.env } }));
      },
    });

  test("installs from a folder of files and says what is next", async (box, release, go) => {
    const ended = await go({ env: { NANO_SNAP_BASE_URL: release.putAll().url + "/" } });
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    assert.deepEqual(Deno.readFileSync(box.target), program());
    assert.equal((Deno.statSync(box.target).mode ?? 0) & 0o777, 0o755);
    assert.deepEqual(box.left(), ["nano-snap"]);
    assert.deepEqual(release.asked, ["/SHA256SUMS", `/${ASSET}.gz`]);
    assert.ok(ended.stdout.includes(`Installed nano-snap 1.2.3 as ${box.target}.\n`));
    assert.ok(ended.stdout.includes(`  export PATH="${box.folder}:$PATH"\n`));
    assert.ok(ended.stdout.endsWith("\nNext: nano-snap get --extract\n"));
  });

  test("takes the newest release, or the one that is named, of a mirror", async (box, release, go) => {
    release.putAll("/latest/download", program("3.0.0")).putAll("/download/v2.0.0", program("2.0.0"));
    for (
      const [call, version] of [
        [{}, "3.0.0"],
        [{ args: ["v2.0.0"] }, "2.0.0"],
        [{ args: ["latest"], env: { NANO_SNAP_VERSION: "9" } }, "3.0.0"],
        [{ env: { NANO_SNAP_VERSION: "2.0.0" } }, "2.0.0"],
      ] as const
    ) {
      const ended = await go(call);
      assert.equal(ended.code, 0, ended.stderr);
      assert.deepEqual(Deno.readFileSync(box.target), program(version));
    }
  });

  test("installs into ~/.local/bin, which may be in PATH already", async (box, release, go) => {
    const uid = Deno.uid() === 0 ? NOBODY : undefined;
    if (uid !== undefined) Deno.chownSync(box.home, uid, uid);
    const folder = join(box.home, ".local", "bin");
    release.putAll();
    const env = { NANO_SNAP_INSTALL_DIR: "", PATH: `${folder}:${box.path}` };
    const ended = await go({ env, ...(uid === undefined ? {} : { uid }) });
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    assert.deepEqual(Deno.readFileSync(join(folder, "nano-snap")), program());
    assert.ok(!ended.stdout.includes("PATH"), ended.stdout);
  });

  test("fetches nothing when it is already current", async (box, release, go) => {
    await (release.putAll(), go());
    const { ino, mtime } = Deno.statSync(box.target);
    release.asked.length = 0;
    const ended = await go();
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /nano-snap is already current: nano-snap 1\.2\.3\./);
    assert.deepEqual(release.asked, ["/SHA256SUMS"]);
    assert.deepEqual({ ino, mtime }, pick(Deno.statSync(box.target)));
  });

  test("does not go back to an older release that is called the newest", async (box, release, go) => {
    release.putAll("", program("1.3.0"));
    await go();
    // Known by the first line of the sums before a download, otherwise by the program itself.
    for (const isNamed of [true, false]) {
      release.putAll("", program("1.2.9"));
      if (isNamed) release.named("1.2.9");
      release.asked.length = 0;
      const kept = await go();
      assert.deepEqual([kept.code, kept.stderr], [0, ""]);
      assert.match(
        kept.stdout,
        /^\S+\/nano-snap is nano-snap 1\.3\.0, and the newest of \S+ is 1\.2\.9, an older one: nothing was done\.$/m,
      );
      assert.match(kept.stdout, /^To have it all the same: NANO_SNAP_VERSION=1\.2\.9$/m);
      assert.match(kept.stdout, /^Next: /m);
      assert.deepEqual(release.asked, isNamed ? ["/SHA256SUMS"] : ["/SHA256SUMS", `/${ASSET}.gz`]);
      assert.deepEqual(Deno.readFileSync(box.target), program("1.3.0"));
      assert.deepEqual(box.left(), ["nano-snap"]);
    }
    const wanted = await go({ env: { NANO_SNAP_VERSION: "1.2.9" } });
    assert.deepEqual([wanted.code, wanted.stderr], [0, ""]);
    assert.deepEqual(Deno.readFileSync(box.target), program("1.2.9"));
    // What does not run, or says nothing that could be compared, keeps nobody from a release.
    for (const text of ["exit 1", "echo nano-snap dev", "echo hello"]) {
      Deno.writeTextFileSync(box.target, `#!/bin/sh\n${text}\n`);
      assert.equal((await go()).code, 0, text);
      assert.deepEqual(Deno.readFileSync(box.target), program("1.2.9"));
    }
  });

  test("knows which of two versions is older, as the program does", async (box, release, go) => {
    release.putAll();
    Deno.mkdirSync(box.folder, { recursive: true });
    for (
      const [here, there] of [
        ["1.10.0", "1.9.9"],
        ["1.2.3", "1.2.3-rc.1"],
        ["1.2.3-rc.1", "1.2.3-beta"],
        ["1.2.3-rc.10", "1.2.3-rc.9"],
        ["1.2.3-a.x", "1.2.3-a.7"],
        ["1.2.3-a.b", "1.2.3-a"],
        ["99999999999999999999.0.0", "9999999999999999999.0.0"],
        ["1.2.3+b", "1.2.3+a"],
      ] as const
    ) {
      for (const [from, to] of [[here, there], [there, here]] as const) {
        Deno.writeTextFileSync(box.target, `#!/bin/sh\necho "nano-snap ${from} (old)"\n`);
        Deno.chmodSync(box.target, 0o755);
        release.putAll("", program(to)).named(to);
        const ended = await go();
        assert.deepEqual([ended.code, ended.stderr], [0, ""]);
        const isOlder = compareVersions(to, from) < 0;
        assert.equal(/an older one/.test(ended.stdout), isOlder, `${from} -> ${to}: ${ended.stdout}`);
      }
    }
  });

  test("works with only wget, and not with neither", async (box, release, go) => {
    release.putAll();
    const wget = await go({ env: { PATH: box.pathOfOnly("wget") } });
    assert.equal(wget.code, 0, wget.stderr);
    assert.deepEqual(Deno.readFileSync(box.target), program());
    // busybox has a wget inside, whatever PATH says.
    if (shell[0] === "busybox") return;
    assertRefused(await go({ env: { PATH: box.pathOfOnly() } }), 1, /neither curl nor wget/);
  }, need("wget"));

  test("refuses a wrong checksum and keeps what was there", async (box, release, go) => {
    await (release.putAll(), go());
    release.putAll("", program("2.0.0")).put(`/${ASSET}.gz`, gzipSync(program("6.6.6")));
    assertRefused(await go(), 4, /nano-snap-linux-x64\.gz has the SHA-256 [0-9a-f]{64}, SHA256SUMS says/);
    assert.deepEqual(Deno.readFileSync(box.target), program());
    assert.deepEqual(box.left(), ["nano-snap"]);
  });

  test("refuses what SHA256SUMS does not name", async (box, release, go) => {
    release.putAll().put("/SHA256SUMS", `${sha256(program())}  ${ASSET}.other\nshort  ${ASSET}\n`);
    assertRefused(await go(), 4, /has no line for nano-snap-linux-x64/);
    assert.deepEqual(box.left(), []);
  });

  test("takes a plain file where there is no .gz, and one of CRLF lines", async (box, release, go) => {
    release.put(`/${ASSET}`, program()).put("/SHA256SUMS", `${sha256(program())}  ${ASSET}\r\n`);
    assert.equal((await go()).code, 0);
    assert.deepEqual(Deno.readFileSync(box.target), program());
  });

  test("refuses a download that is cut", async (box, release, go) => {
    release.putAll().cut(`/${ASSET}.gz`);
    assertRefused(await go(), 8, new RegExp(`cannot fetch ${release.url}/${ASSET}\\.gz: `));
    assert.deepEqual(box.left(), []);
  });

  test("says which file is not there", async (box, release, go) => {
    assertRefused(await go(), 8, /cannot fetch \S+\/latest\/download\/SHA256SUMS: .*404/);
    release.putAll().put("/SHA256SUMS", `${"0".repeat(64)}  ${ASSET}.gz\n${"0".repeat(64)}  ${ASSET}\n`);
    await using empty = new Release();
    empty.put("/SHA256SUMS", `${"0".repeat(64)}  ${ASSET}\n`);
    const ended = await go({ env: { NANO_SNAP_BASE_URL: empty.url } });
    assertRefused(ended, 8, /cannot fetch \S+\/nano-snap-linux-x64: .*404/);
    assert.deepEqual(box.left(), []);
  });

  test("refuses a machine that there is no binary for, saying what to do", async (box, release, go) => {
    release.putAll();
    const uname = (system: string, machine: string) =>
      box.fake("uname", `if [ "$1" = -m ]; then echo ${machine}; else echo ${system}; fi`);
    for (
      const [system, machine, sentence] of [
        ["FreeBSD", "amd64", /no nano-snap binary for FreeBSD; from source/],
        ["Linux", "riscv64", /no nano-snap binary for Linux on riscv64/],
        ["MINGW64_NT-10.0", "x86_64", /download nano-snap-windows-x64\.exe from https:/],
      ] as const
    ) {
      uname(system, machine);
      assertRefused(await go(), 1, sentence);
    }
    uname("Linux", "x86_64");
    for (
      const [answer, sentence] of [
        ["echo 'glibc 2.26'", /glibc 2\.26, the binary needs 2\.27 or newer/],
        ["echo 'glibc 1.99'", /glibc 1\.99, the binary needs/],
        ["[ $1 = LONG_BIT ] && echo 32", /for a 32-bit Linux/],
        ["exit 1", /this system has musl/],
      ] as const
    ) {
      box.fake("getconf", answer);
      box.fake("ldd", "echo 'musl libc (x86_64)' >&2; echo 'Version 1.2.4' >&2; exit 1");
      assertRefused(await go(), 1, sentence);
    }
    assert.deepEqual(release.asked, []);
    for (const version of ["2.27", "2.36", "3.0"]) {
      box.fake("getconf", "exit 1");
      box.fake("ldd", `echo 'ldd (Debian GLIBC ${version}-9) ${version}'; echo 'more lines'`);
      assert.equal((await go()).code, 0, version);
    }
  });

  test("names the asset of each system and processor", async (box, release, go) => {
    for (
      const [system, machine, asset] of [
        ["Linux", "aarch64", "nano-snap-linux-arm64"],
        ["Darwin", "arm64", "nano-snap-darwin-arm64"],
        ["Darwin", "x86_64", "nano-snap-darwin-x64"],
      ] as const
    ) {
      box.fake("uname", `if [ "$1" = -m ]; then echo ${machine}; else echo ${system}; fi`);
      box.fake("sysctl", "exit 1");
      release.put("/SHA256SUMS", "");
      assertRefused(await go(), 4, new RegExp(`has no line for ${asset}:`));
    }
    box.fake("sysctl", "echo 1"); // Rosetta
    assertRefused(await go(), 4, /has no line for nano-snap-darwin-arm64:/);
  });

  test("refuses a program that does not run here or is another version", async (box, release, go) => {
    release.putAll("", new TextEncoder().encode("#!/bin/sh\necho no such library >&2\nexit 127\n"));
    assertRefused(await go(), 1, /the program does not run here: no such library/);
    release.putAll("", new TextEncoder().encode("#!/bin/sh\necho hello\n"));
    assertRefused(await go(), 1, /says what nano-snap would not: hello/);
    release.putAll();
    assertRefused(await go({ args: ["1.2.4"] }), 1, /has version 1\.2\.3, not 1\.2\.4/);
    assert.deepEqual(box.left(), []);
    await go();
    assertRefused(await go({ args: ["1.2.4"] }), 1, /has version 1\.2\.3, not 1\.2\.4/);
  });

  test("waits for no program that hangs, be it here already or new", async (box, release, go) => {
    const text = Deno.readTextFileSync(INSTALLER).replace(
      /^readonly PATIENCE_SECONDS=.*$/m,
      "readonly PATIENCE_SECONDS=2",
    );
    const script = new TextEncoder().encode(text);
    const pidFile = join(box.root, "pid");
    const hanging = new TextEncoder().encode(`#!/bin/sh\necho $$ >${pidFile}\nexec sleep 1000\n`);
    const mustBeDead = () => {
      const pid = Number(Deno.readTextFileSync(pidFile));
      assert.throws(() => Deno.kill(pid, "SIGCONT"), Deno.errors.NotFound);
    };
    Deno.mkdirSync(box.folder, { recursive: true });
    Deno.writeFileSync(box.target, hanging, { mode: 0o755 });
    release.putAll();
    const ended = await go({ script });
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    assert.match(ended.stdout, /^Note: \S+\/nano-snap does not say its version in 2 seconds\.$/m);
    assert.deepEqual(Deno.readFileSync(box.target), program());
    assert.deepEqual(box.left(), ["nano-snap"]);
    mustBeDead();
    // One that a release has, at first and once it is here.
    release.putAll("", hanging);
    for (const isHere of [false, true]) {
      if (isHere) Deno.writeFileSync(box.target, hanging);
      assertRefused(await go({ script }), 1, /does not run here: it does not say its version in 2 seconds/);
      mustBeDead();
    }
    assert.deepEqual(box.left(), ["nano-snap"]);
  });

  test("refuses a folder that it cannot write, before a download", async (box, release, go) => {
    release.putAll();
    const file = join(box.root, "file");
    Deno.writeTextFileSync(file, "");
    const env = { NANO_SNAP_INSTALL_DIR: join(file, "bin") };
    assertRefused(
      await go({ env }),
      6,
      /cannot make the folder \S+: choose another by NANO_SNAP_INSTALL_DIR=/,
    );
    Deno.mkdirSync(box.folder, { recursive: true });
    Deno.chmodSync(box.folder, 0o555);
    const uid = Deno.uid() === 0 ? { uid: NOBODY } : {};
    assertRefused(await go(uid), 6, /cannot write to \S+: choose another by/);
    Deno.chmodSync(box.folder, 0o755);
    Deno.mkdirSync(box.target);
    assertRefused(await go(), 6, /nano-snap is a folder/);
    assert.deepEqual(release.asked, []);
  });

  test("refuses a folder from which nothing runs", async (box, release, go) => {
    Deno.mkdirSync(box.folder, { recursive: true });
    const ended = await go({ around: [...NOEXEC_AT, box.folder] });
    assertRefused(ended, 6, /programs cannot run from \S+ \(mounted noexec\?\)/);
    assert.deepEqual(release.asked, []);
  }, noNoexec);

  test("says that a disk is full: at once, in the download, and in unpacking", async (box, release, go) => {
    Deno.mkdirSync(box.folder, { recursive: true });
    const sentence =
      /^install\.sh: not enough space in \S+: make some, or choose another by NANO_SNAP_INSTALL_DIR=/;
    const fetchers = onPath("wget") === undefined || shell[0] === "busybox" ? ["curl"] : ["curl", "wget"];
    const paths = fetchers.map((fetcher) => box.pathOfOnly(fetcher, "dd", "mount", "unshare"));
    // Chance is as large packed as it is; nothing at all packs well.
    for (const fill of [() => Math.random() * 256, () => 0]) {
      const script = new TextEncoder().encode("#!/bin/sh\necho nano-snap 1.2.3\nexit\n");
      release.putAll("", Uint8Array.of(...script, ...Array.from({ length: 100_000 }, fill)));
      for (const PATH of paths) {
        assertRefused(await go({ around: [...mounted("size=64k"), box.folder], env: { PATH } }), 5, sentence);
      }
      const ended = await go({ around: [...mounted("size=1m"), box.folder] });
      assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    }
    // What fails with room left has failed for another reason.
    release.cut(`/${ASSET}.gz`);
    assertRefused(await go({ around: [...mounted("size=1m"), box.folder] }), 8, /cannot fetch/);

    release.asked.length = 0;
    const full = mounted("size=4k", 'echo >"$0/full"');
    assertRefused(await go({ around: [...full, box.folder] }), 5, sentence);
    assert.deepEqual(release.asked, []);
  }, noNoexec);

  test("takes a release that the release key has signed, and no other", async (box, release, go) => {
    const key = new ReleaseKey();
    const script = withKey(key.line);
    release.putAll().signed(key);
    const good = await go({ script });
    assert.deepEqual([good.code, good.stderr], [0, ""]);
    assert.ok(!good.stdout.includes("signature"), good.stdout);
    assert.deepEqual(box.left(), ["nano-snap"]);
    Deno.removeSync(box.target);

    // What is signed is SHA256SUMS to the last byte; who signed must be the key's owner.
    release.putAll("", program("2.0.0"));
    assertRefused(
      await go({ script }),
      4,
      /SHA256SUMS is not signed by the release key: nothing was installed/,
    );
    release.signed(new ReleaseKey(2));
    assertRefused(await go({ script }), 4, /is not signed by the release key/);
    release.put("/SHA256SUMS.sig", "");
    assertRefused(await go({ script }), 4, /is not signed by the release key/);
    assert.deepEqual(box.left(), []);

    await using unsigned = new Release();
    const env = { NANO_SNAP_BASE_URL: unsigned.putAll().url };
    assertRefused(await go({ script, env }), 8, /cannot fetch \S+\/SHA256SUMS\.sig: .*404/);
    assert.deepEqual(box.left(), []);
  }, noOpenssl);

  test("goes over https, and follows no redirect away from it", async (box, plain, go) => {
    const certificate = makeCertificate(box.root);
    await using secure = new Release(certificate);
    secure.putAll("/elsewhere").putAll().redirect(`/${ASSET}.gz`, `${secure.url}/elsewhere/${ASSET}.gz`);
    plain.putAll();
    Deno.writeTextFileSync(join(box.home, ".wgetrc"), `ca_certificate = ${certificate.path}\n`);
    const hasWget = onPath("wget") !== undefined && shell[0] !== "busybox";
    for (const fetcher of ["curl", ...(hasWget ? ["wget"] : [])]) {
      const env = {
        NANO_SNAP_BASE_URL: secure.url,
        PATH: box.pathOfOnly(fetcher),
        CURL_CA_BUNDLE: certificate.path,
      };
      secure.redirect(`/${ASSET}.gz`, `${secure.url}/elsewhere/${ASSET}.gz`);
      const good = await go({ env });
      assert.deepEqual([good.code, good.stderr], [0, ""]);
      assert.deepEqual(Deno.readFileSync(box.target), program());
      Deno.removeSync(box.target);
      assert.equal(secure.asked.at(-1), `/elsewhere/${ASSET}.gz`);

      secure.redirect(`/${ASSET}.gz`, `${plain.url}/${ASSET}.gz`);
      assertRefused(await go({ env }), 8, /cannot fetch \S+\.gz: /);
      // Nor is a server believed whom nobody vouches for.
      const stranger = { ...env, CURL_CA_BUNDLE: "/dev/null", HOME: box.root };
      assertRefused(await go({ env: stranger }), 8, /cannot fetch \S+\/SHA256SUMS: /);
      assert.deepEqual(box.left(), []);
    }
  }, noOpenssl);

  test("says that it checks no signature: without a key, and without openssl 3", async (box, release, go) => {
    release.putAll();
    const without = await go();
    assert.equal(without.code, 0, without.stderr);
    assert.match(without.stdout, /^Note: no signature is checked, the project has no release key yet\.$/m);
    for (const answer of ["echo 'LibreSSL 3.3.6'", "echo 'OpenSSL 1.1.1w  11 Sep 2023'", "exit 127"]) {
      box.fake("openssl", answer);
      const old = await go({ script: withKey(new ReleaseKey().line) });
      assert.equal(old.code, 0, old.stderr);
      assert.match(old.stdout, /^Note: no signature is checked, that needs openssl 3\.$/m);
    }
  });

  test("refuses words and places that make no sense", async (box, release, go) => {
    release.putAll();
    for (const url of ["http://example.com", "http://127.0.0.1@example.com", "ftp://x", "https://", "x y"]) {
      assertRefused(await go({ env: { NANO_SNAP_BASE_URL: url } }), 2, /NANO_SNAP_BASE_URL/);
    }
    const secret = await go({ env: { NANO_SNAP_BASE_URL: "https://me:secret@example.com" } });
    assertRefused(secret, 2, /NANO_SNAP_BASE_URL: it has an @/);
    assert.ok(!secret.stderr.includes("secret"), secret.stderr);
    assertRefused(await go({ args: ["--what"] }), 2, /unknown option --what/);
    assertRefused(await go({ args: ["../1"] }), 2, /not a version: \.\.\/1/);
    assertRefused(
      await go({ env: { HOME: "", NANO_SNAP_INSTALL_DIR: "" }, ...asNobody() }),
      2,
      /HOME is not set/,
    );
    assert.deepEqual(release.asked, []);
    assert.deepEqual([...Deno.readDirSync(box.home)], []);
  });

  test("does not trust a wget that checks no certificates with https", async (box, _release, go) => {
    box.fake("wget", "exit 0");
    const env = { PATH: box.pathOfOnly(), NANO_SNAP_BASE_URL: "https://127.0.0.1:9" };
    assertRefused(await go({ env }), 1, /cannot be trusted with https/);
  });

  test("--uninstall removes the program, and says so when there is none", async (box, release, go) => {
    await (release.putAll(), go());
    const [first, second] = [await go({ args: ["--uninstall"] }), await go({ args: ["--uninstall"] })];
    assert.deepEqual([first.code, first.stderr, second.code, second.stderr], [0, "", 0, ""]);
    assert.match(first.stdout, /^Removed \S+\/nano-snap\./);
    assert.match(second.stdout, /^Nothing to remove/);
    assert.deepEqual(box.left(), []);
  });

  test("does nothing when its own download was cut", async (box, release, go) => {
    await (release.putAll(), go({ args: ["--help"] }));
    const script = Deno.readFileSync(INSTALLER);
    const env = { NANO_SNAP_BASE_URL: release.url };
    // Of the last line, every cut.
    const last = script.lastIndexOf(10, -2) + 1;
    const cuts = [0.1, 0.35, 0.6, 0.85].map((part) => Math.floor(script.length * part));
    for (let cut = last; cut < script.length - 1; cut++) cuts.push(cut);
    for (const cut of cuts) await run(shell, box, { env, script: script.subarray(0, cut) });
    assert.deepEqual(release.asked, []);
    assert.throws(() => Deno.statSync(box.folder), Deno.errors.NotFound);
  });
}

/** An ordinary user that every system has. */
const NOBODY = 65534;

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
}

function asNobody(): { uid?: number } {
  return Deno.uid() === 0 ? { uid: NOBODY } : {};
}

function pick({ ino, mtime }: Deno.FileInfo) {
  return { ino, mtime };
}

/** The installer as it will be once the project has a release key. */
function withKey(line: string): Uint8Array {
  const text = Deno.readTextFileSync(INSTALLER);
  const patched = text.replace("\nreadonly RELEASE_PUBKEY=none\n", `\nreadonly RELEASE_PUBKEY=${line}\n`);
  assert.notEqual(patched, text);
  return new TextEncoder().encode(patched);
}

function succeeds([program, ...args]: readonly string[]): boolean {
  try {
    return new Deno.Command(program!, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}
