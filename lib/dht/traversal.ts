// Drives one walk to its end: asks, hears, asks nearer ones, and stops as soon as the rule is met (walk.ts: the
// eight nearest have each answered or timed out, and one answered). It has no timer: every question ends by itself.
// Routers are asked when too few nodes are known to begin with, or when those that are known lead nowhere.

import { formatEndpoint } from "../endpoint.ts";
import type { Endpoint } from "../ports.ts";
import { isWorthAsking } from "../address.ts";
import { type Contact, parseNodes } from "./contact.ts";
import type { Reply } from "./guard.ts";
import type { Routers } from "./routers.ts";
import { NEAREST, type Walk } from "./walk.ts";

export interface TraversalOptions {
  readonly walk: Walk;
  readonly seeds: readonly Contact[];
  readonly routers: Routers;
  /** Sends the question; `done` is called exactly once, undefined for no answer. */
  readonly ask: (to: Endpoint, done: (reply: Reply | undefined) => void) => void;
  /** Each answer as it comes. What it throws ends the traversal. */
  readonly onReply: (reply: Reply, from: Endpoint) => void;
  readonly signal: AbortSignal;
}

export interface TraversalEnd {
  /** Whether the rule was met; false when aborted, when nobody answered, or when liars led us on too far. */
  readonly finished: boolean;
  /** Endpoints that gave no answer in time. */
  readonly silent: ReadonlySet<string>;
}

/** Walks until the rule is met or nothing is left to ask. Rejects only with what `onReply` throws. */
export function traverse(options: TraversalOptions): Promise<TraversalEnd> {
  return new Promise((resolve, reject) => new Traversal(options, resolve, reject).start());
}

class Traversal {
  readonly #walk: Walk;
  readonly #options: TraversalOptions;
  readonly #resolve: (end: TraversalEnd) => void;
  readonly #reject: (error: unknown) => void;
  readonly #silent = new Set<string>();
  readonly #unsubscribe: () => void;
  readonly #abort = () => this.#end(false);
  #inFlight = 0;
  #routersInFlight = 0;
  #ended = false;

  constructor(
    options: TraversalOptions,
    resolve: (end: TraversalEnd) => void,
    reject: (error: unknown) => void,
  ) {
    this.#options = options;
    this.#walk = options.walk;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#unsubscribe = options.routers.subscribe(() => this.#pump());
  }

  start(): void {
    if (this.#options.signal.aborted) return this.#end(false);
    this.#options.signal.addEventListener("abort", this.#abort);
    this.#options.routers.refresh();
    this.#walk.add(this.#options.seeds);
    if (this.#options.seeds.length < NEAREST) this.#askRouters();
    this.#pump();
  }

  #pump(): void {
    if (this.#ended) return;
    // A small network's routers are nodes like any other: with fewer than eight answers, theirs count too.
    const enough = this.#walk.answers >= NEAREST || this.#routersInFlight === 0;
    if (this.#walk.settled && enough) return this.#end(true);
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const contact = this.#walk.next();
      if (contact === undefined) break;
      this.#ask(contact);
    }
    if (this.#walk.answers < NEAREST && this.#inFlight === 0) this.#askRouters();
    if (this.#inFlight > 0) return;
    if (this.#walk.answers === 0 && this.#options.routers.resolving) return;
    this.#end(this.#walk.settled);
  }

  #askRouters(): void {
    for (const router of this.#options.routers.found) {
      if (!this.#walk.noteAsked(router)) continue;
      this.#routersInFlight++;
      this.#ask(router, () => this.#routersInFlight--);
    }
  }

  #ask(to: Endpoint, ended?: () => void): void {
    this.#inFlight++;
    this.#options.ask(to, (reply) => {
      this.#inFlight--;
      ended?.();
      if (this.#ended) return;
      try {
        this.#hear(to, reply);
        this.#pump();
      } catch (error) {
        this.#leave();
        this.#reject(error);
      }
    });
  }

  #hear(from: Endpoint, reply: Reply | undefined): void {
    if (reply === undefined) {
      this.#silent.add(formatEndpoint(from));
      return this.#walk.failed(from);
    }
    this.#walk.answered(from, reply.id.slice(), reply.body.bytes("token")?.slice());
    const nodes = parseNodes(reply.body.bytes("nodes") ?? NONE).slice(0, MAX_NODES_PER_REPLY);
    this.#walk.add(nodes.filter((node) => isWorthAsking(node, from)));
    this.#options.onReply(reply, from);
  }

  #end(finished: boolean): void {
    if (this.#ended) return;
    this.#leave();
    this.#resolve({ finished, silent: this.#silent });
  }

  #leave(): void {
    this.#ended = true;
    this.#unsubscribe();
    this.#options.signal.removeEventListener("abort", this.#abort);
  }
}

const NONE = new Uint8Array(0);
/** Twice the eight: dead ones among the nearest do not keep the others from being asked. */
const MAX_IN_FLIGHT = 16;
/** BEP 5 says 8, some send 16 or 20. */
const MAX_NODES_PER_REPLY = 20;
