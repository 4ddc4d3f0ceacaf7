// Datagrams on virtual time: each is on its way for as long as chance says, so they overtake one another, and some never
// come. A host is an address of its own with one socket.

import { formatEndpoint } from "../../lib/endpoint.ts";
import type { Endpoint, UdpSocket } from "../../lib/ports.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** One way through the internet, in whole milliseconds. */
const [SHORTEST_MS, LONGEST_MS] = [5, 100];

export class Datagrams {
  readonly #clock: VirtualClock;
  readonly #random: () => number;
  readonly #receivers = new Map<string, (bytes: Uint8Array, from: Endpoint) => void>();
  #hosts = 0;
  /** So far. */
  sent = 0;

  constructor(clock: VirtualClock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A socket of a new host. */
  open(): UdpSocket {
    const number = ++this.#hosts;
    const local = { host: `10.1.${number >> 8}.${number & 255}`, port: 6881 };
    const key = formatEndpoint(local);
    return {
      local,
      onDatagram: (receive) => void this.#receivers.set(key, receive),
      send: (bytes, to) => this.#send(bytes.slice(), local, formatEndpoint(to)),
      close: () => {
        this.#receivers.delete(key);
        return Promise.resolve();
      },
    };
  }

  #send(bytes: Uint8Array, from: Endpoint, to: string): void {
    this.sent++;
    const wayMs = SHORTEST_MS + Math.floor(this.#random() * (LONGEST_MS - SHORTEST_MS));
    this.#clock.at(this.#clock.nowMs() + wayMs, () => this.#receivers.get(to)?.(bytes, from));
  }
}
