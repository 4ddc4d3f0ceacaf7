// `--on-update`: a program of the user's, run after a new snapshot took its place. One executable, no shell, no words of
// its own; the facts are in its environment. One runs at a time; while it does, only the newest switch waits. Whatever
// becomes of it, the mirror goes on.

import { isAbsolute } from "node:path";
import { SnapError } from "../errors.ts";
import type { Report, SnapshotFacts } from "../events.ts";
import type { Clock, Programs } from "../ports.ts";

export class UpdateHook {
  readonly #machine: { readonly programs: Programs; readonly clock: Clock };
  readonly #report: Report;
  readonly #signal: AbortSignal;
  #waiting: { readonly program: string; readonly snapshot: SnapshotFacts } | undefined;
  #running: Promise<void> | undefined;

  /** @param options.signal Kills it. */
  constructor(options: {
    readonly machine: { readonly programs: Programs; readonly clock: Clock };
    readonly report: Report;
    readonly signal: AbortSignal;
  }) {
    this.#machine = options.machine;
    this.#report = options.report;
    this.#signal = options.signal;
  }

  /** Runs it for this snapshot, after the one that is running. */
  run(program: string, snapshot: SnapshotFacts): void {
    this.#waiting = { program, snapshot };
    this.#running ??= this.#runAll().finally(() => this.#running = undefined);
  }

  /** Resolves when none is running. */
  async ended(): Promise<void> {
    await this.#running;
  }

  async #runAll(): Promise<void> {
    for (let next = this.#waiting; next !== undefined; next = this.#waiting) {
      this.#waiting = undefined;
      if (!this.#signal.aborted) await this.#runOne(next.program, next.snapshot);
    }
  }

  async #runOne(program: string, snapshot: SnapshotFacts): Promise<void> {
    const { programs, clock } = this.#machine;
    const path = isAbsolute(program) || program.includes("/") ? program : programs.find(program) ?? program;
    const over = new AbortController();
    const timeUp = new AbortController();
    void clock.sleep(LIMIT_MS, over.signal).then(() => timeUp.abort());
    this.#note("info", `Running ${path}: the snapshot is now ${snapshot.infoHash}`);
    try {
      const { code, stderr } = await programs.run(path, [], {
        env: {
          NANO_SNAP_SEQ: String(snapshot.seq ?? ""),
          NANO_SNAP_INFO_HASH: snapshot.infoHash,
          NANO_SNAP_PATH: snapshot.path,
        },
        signal: AbortSignal.any([this.#signal, timeUp.signal]),
      });
      const said = stderr === "" ? "" : `: ${stderr.split("\n").at(-1)!.slice(0, MAX_SAID)}`;
      if (code === 0) this.#note("info", `${path} ended well`);
      else this.#note("warning", `${path} ended with code ${code}${said}`);
    } catch (error) {
      if (this.#signal.aborted) return;
      if (timeUp.signal.aborted) this.#note("warning", `${path} was killed: it took more than 10 minutes`);
      else if (error instanceof SnapError) this.#note("warning", error.message);
      else throw error;
    } finally {
      over.abort();
    }
  }

  #note(level: "info" | "warning", text: string): void {
    this.#report({ kind: "note", level, logger: "mirror.watcher", text });
  }
}

const LIMIT_MS = 600_000;
/** Characters of what it said last. */
const MAX_SAID = 300;
