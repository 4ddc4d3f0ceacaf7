// One look after another for the authority's pointer, and what a mirror does for it: where few nodes hold the newest
// item, or none does any more, it is put again as it was signed, so that it outlives its producer's absence.

import type { LookupResult } from "../dht/dht_node.ts";
import { type Holder, isSame, type PutAnswer } from "../dht/put.ts";
import type { SignedItem } from "../dht/signature.ts";
import type { Report } from "../events.ts";
import type { Clock } from "../ports.ts";
import { type Candidate, discover, DiscoveryMemory, type ItemSource } from "../snapshot/discover.ts";
import type { Stream, TrustStore } from "../snapshot/trust.ts";

/** The part of a DHT node that is needed; `DhtNode` has it. */
export interface PointerDht {
  getItem(options: Parameters<ItemSource["getItem"]>[0]): Promise<LookupResult>;
  put(options: {
    readonly item: SignedItem;
    readonly holders: readonly Holder[];
    readonly signal: AbortSignal;
  }): Promise<PutAnswer[]>;
}

export interface PointerWatchOptions {
  readonly dht: PointerDht;
  readonly trust: TrustStore;
  readonly stream: Stream;
  readonly clock: Clock;
  /** How long one look goes on while nobody answers. */
  readonly timeoutMs: number;
  /** Put the item again where it is rare. */
  readonly refresh: boolean;
  readonly report: Report;
}

export class PointerWatch {
  readonly #options: PointerWatchOptions;
  /** What was refused is told once in a run. */
  readonly #memory = new DiscoveryMemory();

  constructor(options: PointerWatchOptions) {
    this.#options = options;
  }

  /**
   * Looks until an answer can be trusted.
   *
   * @throws {NothingDiscovered | PointerUntrusted} `PathUnusable` or `NotEnoughSpace` when trust cannot be stored.
   */
  async look(signal: AbortSignal): Promise<Candidate> {
    const { dht, trust, stream, clock, timeoutMs, report } = this.#options;
    let last: LookupResult | undefined;
    let mended = false;
    const source: ItemSource = {
      getItem: async (options) => {
        last = await dht.getItem(options);
        // Whoever has just been asked is known to answer: what is lost there is put back before the next question.
        if (!mended && this.#isLost(last)) mended = await this.#put(trust.accepted(stream)!, last, signal);
        return last;
      },
    };
    const candidate = await discover({
      dht: source,
      trust,
      authority: stream.publicKey,
      salt: stream.salt,
      clock,
      timeoutMs,
      signal,
      report,
      memory: this.#memory,
    });
    if (last !== undefined && this.#isRare(last, candidate.item)) {
      await this.#put(candidate.item, last, signal);
    }
    return candidate;
  }

  /** Whether a whole lookup found nothing as new as what was accepted. */
  #isLost({ item, finished }: LookupResult): boolean {
    const { refresh, trust, stream } = this.#options;
    const accepted = trust.accepted(stream);
    // What another file vouches for is newer than all we could put.
    const isNewest = accepted !== undefined && trust.floor(stream).value !== undefined;
    return refresh && finished && isNewest && (item === undefined || item.seq < accepted.seq);
  }

  #isRare({ item, copies, finished, conflict }: LookupResult, accepted: SignedItem): boolean {
    const isIt = item !== undefined && !conflict && isSame(item, accepted);
    return this.#options.refresh && finished && isIt && copies <= FEW_COPIES;
  }

  /** @returns Whether it was put. */
  async #put(item: SignedItem, { holders }: LookupResult, signal: AbortSignal): Promise<boolean> {
    if (holders.length === 0 || signal.aborted) return false;
    const answers = await this.#options.dht.put({ item, holders, signal });
    const stored = answers.filter(({ outcome }) => outcome.kind === "stored").length;
    const text =
      `Put the pointer at seq ${item.seq} again, as it is: ${stored} of ${answers.length} nodes have it`;
    this.#options.report({ kind: "note", level: "debug", logger: "mirror.discovery", text });
    return true;
  }
}

/** BEP 44: with more, nobody needs our help. */
const FEW_COPIES = 8;
