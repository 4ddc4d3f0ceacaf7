// The completion scripts in the shells that they are for: bash always, zsh and fish where they are installed.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flatten, offeredAt } from "../../lib/cli/command_tree.ts";
import { runCli } from "../../lib/cli/program.ts";
import { emptyContext, isHere, pipe, wholeTree, written } from "./programs.ts";

/** Lines on a command line, the cursor at the end, and all that is offered there, sorted. */
const CASES: readonly [line: string, offered: readonly string[]][] = [
  ["nano-snap stat", ["status"]],
  ["nano-snap produce ", ["fixture", "keygen", "publish", "run", "seed", "torrent"]],
  ["nano-snap get --disc", ["--discover-timeout"]],
  ["nano-snap once --disc", ["--discover-timeout"]],
  ["nano-snap get --no-", [
    "--no-backup",
    "--no-color",
    "--no-dht",
    "--no-lsd",
    "--no-port-mapping",
    "--no-trackers",
  ]],
  ["nano-snap get --log-level ", ["debug", "error", "info", "warning"]],
  ["nano-snap get --extract --log-format j", ["json"]],
  ["nano-snap produce seed --metrics-", ["--metrics-bind", "--metrics-port"]],
  ["nano-snap produce run --format ", ["7z", "ldb", "tar.zst"]],
  ["nano-snap produce torrent --format", ["--format-facts"]],
  ["nano-snap completions ", ["bash", "fish", "zsh"]],
  ["nano-snap help heal", ["health"]],
  // Not to be offered: what the Python program had.
  ["nano-snap get --web-seed-u", []],
  // A port is nobody's to guess.
  ["nano-snap get --port ", []],
];

/** What bash offers at the end of a line. */
const ASK_BASH = `
eval "$SCRIPT"
complete -p nano-snap >&2
while IFS= read -r line; do
  # bash itself parts words at "=" as well.
  read -ra COMP_WORDS <<< "\${line//=/ = }"
  [[ $line == *[\\ =] ]] && COMP_WORDS+=("")
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  COMPREPLY=()
  _nano_snap
  for one in "\${COMPREPLY[@]}"; do printf '%s\\t' "$one"; done
  echo
done
`;

async function askBash(lines: readonly string[], cwd = "/"): Promise<string[][]> {
  const SCRIPT = await written("completions", "bash");
  const script = `cd "$WHERE"\n${ASK_BASH}`;
  const stdin = lines.map((line) => `${line}\n`).join("");
  const { code, stdout, stderr } = await pipe("bash", ["--norc", "-c", script], stdin, {
    SCRIPT,
    WHERE: cwd,
  });
  assert.equal(code, 0, stderr);
  // Outside of an interactive shell `compopt` has nothing to do, and says so to nobody.
  assert.equal(stderr, "complete -F _nano_snap nano-snap\n");
  return stdout.trimEnd().split("\n").map((line) =>
    line.split("\t").filter((word) => word !== "").toSorted()
  );
}

Deno.test("completions bash: bash offers commands, options and values", async () => {
  const answers = await askBash(CASES.map(([line]) => line));
  for (const [i, [line, offered]] of CASES.entries()) assert.deepEqual(answers[i] ?? [], offered, line);
});

Deno.test("completions bash: bash offers values after = too, and get's options after --once", async () => {
  const lines = ["nano-snap get --log-level=", "nano-snap get --log-level=w", "nano-snap --once --disc"];
  assert.deepEqual(await askBash(lines), [
    ["debug", "error", "info", "warning"],
    ["warning"],
    ["--discover-timeout"],
  ]);
});

Deno.test("completions bash: bash offers folders for folders and files for files, whatever their names", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "nano-snap-complete-" });
  try {
    mkdirSync(join(folder, "a dir"));
    writeFileSync(join(folder, "a file"), "");
    const lines = ["get --data-dir a", "get --torrent a", "produce torrent a", "produce seed --output-dir a"];
    const both = ["a dir", "a file"];
    assert.deepEqual(
      await askBash(lines.map((line) => `nano-snap ${line}`), folder),
      [["a dir"], both, both, ["a dir"]],
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("completions bash: bash offers exactly the options of each command", async () => {
  const nodes = flatten(await wholeTree());
  const answers = await askBash(nodes.map(({ path }) => `${path.join(" ")} -`));
  for (const [i, node] of nodes.entries()) {
    const longs = [...new Set(offeredAt(node).map(({ long }) => long)), "--help"].toSorted();
    assert.deepEqual([...new Set(answers[i])], longs, node.path.join(" "));
  }
});

Deno.test({ name: "completions fish: fish offers the same", ignore: !await isHere("fish") }, async () => {
  const SCRIPT = await written("completions", "fish");
  const script = `for line in $argv
    echo (complete -C $line | string split -f 1 \\t | string join \\t)
end`;
  const folder = Deno.makeTempDirSync({ prefix: "nano-snap-fish-" });
  try {
    const file = join(folder, "nano-snap.fish");
    writeFileSync(file, SCRIPT);
    const { code, stdout, stderr } = await pipe(
      "fish",
      ["--no-config", "-c", `source ${file}\n${script}`, ...CASES.map(([line]) => line)],
      "",
      { HOME: folder, LC_ALL: "C.UTF-8" },
    );
    assert.deepEqual([code, stderr], [0, ""]);
    const answers = stdout.split("\n").map((line) =>
      line.split("\t").filter((word) => word !== "").toSorted()
    );
    for (const [i, [line, offered]] of CASES.entries()) assert.deepEqual(answers[i], offered, line);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test({ name: "completions zsh: zsh can read it", ignore: !await isHere("zsh") }, async () => {
  const script = await written("completions", "zsh");
  // Sourced after compinit, as with `source <(nano-snap completions zsh)`.
  const check =
    'autoload -U compinit; compinit -D -u; eval "$SCRIPT"; print -r -- ${_comps[nano-snap]}; whence -w _nano_snap_produce_seed';
  const { code, stdout, stderr } = await pipe("zsh", ["-f", "-c", check], "", {
    SCRIPT: script,
    HOME: "/nowhere",
  });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(stdout, "_nano_snap\n_nano_snap_produce_seed: function\n");
});

Deno.test("completions refuses another shell, and none, with exit code 2", async () => {
  for (const words of [["completions", "tcsh"], ["completions"], ["completions", "bash", "zsh"]]) {
    const heard = { stdout: "", stderr: "" };
    assert.equal(await runCli(words, emptyContext(heard)), 2);
    assert.equal(heard.stdout, "");
  }
});
