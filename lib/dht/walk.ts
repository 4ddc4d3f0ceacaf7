// Whom to ask next on the way to a target, and when to stop: the rules of one iterative lookup, without sockets or
// time. Whoever drives it reports each question's end; a node that answers under another id than it was named by is
// taken under the id that it gave.
//
//   known -> asked -> answered
//              |_____ failed     forgotten: the next nearest takes its place
//
// Settled: the K nearest have all answered. A dead node holds that up only until its question times out, since the
// nodes behind it are asked at the same time.

import { compareBytes, equalBytes } from "../bytes.ts";
import { isLocal } from "../address.ts";
import { type Contact } from "./contact.ts";
import { formatEndpoint } from "../endpoint.ts";
import type { Endpoint } from "../ports.ts";

/** How many of the nearest hold an item or an announce (BEP 5's k). */
export const NEAREST = 8;

/** A node that answered on the way, with what it wants to see before it stores anything. */
export interface Answered extends Contact {
  readonly token: Uint8Array | undefined;
}

export class Walk {
  readonly #target: Uint8Array;
  readonly #ownId: Uint8Array;
  /** Nearest first; at most MAX_CANDIDATES; failed ones are not in it. */
  #entries: Entry[] = [];
  readonly #asked = new Set<string>();
  #answers = 0;

  constructor({ target, ownId }: { target: Uint8Array; ownId: Uint8Array }) {
    this.#target = target;
    this.#ownId = ownId;
  }

  /** Nodes that answered so far. */
  get answers(): number {
    return this.#answers;
  }

  /** Names nodes; those known already and those farther than the hundred nearest change nothing. */
  add(contacts: Iterable<Contact>): void {
    for (const contact of contacts) {
      if (equalBytes(contact.id, this.#ownId) || this.#asked.has(formatEndpoint(contact))) continue;
      this.#insert({ contact, state: "known", token: undefined });
    }
  }

  /** The nearest node worth asking now, which counts as asked from here on; undefined when there is none. */
  next(): Contact | undefined {
    if (this.#asked.size >= MAX_ASKED) return undefined;
    for (const entry of this.#front(WIDTH)) {
      if (entry.state !== "known") continue;
      entry.state = "asked";
      this.noteAsked(entry.contact);
      return entry.contact;
    }
    return undefined;
  }

  /** For an endpoint that is asked without being named by id: a router, a cached address. False when it was before. */
  noteAsked(endpoint: Endpoint): boolean {
    const key = formatEndpoint(endpoint);
    if (this.#asked.has(key)) return false;
    this.#asked.add(key);
    // Other ids under one endpoint are somebody's invention: its answer will tell the true one.
    this.#entries = this.#entries.filter((entry) =>
      entry.state !== "known" || formatEndpoint(entry.contact) !== key
    );
    return true;
  }

  answered(from: Endpoint, id: Uint8Array, token?: Uint8Array): void {
    this.#forget(from);
    this.#answers++;
    if (equalBytes(id, this.#ownId)) return;
    this.#insert({ contact: { host: from.host, port: from.port, id }, state: "answered", token });
  }

  failed(endpoint: Endpoint): void {
    this.#forget(endpoint);
  }

  /** Whether at least one node answered and none of the nearest is still to answer. */
  get settled(): boolean {
    return this.#answers > 0 && this.#front(NEAREST).every((entry) => entry.state === "answered");
  }

  /** The nearest that answered, nearest first. */
  nearestAnswered(count: number): Answered[] {
    return this.#front(MAX_CANDIDATES)
      .filter((entry) => entry.state === "answered")
      .slice(0, count)
      .map(({ contact, token }) => ({ ...contact, token }));
  }

  /** All that answered with a token, nearest first. */
  nearestWithToken(): (Answered & { readonly token: Uint8Array })[] {
    return this.nearestAnswered(MAX_CANDIDATES).flatMap(({ token, ...contact }) =>
      token === undefined ? [] : [{ ...contact, token }]
    );
  }

  /** The nearest entries, of which no more than two share a public address: one host must not be all of them. */
  #front(count: number): Entry[] {
    const front: Entry[] = [];
    const perHost = new Map<string, number>();
    for (const entry of this.#entries) {
      if (front.length === count) break;
      const { host } = entry.contact;
      const before = perHost.get(host) ?? 0;
      if (before >= MAX_PER_PUBLIC_HOST && !isLocal(host)) continue;
      perHost.set(host, before + 1);
      front.push(entry);
    }
    return front;
  }

  #insert(entry: Entry): void {
    const at = this.#entries.findIndex((other) => this.#compare(entry.contact, other.contact) <= 0);
    const other = this.#entries[at];
    if (other !== undefined && equalBytes(other.contact.id, entry.contact.id)) {
      // One id at two addresses: the one that has answered under it is the true one.
      if (entry.state === "answered" && other.state === "known") this.#entries[at] = entry;
      return;
    }
    this.#entries.splice(at === -1 ? this.#entries.length : at, 0, entry);
    if (this.#entries.length > MAX_CANDIDATES) this.#entries.pop();
  }

  #forget(endpoint: Endpoint): void {
    const key = formatEndpoint(endpoint);
    this.#entries = this.#entries.filter((entry) => formatEndpoint(entry.contact) !== key);
  }

  #compare(a: Contact, b: Contact): number {
    return compareDistance(this.#target, a.id, b.id);
  }
}

interface Entry {
  readonly contact: Contact;
  state: "known" | "asked" | "answered";
  readonly token: Uint8Array | undefined;
}

/** Negative when `a` is nearer to the target than `b` by XOR, 0 when they are equal (BEP 5). */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < target.length; i++) {
    const difference = (a[i]! ^ target[i]!) - (b[i]! ^ target[i]!);
    if (difference !== 0) return difference;
  }
  return compareBytes(a, b);
}

/** Asked beyond the nearest eight, so that a dead one among them is replaced by one that has answered already. */
const WIDTH = 16;
/** As libtorrent's. */
const MAX_CANDIDATES = 100;
/** A lookup in the real DHT asks some 40; liars can name ever nearer nodes that do not exist. */
const MAX_ASKED = 200;
/** Two may sit behind one NAT; for eight a liar needs four addresses. */
const MAX_PER_PUBLIC_HOST = 2;
