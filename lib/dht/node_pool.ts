// Nodes that are worth beginning with: those that answered us, last heard first, and those a cache named. The package's
// routing table also takes nodes that only ever asked something, and drops most that are near a target; this keeps
// both kinds of mistake out of the next lookup and out of the cache.

import { toHex } from "../bytes.ts";
import type { Contact } from "./contact.ts";
import { compareDistance } from "./walk.ts";

export class NodePool {
  /** By id, least recently heard first. */
  readonly #nodes = new Map<string, { readonly contact: Contact; readonly heard: boolean }>();

  /** How many have answered in this run. */
  get heardCount(): number {
    let count = 0;
    for (const { heard } of this.#nodes.values()) if (heard) count++;
    return count;
  }

  /** From a cache: worth asking, not known to live. */
  addHearsay(contact: Contact): void {
    if (this.#nodes.size < MAX_NODES && !this.#nodes.has(toHex(contact.id))) {
      this.#nodes.set(toHex(contact.id), { contact, heard: false });
    }
  }

  /** It answered just now. */
  heard(contact: Contact): void {
    const name = toHex(contact.id);
    this.#nodes.delete(name);
    this.#nodes.set(name, { contact, heard: true });
    if (this.#nodes.size > MAX_NODES) this.#nodes.delete(this.#nodes.keys().next().value!);
  }

  /** Forgets nodes that did not answer. @returns Their ids. */
  forget(isSilent: (contact: Contact) => boolean): Uint8Array[] {
    const forgotten: Uint8Array[] = [];
    for (const [name, { contact }] of this.#nodes) {
      if (!isSilent(contact)) continue;
      this.#nodes.delete(name);
      forgotten.push(contact.id);
    }
    return forgotten;
  }

  /** The nearest to a target, nearest first. */
  closest(target: Uint8Array, count: number): Contact[] {
    return [...this.#nodes.values()]
      .map(({ contact }) => contact)
      .sort((a, b) => compareDistance(target, a.id, b.id))
      .slice(0, count);
  }

  /** Up to `count` for a cache, those heard last first. */
  latest(count: number): Contact[] {
    return [...this.#nodes.values()].reverse().sort((a, b) => Number(b.heard) - Number(a.heard))
      .slice(0, count).map(({ contact }) => contact);
  }
}

/** Twice what is cached; sorting them takes a fraction of a millisecond. */
const MAX_NODES = 400;
