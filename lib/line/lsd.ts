// Local Service Discovery (BEP 14): tells the local network which torrents are here, and learns who else has them. One
// for all swarms of a line. Only who has an address of a local network itself is believed.

import { isLocal } from "../address.ts";
import { toHex } from "../bytes.ts";
import type { Clock, Endpoint, Random, Surroundings, UdpSocket } from "../ports.ts";
import { encodeLsd, LSD_GROUP, parseLsd } from "./lsd_message.ts";

export interface LsdOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly surroundings: Surroundings;
  /** Where we listen for peers. */
  readonly port: number;
  /** The address that we listen on; undefined for all. */
  readonly bind: string | undefined;
}

export class Lsd implements AsyncDisposable {
  readonly #udp: UdpSocket;
  readonly #options: LsdOptions;
  readonly #cookie: string;
  /** Who wants to know of peers, by info-hash in hex. */
  readonly #wanted = new Map<string, (peer: Endpoint) => void>();
  #secondMs = -Infinity;
  #heard = 0;

  private constructor(udp: UdpSocket, options: LsdOptions) {
    this.#udp = udp;
    this.#options = options;
    this.#cookie = toHex(options.random.bytes(4));
    udp.onDatagram((bytes, from) => this.#hear(bytes, from));
  }

  /** @throws {OperationFailed} Where there is no network to join. */
  static async open(options: LsdOptions): Promise<Lsd> {
    return new Lsd(await options.surroundings.joinGroup(LSD_GROUP, options.bind), options);
  }

  /**
   * Tells of a torrent until the signal aborts.
   *
   * @param infoHash 20 bytes: v1, or v2 cut short.
   */
  async announce(infoHash: Uint8Array, onPeer: (peer: Endpoint) => void, signal: AbortSignal): Promise<void> {
    const { clock, port } = this.#options;
    const key = toHex(infoHash);
    this.#wanted.set(key, onPeer);
    const message = encodeLsd({ port, infoHash, cookie: this.#cookie });
    for (let sent = 0; !signal.aborted; sent++) {
      this.#udp.send(message, LSD_GROUP);
      await clock.sleep(FIRST_PAUSES_MS[sent] ?? ANNOUNCE_MS, signal);
    }
    if (this.#wanted.get(key) === onPeer) this.#wanted.delete(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#udp.close();
  }

  #hear(bytes: Uint8Array, from: Endpoint): void {
    if (!isLocal(from.host) || this.#isFlooded()) return;
    const message = parseLsd(bytes);
    if (message === undefined || message.cookie === this.#cookie) return;
    for (const infoHash of message.infoHashes) {
      this.#wanted.get(toHex(infoHash))?.({ host: from.host, port: message.port });
    }
  }

  #isFlooded(): boolean {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#secondMs >= 1000) [this.#secondMs, this.#heard] = [nowMs, 0];
    return ++this.#heard > MAX_PER_SECOND;
  }
}

/** A datagram may be lost, and who starts now hears none before: libtorrent sends these three, too. Then each five minutes. */
const FIRST_PAUSES_MS = [2_000, 4_000];
const ANNOUNCE_MS = 300_000;
/** A network of hundreds sends a few. */
const MAX_PER_SECOND = 50;
