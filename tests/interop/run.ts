// Runs the interop tests: each file in a process of its own, so that what one leaves behind cannot trouble another, two
// files at once, and those that measure time alone at the end. A file that fails is run once more, alone: what passes
// then is named as unsteady in the last lines, for somebody to mend, and only what fails twice fails the run.
//
//   deno run -A tests/interop/run.ts [part of a file's name …]
//
// Types are `deno check`'s to judge, once for the whole tree.

const FOLDER = new URL(".", import.meta.url);
/** Two, because most tests wait for a rate or a timer more than they compute; more would make timers late. */
const AT_ONCE = 2;
/** A file takes up to two minutes; one that hangs must not eat the whole run's time. */
const DEADLINE_MS = 10 * 60_000;
/** These compare rates or times with a bar. */
const ALONE = [
  "get_timing_test.ts",
  "limits_test.ts",
  "overlap_test.ts",
  "seed_clients_test.ts",
  "swarm_follow_test.ts",
];

interface Outcome {
  readonly file: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly output: string;
}

async function run(file: string): Promise<Outcome> {
  const startMs = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", new URL(file, FOLDER).href],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isLate = false;
  const deadline = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, DEADLINE_MS);
  const { code, stdout, stderr } = await child.output().finally(() => clearTimeout(deadline));
  const text = new TextDecoder();
  const late = isLate ? `${file} was stopped after ${DEADLINE_MS / 60_000} minutes\n` : "";
  return {
    file,
    ok: code === 0,
    seconds: (performance.now() - startMs) / 1000,
    output: text.decode(stdout) + text.decode(stderr) + late,
  };
}

/** Runs `files`, at most `width` at once, and shows each one's output when it has ended. */
async function runAll(files: readonly string[], width: number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...files];
  await Promise.all(Array.from({ length: width }, async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const outcome = await run(file);
      outcomes.push(outcome);
      say(`\n-- ${file}: ${outcome.ok ? "ok" : "FAILED"}, ${outcome.seconds.toFixed(1)} s`);
      say(outcome.output.trim());
    }
  }));
  return outcomes;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

const all = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => name.endsWith("_test.ts"));
const wanted = all.filter((name) => Deno.args.length === 0 || Deno.args.some((part) => name.includes(part)));
if (wanted.length === 0) {
  say(`No interop test is named like ${Deno.args.join(" or ")}`);
  Deno.exit(2);
}
wanted.sort();
const startMs = performance.now();
const first = [
  ...await runAll(wanted.filter((name) => !ALONE.includes(name)), AT_ONCE),
  ...await runAll(wanted.filter((name) => ALONE.includes(name)), 1),
];
const failed = first.filter(({ ok }) => !ok).map(({ file }) => file);
if (failed.length > 0) say(`\n-- Once more, each alone: ${failed.join(", ")}`);
const second = await runAll(failed, 1);
const broken = second.filter(({ ok }) => !ok).map(({ file }) => file);
const unsteady = second.filter(({ ok }) => ok).map(({ file }) => file);

say(`\n${wanted.length} files in ${((performance.now() - startMs) / 60_000).toFixed(1)} minutes`);
if (unsteady.length > 0) say(`Unsteady, passed only when run once more: ${unsteady.join(", ")}`);
if (broken.length > 0) say(`Failed twice: ${broken.join(", ")}`);
Deno.exit(broken.length > 0 ? 1 : 0);
