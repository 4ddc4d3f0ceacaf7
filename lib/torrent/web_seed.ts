// One web seed of one torrent (BEP 19): asks its server for parts of files and gives the swarm the blocks out of them,
// which are verified as anybody's. A server that is busy or broken is asked again later; one that does what it would do
// again is dropped, with the name of its fault.
//
//   idle -> working -> idle
//              |-----> resting (busy, too slow, unreachable) -> idle
//              |-----> gone (wrong answers, bad pieces)

import { OperationFailed } from "../errors.ts";
import type { Clock, HttpStream, HttpStreams } from "../ports.ts";
import { BLOCK_BYTES } from "./layout.ts";
import {
  MAX_WEB_SEED_RETRY_MS,
  WEB_SEED_FIRST_BLOCKS,
  WEB_SEED_MOST_BLOCKS,
  WEB_SEED_RETRY_MS,
  WEB_SEED_TIMEOUT_MS,
} from "./limits.ts";
import { Outsider } from "./outsider.ts";
import { RateMeter } from "./rate.ts";
import type { Swarm } from "./swarm.ts";
import type { TokenBucket } from "./token_bucket.ts";
import { checkAnswer, rangeOf, WebSeedFault } from "./web_seed_answer.ts";
import { BlockCutter, fileUrl, type Part, type Stretch, stretchesOf } from "./web_seed_parts.ts";

export interface WebSeedOptions {
  readonly url: string;
  readonly number: number;
  readonly swarm: Swarm;
  readonly http: HttpStreams;
  readonly clock: Clock;
  readonly client: string;
  /** What its bytes count against. */
  readonly limits: readonly TokenBucket[];
  /** What all web seeds of the torrent bring. */
  readonly rate: RateMeter;
  readonly note: (level: "debug" | "warning", text: string) => void;
}

export class WebSeed {
  /** For logs: paths and queries may hold secrets. */
  readonly host: string;
  readonly #options: WebSeedOptions;
  readonly #outsider: Outsider;
  #isWorking = false;
  #isGone = false;
  #mayGoOn: () => boolean = () => true;
  /** What it is asked for goes to others. */
  #givesWay = false;
  #restUntilMs = -Infinity;
  #failures = 0;
  #most = WEB_SEED_FIRST_BLOCKS;

