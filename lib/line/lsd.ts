// Local Service Discovery (BEP 14): tells the local network which torrents are here, and learns who else has them. One
// for all swarms of a line, by IPv4 and IPv6. Only who has an address of a local network itself is believed, or one of
// this machine's own IPv6 network.

import { isLocal, shareNetwork } from "../address.ts";
import { toHex } from "../bytes.ts";
import { OperationFailed } from "../errors.ts";
import type { Clock, Endpoint, Random, Surroundings, UdpSocket } from "../ports.ts";
import { encodeLsd, LSD_GROUP, LSD_GROUP_IPV6, parseLsd } from "./lsd_message.ts";

export interface LsdOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly surroundings: Surroundings;
  /** Where we listen for peers. */
  readonly port: number;
  /** Whether it is told by IPv4, and on which address's interface; undefined for where the system sends it. */
  readonly ipv4: { readonly on: string | undefined } | undefined;
  /** Whether it is told by IPv6, where the system sends it. */
  readonly ipv6: boolean;
}

/** A group that was joined. */
interface Room {
  readonly group: Endpoint;
  readonly udp: UdpSocket;
}

export class Lsd implements AsyncDisposable {
  readonly #rooms: readonly Room[];
  readonly #options: LsdOptions;
  readonly #cookie: string;
  /** Who wants to know of peers, by info-hash in hex. */
  readonly #wanted = new Map<string, (peer: Endpoint) => void>();
  #secondMs = -Infinity;
  #heard = 0;

  private constructor(rooms: readonly Room[], options: LsdOptions) {
    this.#rooms = rooms;
    this.#options = options;
    this.#cookie = toHex(options.random.bytes(4));
    for (const { udp } of rooms) udp.onDatagram((bytes, from) => this.#hear(bytes, from));
  }

  /** @throws {OperationFailed} Where there is no network to join, of neither family. */
  static async open(options: LsdOptions): Promise<Lsd> {
    const { surroundings, ipv4, ipv6 } = options;
    const join = async (group: Endpoint, on: string | undefined) => ({
      group,
      udp: await surroundings.joinGroup(group, on),
    });
    const joined = await Promise.allSettled([
      ...(ipv4 === undefined ? [] : [join(LSD_GROUP, ipv4.on)]),
      ...(ipv6 ? [join(LSD_GROUP_IPV6, undefined)] : []),
    ]);
    const failed = joined.filter((one) => one.status === "rejected").map(({ reason }) => reason);
    const rooms = joined.filter((one) => one.status === "fulfilled").map(({ value }) => value);
    const bug = failed.find((reason) => !(reason instanceof OperationFailed));
    if (bug === undefined && rooms.length > 0) return new Lsd(rooms, options);
    await Promise.all(rooms.map(({ udp }) => udp.close()));
    throw bug ?? failed[0];
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
    const words = { port, infoHash, cookie: this.#cookie };
    const messages = this.#rooms.map(({ group, udp }) => ({
      group,
      udp,
      bytes: encodeLsd({ ...words, group }),
    }));
    for (let sent = 0; !signal.aborted; sent++) {
      for (const { group, udp, bytes } of messages) udp.send(bytes, group);
      await clock.sleep(FIRST_PAUSES_MS[sent] ?? ANNOUNCE_MS, signal);
    }
    if (this.#wanted.get(key) === onPeer) this.#wanted.delete(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#rooms.map(({ udp }) => udp.close()));
  }

  #hear(bytes: Uint8Array, from: Endpoint): void {
    if (this.#isFlooded() || !this.#isNear(from.host)) return;
    const message = parseLsd(bytes);
    if (message === undefined || message.cookie === this.#cookie) return;
    for (const infoHash of message.infoHashes) {
      this.#wanted.get(toHex(infoHash))?.({ host: from.host, port: message.port });
    }
  }

  #isNear(host: string): boolean {
    if (isLocal(host)) return true;
    return host.includes(":") &&
      this.#options.surroundings.ipv6Addresses().some((own) => shareNetwork(own, host));
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
