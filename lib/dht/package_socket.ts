// The socket that npm:bittorrent-dht thinks it has: what node:dgram's would be, over our port, with the guard in
// between. Nothing comes in but checked packets; answers only from the address and port that were asked, and once
// (open_questions.ts); queries only as many a second as are worth answering. While the package handles a packet, `current` is our own
// reading of it, with the bytes as they came.

import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { type BDict, decodeDict, type Encodable, encode } from "../bencode.ts";
import { WireFault } from "../errors.ts";
import type { Clock, Endpoint, UdpSocket } from "../ports.ts";
import { isIpv4 } from "../address.ts";
import { COMPACT_NODE_BYTES } from "./contact.ts";
import { type Packet, readPacket } from "./guard.ts";
import { OpenQuestions } from "./open_questions.ts";

/** Datagrams so far, by what became of them. */
export interface PacketCounts {
  accepted: number;
  /** Not KRPC at all. */
  foreign: number;
  /** KRPC, but wrong. */
  faulty: number;
  /** Answers to no question of ours. */
  unasked: number;
  /** Queries above the rate that we answer, or any to a read-only node. */
  overRate: number;
  /** Packets that passed the guard and made the package throw all the same. */
  thrown: number;
}

export class PackageSocket extends EventEmitter {
  readonly counts: PacketCounts = { accepted: 0, foreign: 0, faulty: 0, unasked: 0, overRate: 0, thrown: 0 };
  readonly #udp: UdpSocket;
  readonly #nowMs: () => number;
  readonly #afterQuery: (packet: Packet) => void;
  readonly #readOnly: boolean;
  readonly #asked: OpenQuestions;
  #current: Packet | undefined;
  #arguments: Encodable | undefined;
  #queryCredit = QUERIES_AT_ONCE;
  #creditAtMs: number;
  #closed = false;

