// A Worker that hashes and writes blocks as they come into a ring in shared memory (torrent/block_ring.ts), with files of
// its own opening. One message comes in, the task; from then on it looks at the ring only, and sleeps on it.

import { BlockMill } from "../torrent/block_mill.ts";
import { CONTROL, type RingMemory } from "../torrent/block_ring.ts";
import { Layout, type LayoutSource } from "../torrent/layout.ts";
import { FileStorage } from "../torrent/storage.ts";
import { systemFiles } from "./files.ts";
import { type Failure, failureOf } from "./worker_failure.ts";

export interface MillTask {
  readonly memory: RingMemory;
  readonly layout: LayoutSource;
  readonly paths: readonly string[];
}

/** "ready" first, "ended" last; its files are closed then. */
export type MillAnswer =
  | { readonly kind: "ready" | "wake" | "ended" }
  | ({ readonly kind: "failed" } & Failure);

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<MillTask>) => void) | null;
  postMessage(answer: MillAnswer): void;
};

scope.onmessage = ({ data: { memory, layout: source, paths } }) => {
  try {
    const layout = Layout.of(source);
    const storage = FileStorage.open({ files: systemFiles, layout, paths, mode: "write" });
    try {
      scope.postMessage({ kind: "ready" });
      run(memory.control, new BlockMill(memory, layout, storage));
    } finally {
      storage.close();
    }
  } catch (error) {
    scope.postMessage({ kind: "failed", ...failureOf(error) });
  }
  scope.postMessage({ kind: "ended" });
};

function run(control: Int32Array, mill: BlockMill): void {
  let told = Atomics.load(control, CONTROL.done);
  const tell = (done: number) => {
    told = done;
    Atomics.store(control, CONTROL.wants, 0);
    scope.postMessage({ kind: "wake" });
  };
  const onDone = (done: number) => {
    Atomics.notify(control, CONTROL.done);
    const isWanted = Atomics.load(control, CONTROL.wants) !== 0 &&
      ((done - Atomics.load(control, CONTROL.wanted)) | 0) >= 0;
    if (isWanted) tell(done);
  };
  for (;;) {
    const bell = Atomics.load(control, CONTROL.bell);
    // In this order: the other side moves DONE first when it does a job itself.
    const ready = Atomics.load(control, CONTROL.ready);
    const done = Atomics.load(control, CONTROL.done);
    if (((ready - done) | 0) > 0) {
      mill.work(done, ready, onDone);
      continue;
    }
    if (Atomics.load(control, CONTROL.stop) !== 0) return;
    // More comes within this time from whoever is awake, and looks at DONE by itself then.
    const isIdle = Atomics.wait(control, CONTROL.bell, bell, SOON_MS) === "timed-out";
    if (!isIdle) continue;
    if (done !== told || Atomics.load(control, CONTROL.wants) !== 0) tell(done);
    Atomics.wait(control, CONTROL.bell, bell);
  }
}

const SOON_MS = 1;
