// argv in, exit code out. Builds the real machine, turns the first signal into an orderly stop and the second into
// an immediate one. The one place that ends the process.

import process from "node:process";
import { VERSION } from "./lib/about.ts";
import { failureOf } from "./lib/cli/failure.ts";
import type { CliMachine } from "./lib/cli/context.ts";
import { runCli } from "./lib/cli/program.ts";
import { EXIT, Interrupted } from "./lib/errors.ts";
import { systemClock } from "./lib/io/clock.ts";
import { pathError } from "./lib/io/os_error.ts";
import { answerWatchdog } from "./lib/io/watchdog.ts";

// Deno 2.6's own resolver of names warns of a Node module that it is made with. No user can do anything about that.
Object.assign(process, { noDeprecation: true });

const stopping = new AbortController();

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // Windows knows only the first.
  if (signal === "SIGTERM" && Deno.build.os === "windows") continue;
  Deno.addSignalListener(signal, () => {
    if (stopping.signal.aborted) Deno.exit(signal === "SIGINT" ? EXIT.interrupted : EXIT.terminated);
    const what = signal === "SIGINT" ? "Interrupted" : "Stopped by SIGTERM";
    stopping.abort(
      new Interrupted(signal, `${what}: what is whole is kept, and the same command goes on from there`),
    );
  });
}

for (const kind of ["error", "unhandledrejection"] as const) {
  globalThis.addEventListener(kind, (event) => {
    event.preventDefault();
    const { text, exitCode } = failureOf(event instanceof ErrorEvent ? event.error : event.reason);
    write(Deno.stderr, text);
    Deno.exit(exitCode);
  });
}

const env = Deno.env.toObject();
answerWatchdog(env, (sentence) => write(Deno.stderr, sentence + "\n"));
const exitCode = await runCli(Deno.args, {
  env,
  stdout: (text) => write(Deno.stdout, text),
  stderr: (text) => write(Deno.stderr, text),
  stderrIsTerminal: Deno.stderr.isTerminal(),
  columns: terminalColumns,
  clock: systemClock,
  machine: realMachine,
  signal: stopping.signal,
  onHangup,
  runtime: `deno ${Deno.version.deno}`,
  v8: Deno.version.v8,
  target: Deno.build.target,
});
Deno.exit(exitCode);

/** Windows has no such signal. */
function onHangup(listener: () => void): void {
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", listener);
}

/** Loaded when a command needs the machine. The specifier is a literal, so that `deno compile` finds it. */
async function realMachine(): Promise<CliMachine> {
  const { SystemMachine } = await import("./lib/io/machine.ts");
  return new SystemMachine(`nano-snap ${VERSION}`);
}

/** Writes everything, synchronously: what was said is out before the process ends. */
function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
  } catch (error) {
    // The reader has gone (`| head`, a closed terminal): nobody is left to be told.
    if (error instanceof Deno.errors.BrokenPipe) return;
    // A log whose disk is full ends no download and no mirror; a result that is lost is a failure.
    if (stream === Deno.stderr) return;
    const failure = pathError("write", "the output", error);
    write(Deno.stderr, failureOf(failure).text);
    Deno.exit(failure.exitCode);
  }
}

function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80;
  }
}
