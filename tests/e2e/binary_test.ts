// The compiled program without a network: what it says of itself, how large and how quick it is, what it needs of a
// system, and that everything it starts later is inside. tests/interop/binary_test.ts lets it fetch.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ROOT, testBinary } from "./binary.ts";
import { elfNeeds } from "./elf.ts";

const binary = await testBinary();
const MAX_OVER_BARE = 10_000_000;
const MAX_START_MS = 100;
/** On a busy machine one start says little; the quickest of some says what the program itself takes. */
const STARTS = 20;

/** A test in a folder of its own, which the program has for its working directory; its environment is empty. */
function test(
  name: string,
  fn: (
    kit: { folder: string; path: string; run: (...args: string[]) => ReturnType<typeof output> },
  ) => Promise<void>,
  options: { ignore?: boolean } = {},
): void {
  Deno.test({
    name: `the binary ${name}`,
    ignore: binary === undefined || (options.ignore ?? false),
    async fn() {
      const folder = Deno.makeTempDirSync({ prefix: "nano-snap-binary-test-" });
      try {
        const { path } = binary!;
        await fn({ folder, path, run: (...args) => output(path, args, folder) });
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

async function output(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
) {
  const command = new Deno.Command(program, { args: [...args], cwd, clearEnv: true, env, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

test("says what it was made of", async ({ run }) => {
  const { version } = JSON.parse(read("deno.json"));
  const authority = read("AUTHORITY_PUBKEY").trim();
  const { commit, date, modified } = binary!.stamp;
  const json = await run("version", "--json");
  assert.deepEqual([json.code, json.stderr], [0, ""]);
  const { deno, v8, ...facts } = JSON.parse(json.stdout);
  assert.deepEqual(facts, {
    name: "nano-snap",
    version,
    commit,
    date,
    modified,
    target: Deno.build.target,
    authority,
  });
  for (const one of [deno, v8]) assert.match(one, /^\d+\.\d+\.\d+/);
  const text = await run("version");
  const of = `${date.slice(0, 10)}${modified ? ", modified" : ""}`;
  assert.equal(
    text.stdout,
    `nano-snap ${version} (deno ${deno}, ${Deno.build.target})\ncommit ${commit} of ${of}\nauthority ${authority}\n`,
  );
});

test("is at most 10 MB larger than one of nothing", () => {
  const over = Deno.statSync(binary!.path).size - Deno.statSync(binary!.bare).size;
  assert.ok(over > 0 && over <= MAX_OVER_BARE, `${over} bytes over the bare runtime`);
  return Promise.resolve();
});

for (const args of [["version"], ["get", "--help"]]) {
  test(`starts \`${args.join(" ")}\` in less than ${MAX_START_MS} ms`, async ({ folder, path, run }) => {
    let quickest = Infinity;
    for (let i = 0; i < STARTS && quickest >= MAX_START_MS; i++) {
      const sinceMs = performance.now();
      assert.equal((await run(...args)).code, 0);
      quickest = Math.min(quickest, performance.now() - sinceMs);
      // Others may have both cores; then the processor's time says what the start itself takes.
      if (quickest >= MAX_START_MS) quickest = Math.min(quickest, await processorMs(path, args, folder));
    }
    assert.ok(quickest < MAX_START_MS, `${quickest} ms at best`);
  });
}

Deno.test("main.ts imports nothing heavy before a command needs it", async () => {
  const main = join(ROOT, "main.ts");
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", main] }).output();
  const names = staticImports(JSON.parse(new TextDecoder().decode(stdout)));
  assert.ok(names.some((name) => name.endsWith("lib/cli/program.ts")), "it looked in the right place");
  const packages = names.filter((name) => name.startsWith("npm:"));
  assert.deepEqual(packages.map((name) => name.replace(/^npm:\/?(\w+)@.*/, "$1")), ["commander"]);
  assert.ok(names.length < 30, names.join("\n"));
});

test("has its Workers inside: packing, hashing, checking, unpacking", async ({ folder, run }) => {
  const must = async (...args: string[]) => {
    const ended = await run(...args);
    assert.equal(ended.code, 0, `${args.join(" ")}: ${ended.stderr}`);
    return ended.stdout;
  };
  await must("produce", "fixture", "--size", "8M", "--format", "7z");
  const [archive = ""] = [...Deno.readDirSync(folder)].map(({ name }) => name);
  await must("produce", "torrent", archive, "--piece-size", "1M");
  // The archive lies where its torrent would be fetched to: it is checked and unpacked, and nothing is fetched.
  Deno.mkdirSync(join(folder, "nano-data"));
  Deno.renameSync(join(folder, archive), join(folder, "nano-data", archive));
  const lonely = ["--torrent", `${archive}.torrent`, "--no-dht", "--no-trackers", "--port", "0"];
  const answer = JSON.parse(
    await must("get", "--extract", ...lonely, "--stall-timeout", "30s", "--bind", "127.0.0.1", "--json"),
  );
  assert.deepEqual([answer.path, answer.downloaded_bytes], [join(folder, "nano-data", "data.ldb"), 0]);
  assert.equal(Deno.statSync(answer.path).size, answer.size);
});

test("tells a service manager that it lives", async ({ folder, path }) => {
  const at = join(folder, "notify");
  const manager = Deno.listenDatagram({ transport: "unixpacket", path: at });
  // Nobody is there: it looks for ever.
  const where = ["--dht-bootstrap", "127.0.0.1:9", "--no-trackers", "--bind", "127.0.0.1", "--port", "0"];
  const env = { NOTIFY_SOCKET: at, WATCHDOG_USEC: "100000" };
  const args = ["swarm", ...where, "--no-metrics"];
  const stop = new AbortController();
  const options = { args, cwd: folder, clearEnv: true, env, signal: stop.signal, stderr: "null" } as const;
  const mirror = new Deno.Command(path, options).spawn();
  try {
    for (let turn = 0; turn < 3; turn++) {
      const heard = await Promise.race([manager.receive(), mirror.status]);
      assert.ok(Array.isArray(heard), "it ended");
      assert.equal(new TextDecoder().decode(heard[0]), "WATCHDOG=1");
    }
  } finally {
    stop.abort();
    await mirror.status;
    manager.close();
  }
}, { ignore: Deno.build.os === "windows" });

test("trusts another key when it was compiled with that one, and the tree stays as it was", async ({ folder }) => {
  const key = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
  Deno.writeTextFileSync(join(folder, "key"), `${key}\n`);
  const own = join(folder, "own");
  const before = binary!.stamp;
  const made = await compile("--authority-file", join(folder, "key"), "--output", own);
  assert.equal(made.code, 0, made.stderr);
  const facts = JSON.parse((await output(own, ["version", "--json"], folder)).stdout);
  assert.deepEqual([facts.authority, facts.commit, facts.modified], [key, before.commit, before.modified]);
  assert.notEqual(read("AUTHORITY_PUBKEY").trim(), key);
  Deno.writeTextFileSync(join(folder, "bad"), "not a key\n");
  const refused = await compile("--authority-file", join(folder, "bad"), "--output", own);
  assert.deepEqual([refused.code, /^compile: Cannot use the key of [^\n]+\n$/.test(refused.stderr)], [
    2,
    true,
  ]);
});

test("comes out the same, byte for byte, when it is compiled again", async ({ folder, path }) => {
  const { commit, date, modified } = binary!.stamp;
  // A tree with changes has a stamp that words cannot give.
  const words = modified || commit === "unknown" ? [] : ["--commit", commit, "--date", date];
  const made = await compile(...words, "--output", join(folder, "again"));
  assert.equal(made.code, 0, made.stderr);
  assert.equal(sha256(join(folder, "again")), sha256(path));
});

test("needs the glibc that the documents and the installer name, and no other library", () => {
  const { glibc, libraries } = elfNeeds(Deno.readFileSync(binary!.path));
  assert.equal(/^readonly MIN_GLIBC=(\S+)$/m.exec(read("install.sh"))?.[1], glibc);
  for (const page of ["README.md", "docs/install.md"]) {
    assert.ok(read(page).includes(`glibc ${glibc} or newer`), `${page}: ${glibc}`);
  }
  const ofGlibc = /^(ld-linux|lib(c|m|dl|rt|pthread)\.so)/;
  assert.deepEqual(libraries.filter((name) => !ofGlibc.test(name)), ["libgcc_s.so.1"]);
  return Promise.resolve();
}, { ignore: Deno.build.os !== "linux" });

/** Of one start, all threads, user and system: the second line of what a shell's `times` says. */
async function processorMs(path: string, args: readonly string[], cwd: string): Promise<number> {
  if (Deno.build.os === "windows") return Infinity;
  const { stdout } = await output("/bin/sh", ["-c", '"$@" >/dev/null; times', "sh", path, ...args], cwd);
  const parts = [...stdout.split("\n")[1]!.matchAll(/(\d+)m([\d.]+)s/g)];
  assert.equal(parts.length, 2, stdout);
  return parts.reduce(
    (sum, [, minutes, seconds]) => sum + 60_000 * Number(minutes) + 1000 * Number(seconds),
    0,
  );
}

/** `deno task compile` with these words. */
function compile(...words: string[]) {
  const script = join(ROOT, "deploy", "compile.ts");
  return output(Deno.execPath(), ["run", "-A", script, ...words], ROOT, Deno.env.toObject());
}

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly { code?: { specifier: string }; isDynamic?: boolean }[];
}

/** What is loaded before the first line runs. */
function staticImports(
  graph: { roots: string[]; modules: Module[]; redirects?: Record<string, string> },
): string[] {
  const seen = new Set<string>();
  const waiting = [...graph.roots];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    name = graph.redirects?.[name] ?? name;
    if (seen.has(name)) continue;
    seen.add(name);
    for (
      const { code, isDynamic } of graph.modules.find((one) => one.specifier === name)?.dependencies ?? []
    ) {
      if (code !== undefined && isDynamic !== true) waiting.push(code.specifier);
    }
  }
  return [...seen];
}

function sha256(path: string): string {
  return createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
}

function read(name: string): string {
  return Deno.readTextFileSync(join(ROOT, name));
}
