// How many Workers something starts.

/** @returns Their number, when what was run has come to its end. */
export async function workersOf(run: () => Promise<unknown>): Promise<number> {
  const { Worker } = globalThis;
  let started = 0;
  globalThis.Worker = class extends Worker {
    constructor(specifier: string | URL, options?: WorkerOptions) {
      super(specifier, options);
      started++;
    }
  };
  try {
    await run();
  } finally {
    globalThis.Worker = Worker;
  }
  return started;
}
