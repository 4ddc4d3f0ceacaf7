// A child that is asked and answers, as JSON lines over its stdin and stdout; the scripts lie in py/.

import { join } from "node:path";
import { killChild, linesOf, PYTHON, stderrTail, within } from "./child.ts";

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
      args: ["-B", "-u", script, ...args],
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
