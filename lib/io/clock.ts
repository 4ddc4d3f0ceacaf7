// The machine's time. Deadlines and rates use a counter that never jumps; only files and people see the date.

import type { Clock } from "../ports.ts";

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  unixMs: () => Date.now(),
  sleep(ms, signal) {
    if (signal?.aborted === true || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.min(ms, LONGEST_TIMER_MS));
      signal?.addEventListener("abort", wake);
    });
  },
};

/** Above this a timer fires at once instead of late (the runtime holds a signed 32-bit number). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
