// The well-known nodes that a lookup starts from when it knows too few others. Their names are resolved in parallel
// and each is of use the moment it is known; one that cannot be resolved costs nothing and is tried again later.

import type { Endpoint } from "../ports.ts";
import { isIpv4 } from "../address.ts";

/** Where a stranger's DHT node begins: upstream's three, and libtorrent's own. */
export const PUBLIC_ROUTERS: readonly Endpoint[] = [
  { host: "router.bittorrent.com", port: 6881 },
  { host: "router.utorrent.com", port: 6881 },
  { host: "dht.transmissionbt.com", port: 6881 },
  { host: "dht.libtorrent.org", port: 25401 },
];

export class Routers {
  readonly #resolve: (host: string) => Promise<string[]>;
  readonly #nowMs: () => number;
  readonly #found: Endpoint[] = [];
  readonly #listeners = new Set<() => void>();
  #unresolved: readonly Endpoint[];
  #inFlight = 0;
  #triedAtMs = -Infinity;

  /** @param names Host names or addresses; IPv6 addresses are of no use here and left out. */
  constructor({ names, resolve, nowMs }: {
    names: readonly Endpoint[];
    resolve: (host: string) => Promise<string[]>;
    nowMs: () => number;
  }) {
    this.#resolve = resolve;
    this.#nowMs = nowMs;
    this.#found = names.filter(({ host }) => isIpv4(host));
    this.#unresolved = names.filter(({ host }) => !isIpv4(host) && !host.includes(":"));
  }

  /** Those whose addresses are known by now. */
  get found(): readonly Endpoint[] {
    return this.#found;
  }

  /** Whether this endpoint is one of them. */
  has({ host, port }: Endpoint): boolean {
    return this.#found.some((router) => router.host === host && router.port === port);
  }

  /** Whether more may become known soon. */
  get resolving(): boolean {
    return this.#inFlight > 0;
  }

  /** Asks for the names that are still unknown, unless that was done just now. */
  refresh(): void {
    if (this.resolving || this.#nowMs() - this.#triedAtMs < RETRY_AFTER_MS) return;
    this.#triedAtMs = this.#nowMs();
    const names = this.#unresolved;
    this.#unresolved = [];
    this.#inFlight = names.length;
    for (const name of names) void this.#lookUp(name);
  }

  /** Calls back after each name's end. @returns What ends that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #lookUp(name: Endpoint): Promise<void> {
    const addresses = await this.#resolve(name.host).catch(() => []);
    const usable = addresses.filter(isIpv4).slice(0, MAX_ADDRESSES_PER_NAME);
    if (usable.length === 0) this.#unresolved = [...this.#unresolved, name];
    for (const host of usable) this.#found.push({ host, port: name.port });
    this.#inFlight--;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** A name is not asked for more often: resolvers cache failures about as long. */
const RETRY_AFTER_MS = 5000;
/** A name may have been pointed at many machines; a few are enough. */
const MAX_ADDRESSES_PER_NAME = 4;
