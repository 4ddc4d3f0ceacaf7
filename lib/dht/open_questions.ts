// The questions that wait for an answer: who may answer which, when one is sent once more, and when it is given up. A
// datagram in ten may be lost either way, so one in five questions would be; those that are asked twice are one in
// twenty-five, and nobody waits longer for it.
//
//   sent -> (half the time) -> sent again, the same bytes -> (the other half) -> given up
//    |________________________________|________________________________________> answered
//
// All wait equally long, so the oldest entry is always the next one due: one sleeper serves them all.

import { toHex } from "../bytes.ts";
import { formatEndpoint } from "../endpoint.ts";
import type { Clock, Endpoint } from "../ports.ts";

interface Question {
  readonly to: Endpoint;
  readonly transaction: Uint8Array;
  /** undefined once it was sent again. */
  bytes: Uint8Array | undefined;
  dueMs: number;
}

export interface OpenQuestionsOptions {
  readonly clock: Pick<Clock, "nowMs" | "sleep">;
  /** Until a question is given up. */
  readonly timeoutMs: number;
  readonly send: (bytes: Uint8Array, to: Endpoint) => void;
  /** Called once for each question that is given up. */
  readonly onSilence: (transaction: Uint8Array) => void;
}

export class OpenQuestions {
  readonly #options: OpenQuestionsOptions;
  /** By endpoint and transaction id, the one that is due next first. */
  readonly #waiting = new Map<string, Question>();
  readonly #closing = new AbortController();
  #isWatching = false;

  constructor(options: OpenQuestionsOptions) {
    this.#options = options;
  }

  /** A question that has just been sent. */
  add(to: Endpoint, transaction: Uint8Array, bytes: Uint8Array): void {
    if (this.#closing.signal.aborted) return;
    if (this.#waiting.size >= MAX_QUESTIONS) this.#giveUp(...this.#waiting.entries().next().value!);
    this.#wait({ to, transaction, bytes, dueMs: 0 });
    if (!this.#isWatching) void this.#watch();
  }

  /** Whether this answers one of them, which is then answered. */
  take(from: Endpoint, transaction: Uint8Array): boolean {
    return this.#waiting.delete(keyOf(from, transaction));
  }

  /** Forgets them all; nothing is sent or called any more. */
  close(): void {
    this.#closing.abort();
    this.#waiting.clear();
  }

  #wait(question: Question): void {
    question.dueMs = this.#options.clock.nowMs() + this.#options.timeoutMs / 2;
    const key = keyOf(question.to, question.transaction);
    this.#waiting.delete(key);
    this.#waiting.set(key, question);
  }

  async #watch(): Promise<void> {
    this.#isWatching = true;
    const { clock } = this.#options;
    for (let first = this.#first(); first !== undefined; first = this.#first()) {
      const { dueMs } = first;
      await clock.sleep(dueMs - clock.nowMs(), this.#closing.signal);
      // By the time that was slept for, not by the clock: timers may come a little early.
      for (const [key, question] of this.#dueBy(dueMs)) this.#onDue(key, question);
    }
    this.#isWatching = false;
  }

  #first(): Question | undefined {
    return this.#waiting.values().next().value;
  }

  #dueBy(dueMs: number): [string, Question][] {
    const due: [string, Question][] = [];
    for (const entry of this.#waiting) {
      if (entry[1].dueMs > dueMs) break;
      due.push(entry);
    }
    return due;
  }

  #onDue(key: string, question: Question): void {
    const { bytes } = question;
    // What was called for the one before may have ended it.
    if (!this.#waiting.has(key)) return;
    if (bytes === undefined) return this.#giveUp(key, question);
    question.bytes = undefined;
    this.#wait(question);
    this.#options.send(bytes, question.to);
  }

  #giveUp(key: string, { transaction }: Question): void {
    this.#waiting.delete(key);
    this.#options.onSilence(transaction);
  }
}

function keyOf(endpoint: Endpoint, transaction: Uint8Array): string {
  return `${formatEndpoint(endpoint)} ${toHex(transaction)}`;
}

/** All that can be open at once, several times over. */
const MAX_QUESTIONS = 4096;
