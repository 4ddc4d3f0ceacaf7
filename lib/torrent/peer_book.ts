// The addresses that a torrent knows: whom to dial next, whom to leave alone for a while, whom never again. Bounded:
// strangers may tell of any number of addresses.
//
//   known -> dialing -> connected
//     ^________|___________|   failed or closed: again later, or forgotten
//   banned: by host, for as long as we run

import { endpointKey, networkOf } from "./compact.ts";
import { MAX_CANDIDATES, MAX_DIAL_FAILURES, MAX_FAULTS, MAX_PORTS_PER_HOST } from "./limits.ts";
import type { PeerSource } from "./peer_owner.ts";
import type { Endpoint } from "../ports.ts";

/** Pause before a peer is dialed again: doubled with each failure in a row. */
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 300_000;

/** Faults are counted over this time: many may share an address in the weeks that a seed runs. */
const FAULTS_MS = 3_600_000;

export interface Candidate {
  readonly endpoint: Endpoint;
  readonly source: PeerSource;
}

interface Entry extends Candidate {
  state: "known" | "dialing" | "connected";
  failures: number;
  notBeforeMs: number;
  /** It has everything: of no use to a seed. */
  isSeed: boolean;
  wasDialed: boolean;
}

export class PeerBook {
  readonly #entries = new Map<string, Entry>();
  readonly #perHost = new Map<string, number>();
  readonly #banned = new Set<string>();
  /** Hosts that broke the protocol lately, the latest last. */
  readonly #faults = new Map<string, { count: number; readonly sinceMs: number }>();

  /** Addresses known, connected ones among them. */
  get size(): number {
    return this.#entries.size;
  }

  get bannedCount(): number {
    return this.#banned.size;
  }

  /** Learns of an address. @returns Whether it is new. */
  add(endpoint: Endpoint, source: PeerSource, nowMs: number): boolean {
    const key = endpointKey(endpoint);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      // A v2 source knows more of the peer than a v1 source; the user's word outranks every limit.
      if (source === "user" || (source.endsWith("-v2") && known.source !== "user")) {
        this.#entries.set(key, { ...known, source });
      }
      return false;
    }
    if (this.isBanned(endpoint.host)) return false;
    const network = networkOf(endpoint.host);
    const ports = this.#perHost.get(network) ?? 0;
    if (source !== "user" && (this.#entries.size >= MAX_CANDIDATES || ports >= MAX_PORTS_PER_HOST)) {
      return false;
    }
    if (source === "pex" && this.#ofPex() >= MAX_CANDIDATES / 2) return false;
    this.#entries.set(key, {
      endpoint,
      source,
      state: "known",
      failures: 0,
      notBeforeMs: nowMs,
      isSeed: false,
      wasDialed: false,
    });
    this.#perHost.set(network, ports + 1);
    return true;
  }

  /**
   * The next address to dial, marked as being dialed; undefined when none is due.
   *
   * @param options.isSeeding We have everything: those that have it too are left out.
   * @param options.isNew Only those that were never dialed.
   */
  next(
    nowMs: number,
    options: { readonly isSeeding: boolean; readonly isNew?: boolean } = { isSeeding: false },
  ): Candidate | undefined {
    let best: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.state !== "known" || entry.notBeforeMs > nowMs) continue;
      if (options.isSeeding && entry.isSeed) continue;
      if (options.isNew === true && entry.wasDialed) continue;
      if (best === undefined || isBetter(entry, best)) best = entry;
    }
    if (best === undefined) return undefined;
    best.state = "dialing";
    best.wasDialed = true;
    return best;
  }

  /** When the next address is due, undefined when none waits. */
  nextDueMs(): number | undefined {
    let due: number | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.state === "known" && (due === undefined || entry.notBeforeMs < due)) due = entry.notBeforeMs;
    }
    return due;
  }

  connected(endpoint: Endpoint): void {
    const entry = this.#entries.get(endpointKey(endpoint));
    if (entry !== undefined) entry.state = "connected";
  }

  /** It has everything, as it says itself or as others say. */
  markSeed(endpoint: Endpoint): void {
    const entry = this.#entries.get(endpointKey(endpoint));
    if (entry !== undefined) entry.isSeed = true;
  }

  /** It is ourselves: never dialed again. */
  markOwn(endpoint: Endpoint): void {
    const entry = this.#entries.get(endpointKey(endpoint));
    if (entry !== undefined) entry.notBeforeMs = Infinity;
  }

  /**
   * The dial failed or the connection ended.
   *
   * @param wasUseful It brought something: the count of failures starts anew.
   */
  ended(endpoint: Endpoint, options: { readonly wasUseful: boolean; readonly nowMs: number }): void {
    const key = endpointKey(endpoint);
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.state = "known";
    entry.failures = options.wasUseful ? 0 : entry.failures + 1;
    if (entry.failures > MAX_DIAL_FAILURES && entry.source !== "user") return this.#forget(key, entry);
    const exponent = Math.min(entry.failures, MAX_DIAL_FAILURES + 2);
    entry.notBeforeMs = options.nowMs + Math.min(FIRST_RETRY_MS * 2 ** exponent, LONGEST_RETRY_MS);
  }

  /** The connection ended only to be opened anew with the v2 hash: at once. */
  redialAsV2(endpoint: Endpoint, nowMs: number): void {
    const key = endpointKey(endpoint);
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const source = entry.source === "user" ? "user" : "dht-v2";
    this.#entries.set(key, { ...entry, source, state: "known", failures: 0, notBeforeMs: nowMs });
  }

  isBanned(host: string): boolean {
    return this.#banned.has(networkOf(host));
  }

  /** Nothing more is heard from or said to this host. */
  ban(host: string): void {
    const network = networkOf(host);
    this.#banned.add(network);
    for (const [key, entry] of this.#entries) {
      if (networkOf(entry.endpoint.host) === network) this.#forget(key, entry);
    }
  }

  /** Somebody there broke the protocol. @returns Whether that is once too often: then the host should be banned. */
  fault(host: string, nowMs: number): boolean {
    const network = networkOf(host);
    const known = this.#faults.get(network);
    const isFresh = known === undefined || nowMs - known.sinceMs > FAULTS_MS;
    const faults = isFresh ? { count: 0, sinceMs: nowMs } : known;
    faults.count++;
    this.#faults.delete(network);
    this.#faults.set(network, faults);
    if (this.#faults.size > MAX_CANDIDATES) this.#faults.delete(this.#faults.keys().next().value!);
    return faults.count >= MAX_FAULTS;
  }

  /** Each peer may name a hundred every ten seconds, dead ones all: there must be room for what others name. */
  #ofPex(): number {
    let count = 0;
    for (const { source } of this.#entries.values()) if (source === "pex") count++;
    return count;
  }

  #forget(key: string, entry: Entry): void {
    this.#entries.delete(key);
    const network = networkOf(entry.endpoint.host);
    const left = (this.#perHost.get(network) ?? 1) - 1;
    if (left > 0) this.#perHost.set(network, left);
    else this.#perHost.delete(network);
  }
}

/** Fewer failures first; among equals those first that did not come from some peer. */
function isBetter(a: Entry, b: Entry): boolean {
  if (a.failures !== b.failures) return a.failures < b.failures;
  return a.source !== "pex" && b.source === "pex";
}
