// Questions on virtual time: when they go out again, when they are given up, and who may answer them.

import assert from "node:assert/strict";
import { OpenQuestions } from "../../lib/dht/open_questions.ts";
import type { Endpoint } from "../../lib/ports.ts";
import { VirtualClock } from "../sim/virtual_clock.ts";

const A: Endpoint = { host: "192.0.2.1", port: 6881 };
const B: Endpoint = { host: "192.0.2.2", port: 6881 };
const id = (number: number) => Uint8Array.of(0, number);

/** What happened, each with its time. */
function open() {
  const clock = new VirtualClock();
  const log: string[] = [];
  const questions: OpenQuestions = new OpenQuestions({
    clock,
    timeoutMs: 1000,
    send: (bytes, { host }) => log.push(`${clock.nowMs()} ${host} ${bytes}`),
    onSilence: (transaction) => {
      log.push(`${clock.nowMs()} silence ${transaction[1]}`);
      if (transaction[1] === 9) questions.add(B, id(10), Uint8Array.of(10));
    },
  });
  const run = (untilMs: number) => {
    let isThen = false;
    clock.at(untilMs, () => isThen = true);
    return clock.run(() => isThen, untilMs);
  };
  return { questions, log, run, clock };
}

Deno.test("OpenQuestions sends each once more after half the time and gives it up after all of it", async () => {
  const { questions, log, run } = open();
  questions.add(A, id(1), Uint8Array.of(1));
  await run(200);
  questions.add(B, id(2), Uint8Array.of(2));
  await run(5000);
  assert.deepEqual(log, [
    "500 192.0.2.1 1",
    "700 192.0.2.2 2",
    "1000 silence 1",
    "1200 silence 2",
  ]);
  questions.add(A, id(3), Uint8Array.of(3));
  await run(9000);
  assert.deepEqual(log.slice(4), ["5500 192.0.2.1 3", "6000 silence 3"]);
});

Deno.test("take() ends a question, once, and only for who was asked", async () => {
  const { questions, log, run } = open();
  questions.add(A, id(1), Uint8Array.of(1));
  questions.add(A, id(2), Uint8Array.of(2));
  assert.equal(questions.take(B, id(1)), false);
  assert.equal(questions.take({ ...A, port: 6882 }, id(1)), false);
  assert.equal(questions.take(A, id(1)), true);
  assert.equal(questions.take(A, id(1)), false);
  await run(600);
  assert.equal(questions.take(A, id(2)), true, "after it was sent again");
  await run(5000);
  assert.deepEqual(log, ["500 192.0.2.1 2"]);
});

Deno.test("OpenQuestions takes a question that the end of another brings", async () => {
  const { questions, log, run } = open();
  questions.add(A, id(9), Uint8Array.of(9));
  await run(5000);
  assert.deepEqual(log, ["500 192.0.2.1 9", "1000 silence 9", "1500 192.0.2.2 10", "2000 silence 10"]);
});

Deno.test("OpenQuestions gives up the oldest when there are too many", () => {
  const { questions, log } = open();
  for (let number = 0; number < 4097; number++) {
    questions.add({ ...A, port: number + 1 }, id(number & 255), Uint8Array.of(1));
  }
  assert.deepEqual(log, ["0 silence 0"]);
});

Deno.test("close() leaves nothing to be sent, called, or waited for", async () => {
  const { questions, log, clock } = open();
  questions.add(A, id(1), Uint8Array.of(1));
  questions.close();
  questions.add(A, id(2), Uint8Array.of(2));
  assert.equal(await clock.run(() => false, 5000), false);
  assert.deepEqual([log, clock.nowMs()], [[], 0]);
});
