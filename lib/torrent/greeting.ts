// How a connection begins (BEP 3, 52): whose handshake is said when, and which of the torrent's hashes it then goes by.
//
//   dialed:   our handshake ------> theirs ------> done
//   accepted: theirs -> owner found -> our answer -> done
//
// Only on a connection that goes by the v2 hash may hash requests be sent.

import { equalBytes } from "../bytes.ts";
import { WireFault } from "../errors.ts";
import {
  answerTo,
  dialWith,
  encodeHandshake,
  type Handshake,
  speaksV2,
  type SwarmHashes,
} from "./handshake.ts";
import type { Introduction, PeerSource } from "./peer_owner.ts";

export class Greeting {
  /** The hash of our handshake, where ours was first. */
  #dialedWith: Uint8Array | undefined;
  #theirs: Handshake | undefined;
  #isDone = false;
  #isV2 = false;

  /** What came; undefined before. That of who proves to be ourselves too. */
  get theirs(): Handshake | undefined {
    return this.#theirs;
  }

  /** Whether both have said theirs, and fit. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Whether hash requests may be sent on this connection (BEP 52). */
  get isV2(): boolean {
    return this.#isV2;
  }

  /** @param source Where the address is from: who gave it may know the v1 hash alone. @returns What opens the connection. */
  dial(ours: Introduction, source: PeerSource): Uint8Array {
    const isV1 = source === "dht-v1" || source === "tracker-v1" || source === "pex";
    const { infoHash, upgrade } = dialWith(ours.hashes, isV1 ? "v1" : "v2");
    this.#dialedWith = infoHash;
    return handshakeOf(ours, infoHash, upgrade);
  }

  /** @returns The answer to who dialed us; undefined when it means another torrent. Then `receive`. */
  answer(ours: Introduction, theirs: Handshake): Uint8Array | undefined {
    const answer = answerTo(ours.hashes, theirs);
    if (answer === undefined) return undefined;
    this.#isV2 = speaksV2(ours.hashes, answer.infoHash);
    return handshakeOf(ours, answer.infoHash, answer.upgrade);
  }

  /** Theirs has come, and ours is said. @throws {WireFault} When it is another torrent's, or our own. */
  receive({ hashes, peerId }: Introduction, theirs: Handshake): void {
    const dialed = this.#dialedWith;
    // v1 may be answered with v2: that is the upgrade.
    if (dialed !== undefined && !equalBytes(theirs.infoHash, dialed) && !speaksV2(hashes, theirs.infoHash)) {
      throw new WireFault("BEP 3", "answered with another info-hash");
    }
    this.#theirs = theirs;
    if (equalBytes(theirs.peerId, peerId)) throw new WireFault("BEP 3", "connected to ourselves");
    this.#isDone = true;
    this.learn(hashes);
  }

  /** All of the torrent's names are known: one of unknown kind may have turned out to be the v2 one. */
  learn(hashes: SwarmHashes): void {
    this.#isV2 ||= this.#theirs !== undefined && speaksV2(hashes, this.#theirs.infoHash);
  }
}

function handshakeOf({ dhtPort, peerId }: Introduction, infoHash: Uint8Array, upgrade: boolean): Uint8Array {
  return encodeHandshake({
    extended: true,
    fast: true,
    dht: dhtPort !== undefined,
    upgrade,
    infoHash,
    peerId,
  });
}
