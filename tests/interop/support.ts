// What every interop test stands on: which foreign programs are here, and how to start, hear and stop them.
// Nothing here sleeps: each wait is for an answer, an event or an exit, and each has a deadline that names what was
// awaited and shows what the child wrote to stderr. Everything that is started is stopped by its own handle.

import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The interpreter that has Debian's python3-libtorrent; a version manager's `python3` on PATH would not. */
export const PYTHON = Deno.env.get("NANO_SNAP_PYTHON") ?? "/usr/bin/python3";

/** With this set a missing program fails the tests that need it: CI must not go green on what it never ran. */
const NO_SKIP = Deno.env.get("NANO_SNAP_NO_SKIP") === "1";

/** The programs that tests may ask for, and the package of Debian and Ubuntu that brings each. */
const PACKAGES = {
  libtorrent: "python3-libtorrent",
  mdb_load: "lmdb-utils",
  mdb_stat: "lmdb-utils",
  "7zz": "7zip",
  zstd: "zstd",
  tar: "tar",
  "qbittorrent-nox": "qbittorrent-nox",
} as const;
export type Program = keyof typeof PACKAGES;

const found = new Map<Program, boolean>();

/**
 * For `Deno.test({ ignore: need("libtorrent", "7zz"), … })`: true when a program is missing, after one line that
 * says which. With NANO_SNAP_NO_SKIP=1 it is never true, so that the test runs and fails.
 */
export function need(...programs: Program[]): boolean {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length === 0) return false;
  const packages = [...new Set(missing.map((program) => PACKAGES[program]))].join(" ");
  const what = NO_SKIP ? "will fail, NANO_SNAP_NO_SKIP=1" : "skipped";
  say(`interop: a test is ${what}: ${missing.join(", ")} missing (apt-get install ${packages})`);
  return !NO_SKIP;
}

function isInstalled(program: Program): boolean {
  let known = found.get(program);
  if (known === undefined) {
    known = program === "libtorrent" ? pythonHasLibtorrent() : onPath(program);
    found.set(program, known);
  }
  return known;
}

function onPath(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(delimiter).some((folder) => {
    try {
      return Deno.statSync(join(folder, program)).isFile;
    } catch {
      return false;
    }
  });
}

function pythonHasLibtorrent(): boolean {
  try {
    return new Deno.Command(PYTHON, { args: ["-c", "import libtorrent"] }).outputSync().success;
  } catch {
    return false;
  }
}

/** One line for whoever watches the tests run. */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
}

