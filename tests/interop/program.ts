// Foreign programs, and our own, as child processes: run to the end, or watched by line while they run.

import { killChild, linesOf, stderrTail, within } from "./child.ts";

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Starts the child with `env` only. */
  readonly clearEnv?: boolean;
  /** Written to stdin, which is then closed. */
  readonly stdin?: string | Uint8Array | ReadableStream<Uint8Array>;
  /** How long it may run before it is killed and the test fails; 60 s when not given. */
  readonly deadlineMs?: number;
}

export interface ProgramResult {
  readonly code: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From spawn to exit. */
  readonly elapsedMs: number;
}

/** Runs a program to its end and captures what it says. A non-zero exit is a result, not an error. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  await using program = startProgram(command, args, options);
  return await program.finished();
}

/** As `runProgram`, but an exit other than 0 is an error that shows stderr. For building fixtures. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const result = await runProgram(command, args, options);
  if (result.code === 0) return result;
  throw new Error(`${command} ${args.join(" ")}: exit ${result.code}\n${result.stderr}`);
}

/** Starts a program whose output the test wants to see while it runs. */
export function startProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): RunningProgram {
  return new RunningProgram(command, args, options);
}

interface Waiter {
  readonly pattern: RegExp;
  readonly found: (seen: SeenLine) => void;
}

/** A line of output and when it came, in milliseconds after spawn. */
export interface SeenLine {
  readonly text: string;
  readonly atMs: number;
}

export class RunningProgram implements AsyncDisposable {
  readonly pid: number;
  /** Everything written to stderr so far, by line. */
  readonly stderrLines: SeenLine[] = [];
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #startedMs = performance.now();
  readonly #deadlineMs: number;
  readonly #finished: Promise<ProgramResult>;
  #waiters: Waiter[] = [];
  #ended = false;

  constructor(command: string, args: readonly string[], options: ProgramOptions) {
    this.#name = [command, ...args].join(" ");
    this.#deadlineMs = options.deadlineMs ?? 60_000;
    this.#child = new Deno.Command(command, {
      args: [...args],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
      clearEnv: options.clearEnv ?? false,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#finished = this.#watch(options.stdin);
    this.#finished.catch(() => {}); // reported where `finished` is awaited
  }

  /** The first stderr line, past or future, that matches. Fails when the program ends or the deadline passes. */
  async stderrLine(pattern: RegExp, deadlineMs = 30_000): Promise<SeenLine> {
    const past = this.stderrLines.find((line) => pattern.test(line.text));
    if (past !== undefined) return past;
    const seen = new Promise<SeenLine>((found) => this.#waiters.push({ pattern, found }));
    const ended = this.#finished.then((result): SeenLine => {
      const last = this.stderrLines.find((line) => pattern.test(line.text));
      if (last !== undefined) return last;
      throw new Error(`${this.#name}: ended with ${result.code} before ${pattern}${this.#said()}`);
    });
    const either = Promise.race([seen, ended]);
    return await within(either, deadlineMs, `${this.#name}: ${pattern}`, () => this.#said());
  }

  /** No-op once the program has ended. */
  kill(signal: Deno.Signal): void {
    if (!this.#ended) killChild(this.#child, signal);
  }

  /** Resolves when it has ended by itself; past the deadline it is killed and this rejects. */
  async finished(): Promise<ProgramResult> {
    const leftMs = Math.max(1, this.#deadlineMs - (performance.now() - this.#startedMs));
    try {
      return await within(this.#finished, leftMs, `${this.#name}: exit`, () => this.#said());
    } catch (error) {
      this.kill("SIGKILL");
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#finished.catch(() => {});
  }

  async #watch(stdin: ProgramOptions["stdin"]): Promise<ProgramResult> {
    const [stdout] = await Promise.all([
      new Response(this.#child.stdout).text(),
      this.#readStderr(),
      stdin === undefined ? undefined : feed(this.#child.stdin, stdin),
    ]);
    const status = await this.#child.status;
    this.#ended = true;
    return {
      code: status.code,
      signal: status.signal,
      stdout,
      stderr: this.stderrLines.map((line) => line.text).join("\n"),
      elapsedMs: performance.now() - this.#startedMs,
    };
  }

  async #readStderr(): Promise<void> {
    for await (const text of linesOf(this.#child.stderr)) {
      const line = { text, atMs: performance.now() - this.#startedMs };
      this.stderrLines.push(line);
      this.#waiters = this.#waiters.filter((waiter) => {
        if (!waiter.pattern.test(text)) return true;
        waiter.found(line);
        return false;
      });
    }
  }

  #said(): string {
    return stderrTail(this.stderrLines.map((line) => line.text));
  }
}

/** Writes everything and closes. A child that closed its stdin early says so by its exit code. */
async function feed(
  into: WritableStream<Uint8Array>,
  what: string | Uint8Array | ReadableStream<Uint8Array>,
) {
  const source = what instanceof ReadableStream ? what : ReadableStream.from([
    typeof what === "string" ? new TextEncoder().encode(what) : what,
  ]);
  try {
    await source.pipeTo(into);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