  constructor(options: WebSeedOptions) {
    this.#options = options;
    this.host = new URL(options.url).host;
    this.#outsider = new Outsider(options.swarm, options.number);
    options.swarm.admit(options.number, (why) => this.#drop(`Banned web seed ${this.host}: it ${why}`));
  }

  /** Whether `work` would ask it for something. */
  isIdle(nowMs: number): boolean {
    return !this.#isWorking && !this.#isGone && nowMs >= this.#restUntilMs;
  }

  get holdsFailedPiece(): boolean {
    return this.#outsider.holdsFailedPiece;
  }

  /** Fetches until `mayGoOn` says no, or nothing is to be had. Never rejects for what a server does. */
  async work(mayGoOn: () => boolean, signal: AbortSignal): Promise<void> {
    this.#isWorking = true;
    this.#mayGoOn = mayGoOn;
    this.#givesWay = false;
    try {
      while (!this.#isOver(signal) && mayGoOn()) {
        const { download } = this.#options.swarm;
        const picked = this.#outsider.pick(this.#most);
        if (download === undefined || picked.length === 0) return;
        const beganMs = this.#options.clock.nowMs();
        for (const stretch of stretchesOf(download.layout, picked)) {
          await this.#fetch(stretch, signal);
          if (this.#isOver(signal)) return;
        }
        this.#failures = 0;
        const tookMs = this.#options.clock.nowMs() - beganMs;
        if (tookMs < ONE_ASKING_MS / 2) this.#most = Math.min(2 * this.#most, WEB_SEED_MOST_BLOCKS);
        else if (tookMs > 2 * ONE_ASKING_MS) this.#most = Math.max(this.#most >> 1, WEB_SEED_FIRST_BLOCKS);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof WebSeedFault) this.#onFault(error.why, error.isFinal);
      else if (error instanceof OperationFailed) this.#onFault(error.message, false);
      else throw error;
    } finally {
      this.#isWorking = false;
      if (!signal.aborted) this.#outsider.giveBack();
    }
  }

  async #fetch(stretch: Stretch, signal: AbortSignal): Promise<void> {
    const { swarm, clock, rate } = this.#options;
    const cutter = new BlockCutter(swarm.download!.layout, stretch, ({ piece, block }, data) => {
      rate.add(data.length, clock.nowMs());
      this.#outsider.give(piece, block, data, clock.nowMs());
    });
    for (const part of stretch.parts) {
      if (part.file === undefined) pushZeros(cutter, part.length);
      else await this.#fetchPart(part.file, part, cutter, signal);
      if (this.#isOver(signal)) return;
      swarm.onWake();
    }
  }

  async #fetchPart(file: number, part: Part, cutter: BlockCutter, signal: AbortSignal): Promise<void> {
    const { url, swarm, http, client } = this.#options;
    const { info } = swarm.download!;
    const wanted = { at: part.at, length: part.length, fileLength: info.files[file]!.length };
    const answer = await http.open(fileUrl(url, info, file), {
      timeoutMs: WEB_SEED_TIMEOUT_MS,
      signal,
      headers: { range: rangeOf(wanted), "user-agent": client.replace(" ", "/") },
      secure: true,
    });
    try {
      checkAnswer(answer, wanted);
      await this.#readPart(answer, part.length, cutter, signal);
    } finally {
      answer.close();
    }
  }

  async #readPart(
    answer: HttpStream,
    length: number,
    cutter: BlockCutter,
    signal: AbortSignal,
  ): Promise<void> {
    const { swarm, clock } = this.#options;
    let left = length;
    let windowMs = clock.nowMs();
    let windowBytes = 0;
    while (left > 0) {
      const bytes = await answer.read();
      if (this.#isOver(signal)) return;
      if (bytes === null) throw new WebSeedFault(`ends its answer ${left} bytes early`, false);
      if (bytes.length > left) throw new WebSeedFault("sends more than it was asked for", true);
      left -= bytes.length;
      cutter.push(bytes);
      swarm.onWake();
      windowBytes += bytes.length;
      const nowMs = clock.nowMs();
      if (nowMs - windowMs > WEB_SEED_TIMEOUT_MS) {
        if (windowBytes < BLOCK_BYTES) throw new WebSeedFault("is too slow to be of use", false);
        [windowMs, windowBytes] = [nowMs, 0];
        this.#givesWay = !this.#mayGoOn();
      }
      await this.#pace(bytes.length, signal);
      if (this.#isOver(signal)) return;
      windowMs += clock.nowMs() - nowMs;
    }
    if (await answer.read() !== null) throw new WebSeedFault("sends more than it was asked for", true);
  }

  /** Waits while a limit or the disk wants it. */
  async #pace(count: number, signal: AbortSignal): Promise<void> {
    const { swarm, clock, limits } = this.#options;
    for (const limit of limits) limit.spend(count, clock.nowMs());
    for (const limit of limits) await clock.sleep(limit.delayMs(clock.nowMs()), signal);
    while (swarm.download?.sink.isBehind === true && !signal.aborted) await swarm.download.sink.room();
  }

  #isOver(signal: AbortSignal): boolean {
    return signal.aborted || this.#isGone || this.#givesWay;
  }

  #onFault(why: string, isFinal: boolean): void {
    if (isFinal) return this.#drop(`Web seed ${this.host} is not asked any more: it ${why}`);
    const pauseMs = Math.min(WEB_SEED_RETRY_MS * 2 ** this.#failures, MAX_WEB_SEED_RETRY_MS);
    this.#failures++;
    this.#most = WEB_SEED_FIRST_BLOCKS;
    this.#restUntilMs = this.#options.clock.nowMs() + pauseMs;
    // The port's sentences name the host themselves.
    const what = why.startsWith("Cannot") ? why : `Web seed ${this.host} ${why}`;
    this.#options.note(this.#failures === 1 ? "warning" : "debug", `${what}; again in ${pauseMs / 1000} s`);
  }

  #drop(text: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#options.note("warning", text);
  }
}

function pushZeros(cutter: BlockCutter, length: number): void {
  for (let left = length; left > 0; left -= BLOCK_BYTES) {
    cutter.push(new Uint8Array(Math.min(left, BLOCK_BYTES)));
  }
}

/** So much is asked for at once as comes in about this time: a question costs the way there and back. */
const ONE_ASKING_MS = 4_000;