  /**
   * @param afterQuery Called when the package has handled a query, before the next datagram.
   * @param readOnly BEP 43: says so in each query, and answers none.
   * @param onSilence Called with a query's transaction id when no answer came to it in `timeoutMs`.
   */
  constructor(
    udp: UdpSocket,
    { clock, timeoutMs, afterQuery, onSilence, readOnly = false }: {
      readonly clock: Pick<Clock, "nowMs" | "sleep">;
      readonly timeoutMs: number;
      readonly afterQuery: (packet: Packet) => void;
      readonly onSilence: (transaction: Uint8Array) => void;
      readonly readOnly?: boolean;
    },
  ) {
    super();
    this.#udp = udp;
    this.#nowMs = () => clock.nowMs();
    this.#afterQuery = afterQuery;
    this.#readOnly = readOnly;
    this.#creditAtMs = clock.nowMs();
    this.#asked = new OpenQuestions({
      clock,
      timeoutMs,
      onSilence,
      send: (bytes, to) => udp.send(bytes, to),
    });
    udp.onDatagram((bytes, from) => this.#receive(bytes, from));
  }

  /** The packet that is being handled, or undefined outside of that (a timeout). */
  get current(): Packet | undefined {
    return this.#current;
  }

  /**
   * Lets the package send one query, with these arguments instead of those it encodes: bytes that are signed must
   * leave as they are.
   */
  asking(args: Encodable, send: () => void): void {
    this.#arguments = args;
    try {
      send();
    } finally {
      this.#arguments = undefined;
    }
  }

  /** The socket is bound already; the package only waits to be told. */
  bind(): void {
    queueMicrotask(() => this.emit("listening"));
  }

  address(): { address: string; port: number } {
    return { address: this.#udp.local.host, port: this.#udp.local.port };
  }

  /** node:dgram's shape. */
  send(
    message: Uint8Array,
    _offset: number,
    _length: number,
    port: number,
    host: string,
    sent: () => void,
  ): void {
    if (!this.#closed && isIpv4(host) && port > 0 && port <= 65535) {
      const fields = decodeDict(message, { mode: "lenient" });
      if (fields.bytes("y")?.[0] === QUERY) {
        const question = this.#question(message, fields);
        this.#asked.add({ host, port }, fields.bytes("t")!, question);
        this.#udp.send(question, { host, port });
      } else {
        this.#udp.send(shortened(message, fields), { host, port });
      }
    }
    queueMicrotask(sent);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#asked.close();
    this.#udp.close().then(() => this.emit("close"));
  }

  #question(message: Uint8Array, fields: BDict): Uint8Array {
    if (this.#arguments === undefined && !this.#readOnly) return message;
    const question = new Map<string, Encodable>(fields.entries());
    if (this.#arguments !== undefined) question.set("a", this.#arguments);
    if (this.#readOnly) question.set("ro", 1);
    return encode(question);
  }

  #receive(bytes: Uint8Array, from: Endpoint): void {
    if (this.#closed) return;
    const packet = this.#read(bytes);
    if (packet === undefined || !isIpv4(from.host)) return;
    if (packet.kind === "query") {
      if (this.#readOnly || !this.#mayAnswer()) return void this.counts.overRate++;
    } else if (!this.#asked.take(from, packet.transaction)) {
      return void this.counts.unasked++;
    }
    this.counts.accepted++;
    this.#current = packet;
    try {
      const message = Buffer.from(
        packet.forPackage.buffer,
        packet.forPackage.byteOffset,
        packet.forPackage.length,
      );
      this.emit("message", message, { address: from.host, port: from.port });
      if (packet.kind === "query") this.#afterQuery(packet);
    } catch {
      // The package is not ours to trust with a stranger's values; a datagram that trips it is lost, as UDP may be.
      this.counts.thrown++;
    } finally {
      this.#current = undefined;
    }
  }

  #read(bytes: Uint8Array): Packet | undefined {
    try {
      const packet = readPacket(bytes);
      if (packet === undefined) this.counts.foreign++;
      return packet;
    } catch (error) {
      if (!(error instanceof WireFault)) throw error;
      this.counts.faulty++;
      return undefined;
    }
  }

  #mayAnswer(): boolean {
    const nowMs = this.#nowMs();
    const earned = (nowMs - this.#creditAtMs) / 1000 * QUERIES_PER_SEC;
    this.#queryCredit = Math.min(QUERIES_AT_ONCE, this.#queryCredit + earned);
    this.#creditAtMs = nowMs;
    if (this.#queryCredit < 1) return false;
    this.#queryCredit--;
    return true;
  }
}

/**
 * The package gives all the peers it has, and its whole routing table, nearest first. A hundred peers fit a datagram
 * and are what libtorrent sends; eight nodes are what BEP 5 asks for.
 */
function shortened(message: Uint8Array, fields: BDict): Uint8Array {
  const body = fields.dict("r");
  const nodes = body?.bytes("nodes");
  const values = body?.list("values");
  const fits = (nodes?.length ?? 0) <= MAX_NODES_BYTES_SENT && (values?.length ?? 0) <= MAX_PEERS_SENT;
  if (body === undefined || fits) return message;
  const short = new Map<string, Encodable>(body.entries());
  if (nodes !== undefined) short.set("nodes", nodes.subarray(0, MAX_NODES_BYTES_SENT));
  if (values !== undefined) short.set("values", values.slice(0, MAX_PEERS_SENT));
  return encode(new Map<string, Encodable>(fields.entries()).set("r", short));
}

const QUERY = 0x71;
/** A busy node of the real DHT gets some 20 a second; each costs us under a millisecond. */
const QUERIES_PER_SEC = 100;
const QUERIES_AT_ONCE = 300;
/** Eight bytes each: 800, under the usual path's 1,500 with the rest of the answer. */
const MAX_PEERS_SENT = 100;
/** An item of 1,000 bytes with its key, signature and token, and these, has under 1,400. */
const MAX_NODES_BYTES_SENT = 8 * COMPACT_NODE_BYTES;
