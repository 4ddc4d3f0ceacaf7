// Keeps the pointer in the DHT: published when a new value is given, put again every half hour, and after a failure
// every five minutes. Who is told of it can see at any time what became of the last attempt.

import { SnapError } from "../errors.ts";
import type { Report } from "../events.ts";
import type { SigningKey } from "./keys.ts";
import {
  type PointerWriter,
  type Publication,
  type PublishOptions,
  publishPointer,
  refreshPointer,
} from "./publish.ts";
import { PublisherState } from "./publisher_state.ts";
import type { Clock, Files } from "../ports.ts";

export interface KeepPublishedOptions {
  readonly machine: { readonly clock: Clock; readonly files: Files; readonly pid: number };
  readonly dht: PointerWriter;
  readonly openReader: PublishOptions["openReader"];
  readonly key: SigningKey;
  readonly salt: Uint8Array;
  readonly statePath: string;
  readonly report: Report;
  /** The value is in the DHT, read back by a stranger. */
  readonly onPublished: (value: Uint8Array) => void;
}

/** What became of it so far. */
export interface PublishStatus {
  /** Whether the current value was published and read back, and no longer ago than nodes remember it. */
  readonly isVerified: boolean;
  readonly isPublishing: boolean;
  /** Of the last success; 0 before there is one. */
  readonly seq: number;
  /** Nodes that returned our item then. */
  readonly stored: number;
  /** Milliseconds since 1970; undefined before there was a success. */
  readonly lastUnixMs: number | undefined;
  readonly attempts: number;
  /** Of the last attempt; "" after a success. */
  readonly lastError: string;
}

export class KeepPublished {
  readonly #options: KeepPublishedOptions;
  #value: Uint8Array | undefined;
  #wake = new AbortController();
  #status: PublishStatus = {
    isVerified: false,
    isPublishing: false,
    seq: 0,
    stored: 0,
    lastUnixMs: undefined,
    attempts: 0,
    lastError: "",
  };

  constructor(options: KeepPublishedOptions) {
    this.#options = options;
  }

  get status(): PublishStatus {
    const { isVerified, lastUnixMs = 0 } = this.#status;
    const isForgotten = this.#options.machine.clock.unixMs() - lastUnixMs > ITEM_LIFE_MS;
    return { ...this.#status, isVerified: isVerified && !isForgotten };
  }

  /** Publishes this value from now on. @param value Bencoded. */
  publish(value: Uint8Array): void {
    this.#value = value;
    this.#status = { ...this.#status, isVerified: false };
    this.#wake.abort();
  }

  /** Runs until the signal aborts. Failures of the network or the disk are told and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.machine;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const pauseMs = this.#value === undefined ? FAILURE_PAUSE_MS : await this.#publish(this.#value, signal);
      await clock.sleep(pauseMs, AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  /** @returns How long to wait before it is done again. */
  async #publish(value: Uint8Array, signal: AbortSignal): Promise<number> {
    const { machine: { clock }, report, onPublished } = this.#options;
    const attempts = this.#status.attempts + 1;
    this.#status = { ...this.#status, attempts, isPublishing: true };
    try {
      const { item: { seq }, stored } = await this.#put(value, signal);
      const isCurrent = this.#value === value;
      const lastUnixMs = clock.unixMs();
      this.#status = {
        ...this.#status,
        isVerified: isCurrent,
        isPublishing: false,
        seq,
        stored,
        lastUnixMs,
        lastError: "",
      };
      if (isCurrent) onPublished(value);
      return isCurrent ? REFRESH_MS : 0;
    } catch (error) {
      if (signal.aborted) return 0;
      if (!(error instanceof SnapError)) throw error;
      this.#status = { ...this.#status, isPublishing: false, lastError: error.message };
      report({
        kind: "note",
        level: "warning",
        logger: LOGGER,
        text: `${error.message}; trying again in 5 min`,
      });
      return this.#value === value ? FAILURE_PAUSE_MS : 0;
    }
  }

  async #put(value: Uint8Array, signal: AbortSignal): Promise<Publication> {
    const { machine: { clock, files, pid }, dht, openReader, key, salt, statePath, report } = this.#options;
    const stream = { publicKey: key.publicKey, salt };
    // Held only while it is needed: `produce publish` is to work beside a running seeder.
    using state = PublisherState.open({ files, path: statePath, stream, pid, report });
    const put = state.isLatest(value) ? refreshPointer : publishPointer;
    return await put({ dht, openReader, key, salt, value, state, clock, signal, report });
  }
}

/** As upstream's. */
const REFRESH_MS = 1_800_000;
/** After that nodes forget an item (BEP 44). */
const ITEM_LIFE_MS = 7_200_000;
const FAILURE_PAUSE_MS = 300_000;
const LOGGER = "producer.publish";
