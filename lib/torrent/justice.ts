// Whom a torrent wants closed, and whom it bans, and why. It closes nobody itself: the session takes the names.

import { WireFault } from "../errors.ts";
import type { Company, Stranger } from "./company.ts";
import type { PeerCore } from "./peer_core.ts";

/** A peer to be closed now. */
export interface Condemned {
  readonly peer: PeerCore;
  readonly why: string;
}

export class Justice {
  readonly #company: Company;
  readonly #onFault: (who: Stranger, why: string, isBanned: boolean) => void;
  /** Who gives blocks and is no peer, by number. */
  readonly #outsiders = new Map<number, (why: string) => void>();
  #condemned: Condemned[] = [];

  /** @param onFault Told of everybody who did wrong, in words for a log. */
  constructor(company: Company, onFault: (who: Stranger, why: string, isBanned: boolean) => void) {
    this.#company = company;
    this.#onFault = onFault;
  }

  /** Somebody who is no peer, and learns here what it did wrong. */
  admit(number: number, onGuilty: (why: string) => void): void {
    this.#outsiders.set(number, onGuilty);
  }

  /** Those to be closed since the last call. */
  take(): readonly Condemned[] {
    const condemned = this.#condemned;
    this.#condemned = [];
    return condemned;
  }

  /** The peer did no wrong, but there is no use in staying connected. */
  dismiss(peer: PeerCore, why: string): void {
    this.#condemned.push({ peer, why });
  }

  /** The peer did wrong: closed, and may come again. */
  condemn(peer: PeerCore, why: string): void {
    this.#condemned.push({ peer, why });
    this.#onFault(peer, why, false);
  }

  /** By address, and also when the connection is gone already: the liar might come back, or be here twice. */
  ban(who: Stranger, why: string): void {
    const { book } = this.#company;
    if (!book.isBanned(who.endpoint.host)) this.#onFault(who, why, true);
    book.ban(who.endpoint.host);
    for (const peer of this.#company.from(who.endpoint.host)) {
      this.dismiss(peer, peer === who ? why : "comes from where one is banned");
    }
  }

  /** Bans those who have, or had, these numbers. */
  banAll(numbers: Iterable<number>, why: string): void {
    for (const number of numbers) {
      const who = this.#company.who(number);
      if (who !== undefined) this.ban(who, why);
      this.#outsiders.get(number)?.(why);
    }
  }

  /** Does some work; the peer is banned when what it sent makes that fail. @throws {WireFault} The same. */
  orBan<T>(peer: PeerCore, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof WireFault) this.ban(peer, `sent what is wrong: ${error.message}`);
      throw error;
    }
  }
}