/** `promise`, or an error that names `what` after `deadlineMs`. `explain` adds what helps to find out why. */
export async function within<T>(
  promise: Promise<T>,
  deadlineMs: number,
  what: string,
  explain: () => string = () => "",
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: not within ${deadlineMs} ms${explain()}`)),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** A path inside it. */
  join(...parts: string[]): string;
}

/** A fresh folder that goes when the `await using` scope ends. */
export async function tempDir(): Promise<TempDir> {
  const path = await Deno.makeTempDir({ prefix: "nano-snap-test-" });
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** The file's SHA-256 in hex, read in 1 MiB steps. */
export function sha256OfFile(path: string): string {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1 << 20);
  const fd = openSync(path, "r");
  try {
    for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer)) hash.update(buffer.subarray(0, n));
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}

/** A loopback port that was free a moment ago, for programs that cannot be given port 0. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

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

/** A child that has just ended by itself is fine. */
function killChild(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
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

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

/** The last lines a child wrote, for an error message. */
function stderrTail(lines: readonly string[]): string {
  if (lines.length === 0) return " (it wrote nothing to stderr)";
  return "\n  stderr: " + lines.slice(-20).join("\n  stderr: ");
}

/** One JSON object of the child: an answer has `id`, an event has `event`. */
export type PeerMessage = Record<string, unknown>;

interface EventWaiter {
  readonly matches: (message: PeerMessage) => boolean;
  readonly found: (message: PeerMessage) => void;
}

/**
 * A Python program that speaks JSON lines. `call` writes `{"id": n, "do": …}` and awaits the line with that id, which
 * carries the result's fields or `error`. Lines with `event` may come at any time and are kept until asked for.
 */
export class PythonPeer implements AsyncDisposable {
  readonly pid: number;
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stderr: string[] = [];
  readonly #answers = new Map<number, (message: PeerMessage) => void>();
  readonly #ended: Promise<void>;
  #events: PeerMessage[] = [];
  #eventWaiters: EventWaiter[] = [];
  #lastId = 0;
  #running = true;

  private constructor(script: string, args: readonly string[]) {
    this.#name = script.split("/").pop() ?? script;
    const command = new Deno.Command(PYTHON, {
      args: ["-u", script, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    this.#child = command.spawn();
    this.pid = this.#child.pid;
    this.#stdin = this.#child.stdin.getWriter();
    this.#ended = this.#watch();
  }

  /**
   * Starts a script and awaits its `{"event": "ready"}`.
   *
   * @param script A path, or a name in tests/interop/py.
   */
  static async start(script: string, args: readonly string[] = [], deadlineMs = 20_000): Promise<PythonPeer> {
    const path = script.includes("/") ? script : join(import.meta.dirname ?? ".", "py", script);
    const peer = new PythonPeer(path, args);
    try {
      await peer.event("ready", () => true, deadlineMs);
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
    return peer;
  }

  /** Sends a command and awaits its answer. @throws When it answers with `error`, ends, or is late. */
  async call<T = PeerMessage>(what: string, fields: PeerMessage = {}, deadlineMs = 60_000): Promise<T> {
    const id = ++this.#lastId;
    const answer = new Promise<PeerMessage>((resolve) => this.#answers.set(id, resolve));
    const line = JSON.stringify({ ...fields, id, do: what }) + "\n";
    // A child that is gone is reported with its stderr by the race below, not as a broken pipe.
    this.#stdin.write(new TextEncoder().encode(line)).catch(() => {});
    const message = await this.#orEnd(answer, deadlineMs, what);
    if ("error" in message) {
      throw new Error(`${this.#name}: ${what}: ${String(message["error"])}${stderrTail(this.#stderr)}`);
    }
    return message as T;
  }

  /** The first event of that name, past or future, that matches; it is taken out of what is kept. */
  async event(
    name: string,
    matches: (message: PeerMessage) => boolean = () => true,
    deadlineMs = 30_000,
  ): Promise<PeerMessage> {
    const wanted = (message: PeerMessage) => message["event"] === name && matches(message);
    const past = this.#events.findIndex(wanted);
    if (past >= 0) return this.#events.splice(past, 1)[0] as PeerMessage;
    let waiter: EventWaiter | undefined;
    const seen = new Promise<PeerMessage>((found) => {
      waiter = { matches: wanted, found };
      this.#eventWaiters.push(waiter);
    });
    try {
      return await this.#orEnd(seen, deadlineMs, `event ${name}`);
    } finally {
      this.#eventWaiters = this.#eventWaiters.filter((one) => one !== waiter);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running) killChild(this.#child, "SIGKILL");
    await this.#ended;
    await this.#stdin.close().catch(() => {});
  }

  async #orEnd<T>(promise: Promise<T>, deadlineMs: number, what: string): Promise<T> {
    const gone = this.#ended.then((): never => {
      throw new Error(`${this.#name}: ${what}: it ended${stderrTail(this.#stderr)}`);
    });
    const explain = () => stderrTail(this.#stderr);
    return await within(Promise.race([promise, gone]), deadlineMs, `${this.#name}: ${what}`, explain);
  }

  async #watch(): Promise<void> {
    await Promise.all([this.#readStdout(), this.#readStderr()]);
    await this.#child.status;
    this.#running = false;
  }

  async #readStderr(): Promise<void> {
    for await (const line of linesOf(this.#child.stderr)) this.#stderr.push(line);
  }

  async #readStdout(): Promise<void> {
    for await (const line of linesOf(this.#child.stdout)) {
      let message: PeerMessage;
      try {
        message = JSON.parse(line) as PeerMessage;
      } catch {
        this.#stderr.push(`(stdout) ${line}`);
        continue;
      }
      if ("event" in message) this.#onEvent(message);
      else this.#onAnswer(message);
    }
  }

  #onEvent(message: PeerMessage): void {
    const waiter = this.#eventWaiters.find((one) => one.matches(message));
    if (waiter === undefined) {
      this.#events.push(message);
      return;
    }
    this.#eventWaiters = this.#eventWaiters.filter((one) => one !== waiter);
    waiter.found(message);
  }

  #onAnswer(message: PeerMessage): void {
    const id = message["id"] as number;
    this.#answers.get(id)?.(message);
    this.#answers.delete(id);
  }
}
