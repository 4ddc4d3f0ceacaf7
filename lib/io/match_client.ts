// Looking for blocks in older copies on several cores: Workers are started as pieces wait for one, and stay until the end.
// One that fails finds nothing, and the pieces are fetched.

import type { BlockMatcher, BlockMatchers, MatchFiles } from "../torrent/block_matcher.ts";
import type { PieceIndex } from "../torrent/layout.ts";
import type { MatchAnswer, MatchTask } from "./match_worker.ts";

export class WorkerMatchers implements BlockMatchers {
  readonly #workers: number;

  /** @param cores How many the machine has. */
  constructor(cores: number) {
    this.#workers = Math.max(1, Math.min(cores, MAX_WORKERS));
  }

  start(files: MatchFiles): BlockMatcher {
    return new WorkerMatcher(files, this.#workers);
  }
}

interface Job {
  readonly piece: PieceIndex;
  readonly leaves: Uint8Array;
  readonly onDone: (found: Uint8Array) => void;
}

class WorkerMatcher implements BlockMatcher {
  readonly #files: MatchFiles;
  readonly #most: number;
  readonly #threads: Thread[] = [];
  readonly #waiting: Job[] = [];
  #isEnding = false;

  constructor(files: MatchFiles, most: number) {
    this.#files = files;
    this.#most = most;
  }

  match(piece: PieceIndex, leaves: Uint8Array, onDone: (found: Uint8Array) => void): void {
    if (this.#isEnding) return;
    this.#waiting.push({ piece, leaves, onDone });
    const idle = this.#threads.find((thread) => thread.job === undefined);
    if (idle !== undefined) this.#next(idle);
    else if (this.#threads.length < this.#most) this.#next(this.#start());
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    this.#waiting.length = 0;
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  #start(): Thread {
    const thread = new Thread(this.#files, (job, found) => {
      if (this.#isEnding) return;
      job.onDone(found ?? new Uint8Array(this.#files.layout.blockCount(job.piece)));
      this.#next(thread);
    });
    this.#threads.push(thread);
    return thread;
  }

  #next(thread: Thread): void {
    const job = thread.job === undefined ? this.#waiting.shift() : undefined;
    if (job !== undefined) thread.take(job);
  }
}

/** One Worker, and the piece that it looks at. */
class Thread {
  job: Job | undefined;
  readonly #worker: Worker | undefined;
  readonly #onDone: (job: Job, found: Uint8Array | undefined) => void;
  readonly #ended = Promise.withResolvers<void>();
  #isBroken = false;

  constructor({ layout, from, to }: MatchFiles, onDone: (job: Job, found: Uint8Array | undefined) => void) {
    this.#onDone = onDone;
    try {
      // A static URL: it is how `deno compile` learns which module the binary must carry.
      this.#worker = new Worker(new URL("./match_worker.ts", import.meta.url), { type: "module" });
    } catch {
      this.#break();
      return;
    }
    this.#worker.onmessage = ({ data }: MessageEvent<MatchAnswer>) => {
      if (data === "ended") this.#ended.resolve();
      else this.#done(data.found);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#break();
    };
    this.#tell({ layout: layout.source, from, to });
  }

  take(job: Job): void {
    this.job = job;
    if (this.#isBroken) return queueMicrotask(() => this.#done(undefined));
    this.#tell({ piece: job.piece, leaves: job.leaves });
  }

  async end(): Promise<void> {
    if (!this.#isBroken) this.#worker?.postMessage(null);
    await this.#ended.promise;
    this.#worker?.terminate();
  }

  #tell(task: MatchTask): void {
    this.#worker?.postMessage(task);
  }

  #done(found: Uint8Array | undefined): void {
    const { job } = this;
    this.job = undefined;
    if (job !== undefined) this.#onDone(job, found);
  }

  #break(): void {
    this.#isBroken = true;
    this.#ended.resolve();
    this.#done(undefined);
  }
}

/** Disks have a limit before processors do, and each Worker takes some 20 MB. */
const MAX_WORKERS = 4;
