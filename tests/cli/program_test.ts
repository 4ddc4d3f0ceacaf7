import assert from "node:assert/strict";
import { Command } from "commander";
import { addLearnOptions } from "../../lib/cli/learn_options.ts";
import { runCli, withCommand } from "../../lib/cli/program.ts";
import { failureOf } from "../../lib/cli/failure.ts";
import { InvariantBroken, NotEnoughSpace, PathUnusable } from "../../lib/errors.ts";
import { emptyContext } from "./programs.ts";

/** Runs words against no machine at all, and gives back all that was said. */
async function said(words: string, signal = new AbortController().signal) {
  const heard = { stdout: "", stderr: "" };
  const exitCode = await runCli(
    words.split(" ").filter((word) => word !== ""),
    emptyContext(heard, { signal }),
  );
  return { ...heard, exitCode };
}

Deno.test("withCommand() reads words without a command as upstream's image does", () => {
  const cases: [string, string][] = [
    ["", "swarm"],
    ["--salt x", "swarm --salt x"],
    ["--once --extract", "get --extract"],
    ["--extract --once", "get --extract"],
    ["get --extract", "get --extract"],
    ["--help", "--help"],
    ["-V", "-V"],
  ];
  for (const [words, meant] of cases) {
    assert.equal(withCommand(words.split(" ").filter((word) => word !== "")).join(" "), meant);
  }
});

Deno.test("runCli() takes a bare call, and one that begins with an option, for swarm", async () => {
  for (const words of ["", "--salt x", "swarm"]) {
    const heard = await said(words);
    assert.equal(heard.exitCode, 6, words);
    assert.equal(heard.stderr, "nano-snap: Cannot use this machine: it is a test\n");
  }
  assert.match((await said("--what")).stderr, /unknown option '--what'; see: nano-snap swarm --help/);
});

Deno.test("runCli() has every command of its help", async () => {
  const help = (await said("--help")).stdout;
  for (
    const name of ["get", "swarm", "produce", "verify", "inspect", "status", "health", "doctor", "upgrade"]
  ) {
    assert.match(help, new RegExp(`^ {2}${name}\\b`, "m"));
    assert.equal((await said(`${name} --help`)).exitCode, 0, name);
  }
});

Deno.test("runCli() refuses an unknown word in one line with a hint, exit code 2", async () => {
  const cases: [string, RegExp][] = [
    [
      "get --extarct",
      /^nano-snap: unknown option '--extarct' \(Did you mean --extract\?\); see: nano-snap get --help\n$/,
    ],
    ["gett", /^nano-snap: unknown command 'gett' \(Did you mean get\?\); see: nano-snap --help\n$/],
    ["seed", /^nano-snap: unknown command 'seed' \(Did you mean produce seed\?\); see: nano-snap --help\n$/],
    ["help gett", /^nano-snap: unknown command 'gett' \(Did you mean get\?\); see: nano-snap --help\n$/],
    ["get --port", /^nano-snap: option '--port <number>' argument missing; see: nano-snap get --help\n$/],
    ["get more", /^nano-snap: too many arguments for 'get'.* more; see: nano-snap get --help\n$/],
    ["version --jsn", /see: nano-snap version --help\n$/],
    ["--once --what", /^nano-snap: unknown option '--what'; see: nano-snap get --help\n$/],
  ];
  for (const [words, text] of cases) {
    const heard = await said(words);
    assert.equal(heard.exitCode, 2, words);
    assert.match(heard.stderr, text);
    assert.equal(heard.stdout, "");
  }
});

Deno.test("runCli() writes help to stdout and exits 0, naming what is there and nothing more", async () => {
  const top = await said("--help");
  assert.equal(top.exitCode, 0);
  assert.equal(top.stderr, "");
  assert.match(top.stdout, /get\|once/);
  assert.match(top.stdout, /swarm/);
  for (const words of ["get --help", "help get", "once -h", "--once --help"]) {
    const heard = await said(words);
    assert.equal(heard.exitCode, 0, words);
    assert.match(heard.stdout, /Examples:\n {2}nano-snap get --extract/);
    assert.match(heard.stdout, /--data-dir <dir>.*\n?.*env DATA_DIR/);
    assert.match(heard.stdout, /--install \[dir\]/);
  }
});

Deno.test("runCli() helps with a command of a group, and with help itself", async () => {
  for (const words of ["help produce seed", "produce help seed", "produce seed --help"]) {
    assert.match((await said(words)).stdout, /^Usage: nano-snap produce seed /, words);
  }
  for (const words of ["help", "help help", "help --help", "--help"]) {
    const heard = await said(words);
    assert.deepEqual([heard.exitCode, heard.stderr], [0, ""], words);
    assert.match(heard.stdout, /^Usage: nano-snap \[options\] \[command\]/, words);
  }
});

Deno.test("runCli() tells a failure in one sentence, and as JSON on stdout where asked", async () => {
  const plain = await said("get");
  assert.deepEqual(plain, {
    exitCode: 6,
    stdout: "",
    stderr: "nano-snap: Cannot use this machine: it is a test\n",
  });
  const json = await said("--once --json");
  assert.equal(json.stderr, plain.stderr);
  assert.deepEqual(JSON.parse(json.stdout), {
    error: { code: "path_unusable", message: "Cannot use this machine: it is a test", exit_code: 6 },
  });
});

Deno.test("runCli() tells a stopped run by its signal, whatever failed because of it", async () => {
  const stop = new AbortController();
  stop.abort(new NotEnoughSpace("stand-in for the signal"));
  const heard = await said("get", stop.signal);
  assert.equal(heard.stderr, "nano-snap: stand-in for the signal\n");
  assert.equal(heard.exitCode, 5);
});

Deno.test("runCli() gives the version as text and as one JSON object", async () => {
  assert.match(
    (await said("version")).stdout,
    /^nano-snap \d+\.\d+\.\d+ \(deno 0\.0\.0, test\)\ndevelopment, run from source\nauthority [0-9a-f]{64}\n$/,
  );
  assert.equal((await said("--version")).stdout, (await said("version")).stdout);
  const facts = JSON.parse((await said("version --json")).stdout);
  assert.deepEqual(Object.keys(facts), [
    "name",
    "version",
    "commit",
    "date",
    "modified",
    "deno",
    "v8",
    "target",
    "authority",
  ]);
  assert.deepEqual([facts.commit, facts.date, facts.deno, facts.v8], ["development", null, "0.0.0", "1.1"]);
});

Deno.test("failureOf() calls what has no sentence of its own our bug, with its stack and where to report it", () => {
  for (
    const error of [new InvariantBroken("pieces add up"), new TypeError("x is undefined"), "thrown text"]
  ) {
    const failure = failureOf(error);
    assert.equal(failure.exitCode, 70);
    assert.match(failure.text, /This is a bug in nano-snap .*https:\/\//);
    assert.equal(JSON.parse(failure.json).error.code, "bug");
  }
  assert.match(failureOf(new InvariantBroken("pieces add up")).text, /pieces add up[^]*program_test\.ts/);
});

Deno.test("failureOf() lets no stranger's name in a message steer the terminal", () => {
  const { text } = failureOf(new PathUnusable("Cannot use \x1b[2J\nx\x9b"));
  assert.equal(text, "nano-snap: Cannot use \\x1b[2J\\x0ax\\x9b\n");
});

Deno.test("runCli() refuses words of whom to ask where nobody is asked, exit code 2", async () => {
  const network = [
    "--port 1",
    "--bind ::1",
    "--dht-bootstrap h:1",
    "--no-dht",
    "--tracker http://h/",
    "--no-trackers",
  ];
  const flags = [...network, "--peer h:1", "--seed-peer h:1", "--no-lsd", "--timeout 5"];
  const cases = [
    ...flags.map((flag) => [`inspect data.ldb ${flag}`, flag, "--fetch"]),
    ["inspect data.ldb --data-dir here", "--data-dir", "--fetch"],
    ...flags.map((flag) => [`verify data.ldb ${flag}`, flag, "--latest, --magnet or --info-hash"]),
    ["verify a.7z --torrent a.torrent --peer h:1", "--peer", "--latest, --magnet or --info-hash"],
  ];
  for (const [words = "", flag = "", needed = ""] of cases) {
    const { exitCode, stderr } = await said(words);
    const [name] = flag.split(" ");
    assert.equal(stderr, `nano-snap: ${name} has no effect without ${needed}: nobody is asked\n`, words);
    assert.equal(exitCode, 2, words);
  }
  // With somebody to ask they get as far as the machine, which this test has none of.
  for (const words of [`inspect ${"ab".repeat(20)} --fetch`, "verify a.7z --latest"]) {
    for (const flag of flags) assert.equal((await said(`${words} ${flag}`)).exitCode, 6, `${words} ${flag}`);
  }
});

Deno.test("every word that says whom inspect and verify ask is among those that are refused", async () => {
  for (const option of addLearnOptions(new Command("any")).options) {
    const word = option.required ? "h:1" : "";
    const { exitCode, stderr } = await said(`inspect data.ldb ${option.long} ${word}`);
    assert.deepEqual([exitCode, stderr.includes(`${option.long} has no effect`)], [2, true], stderr);
  }
});
