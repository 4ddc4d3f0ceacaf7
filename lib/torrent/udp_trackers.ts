// Announces to UDP trackers (BEP 15): one socket per family of addresses for all of them, connection ids kept for as
// long as they are good, datagrams sent again when no answer comes. An answer counts only from the address that was
// asked, with the transaction id that was sent: anybody may write to a UDP port.

import { formatEndpoint } from "../endpoint.ts";
import { OperationFailed, WireFault } from "../errors.ts";
import type { Clock, Endpoint, Net, Random, UdpSocket } from "../ports.ts";
import { UDP_CONNECTION_MS, UDP_TRACKER_RESEND_MS, UDP_TRACKER_TIMEOUT_MS } from "./limits.ts";
import { addressesOf } from "./tracker_host.ts";
import {
  type AnnounceReply,
  type AnnounceRequest,
  encodeUdpAnnounce,
  encodeUdpConnect,
  parseUdpReply,
  type UdpReply,
} from "./tracker_wire.ts";

/** An address that datagrams go to. `ipBytes`: 4 or 16, its family. */
interface Target {
  readonly endpoint: Endpoint;
  readonly key: string;
  readonly ipBytes: 4 | 16;
}

interface Connection {
  readonly id: Uint8Array;
  readonly untilMs: number;
}

interface Exchange {
  readonly from: string;
  readonly action: UdpReply["action"];
  readonly take: (reply: UdpReply) => void;
}

export interface UdpTrackersOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  /** Addresses to send from; empty means any. */
  readonly bind: readonly string[];
}

export class UdpTrackers implements AsyncDisposable {
  readonly #options: UdpTrackersOptions;
  readonly #sockets = new Map<4 | 16, Promise<UdpSocket>>();
  readonly #connections = new Map<string, Connection>();
  readonly #exchanges = new Map<number, Exchange>();
  /** Addresses that have answered an announce: those are told that we stop. */
  readonly #answered = new Set<string>();

  constructor(options: UdpTrackersOptions) {
    this.#options = options;
  }

  /**
   * Announces to one address of each family that the tracker has.
   *
   * @param options.onReply Called for each family that answers, with the address that did, in any order; the
   * returned one is among them.
   * @returns The first reply; for `stopped`, once every address that knows us has answered.
   * @throws {OperationFailed} When none answers in time, or the tracker refuses.
   */
  async announce(
    url: string,
    request: AnnounceRequest,
    options: {
      readonly signal: AbortSignal;
      readonly onReply: (reply: AnnounceReply, from: Endpoint) => void;
    },
  ): Promise<AnnounceReply> {
    const { hostname, port, pathname, search } = new URL(url);
    const addresses = await addressesOf(this.#options.net, hostname, options.signal);
    const isFarewell = request.event === "stopped";
    const targets = targetsOf(addresses, Number(port))
      .filter(({ key }) => !isFarewell || this.#answered.has(key));
    if (targets.length === 0) throw new OperationFailed("its address cannot be found");
    const attempts = targets.map(async (target) => {
      const reply = await this.#announceTo(target, request, pathname + search, options.signal);
      this.#answered.add(target.key);
      options.onReply(reply, target.endpoint);
      return reply;
    });
    if (isFarewell) await Promise.allSettled(attempts);
    try {
      return await Promise.any(attempts);
    } catch (error) {
      throw (error as AggregateError).errors[0];
    }
  }

  /** Closes the sockets; what is still waited for ends by its own signal. */
  async [Symbol.asyncDispose](): Promise<void> {
    const sockets = await Promise.allSettled(this.#sockets.values());
    await Promise.all(
      sockets.map((opened) => opened.status === "fulfilled" ? opened.value.close() : undefined),
    );
  }

  async #announceTo(
    target: Target,
    request: AnnounceRequest,
    urlData: string,
    signal: AbortSignal,
  ): Promise<AnnounceReply> {
    const { clock } = this.#options;
    const giveUpMs = clock.nowMs() + UDP_TRACKER_TIMEOUT_MS;
    while (clock.nowMs() < giveUpMs) {
      const held = this.#connections.get(target.key);
      const known = held !== undefined && held.untilMs > clock.nowMs() ? held : undefined;
      const connection = known ?? await this.#connect(target, giveUpMs, signal);
      if (connection === undefined) break;
      const packet = (transactionId: number) =>
        encodeUdpAnnounce({ connectionId: connection.id, transactionId, request, urlData });
      const untilMs = Math.min(giveUpMs, connection.untilMs);
      const reply = await this.#exchange("announce", target, packet, untilMs, signal);
      if (reply?.action === "announce" && reply.answer.kind === "reply") return reply.answer;
      this.#connections.delete(target.key);
      // A tracker that was restarted does not know an old id: a refusal counts only of a fresh one.
      if (reply !== undefined && known === undefined) throw refusal(reply);
    }
    throw new OperationFailed(`no answer in ${UDP_TRACKER_TIMEOUT_MS / 1000} s`);
  }

  /** undefined when the time is up. */
  async #connect(target: Target, giveUpMs: number, signal: AbortSignal): Promise<Connection | undefined> {
    const reply = await this.#exchange("connect", target, encodeUdpConnect, giveUpMs, signal);
    if (reply === undefined) return undefined;
    if (reply.action !== "connect") throw refusal(reply);
    const connection = {
      id: reply.connectionId,
      untilMs: this.#options.clock.nowMs() + UDP_CONNECTION_MS,
    };
    this.#connections.set(target.key, connection);
    return connection;
  }

  /** Sends a packet until it is answered. @returns undefined when the time is up. */
  async #exchange(
    action: "connect" | "announce",
    target: Target,
    packet: (transactionId: number) => Uint8Array,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<UdpReply | undefined> {
    const { clock } = this.#options;
    const socket = await this.#socket(target.ipBytes);
    const transactionId = this.#newTransactionId();
    const bytes = packet(transactionId);
    const answered = new AbortController();
    const waking = AbortSignal.any([answered.signal, signal]);
    const replies: UdpReply[] = [];
    const take = (reply: UdpReply) => {
      replies.push(reply);
      answered.abort();
    };
    this.#exchanges.set(transactionId, { from: target.key, action, take });
    try {
      for (let waitMs = UDP_TRACKER_RESEND_MS;; waitMs *= 2) {
        if (signal.aborted) throw new OperationFailed("given up");
        const leftMs = untilMs - clock.nowMs();
        if (leftMs <= 0) return undefined;
        socket.send(bytes, target.endpoint);
        await clock.sleep(Math.min(waitMs, leftMs), waking);
        if (replies[0] !== undefined) return replies[0];
      }
    } finally {
      this.#exchanges.delete(transactionId);
    }
  }

  #receive(bytes: Uint8Array, from: Endpoint, ipBytes: 4 | 16): void {
    let reply: UdpReply;
    try {
      reply = parseUdpReply(bytes, ipBytes);
    } catch (error) {
      if (error instanceof WireFault) return;
      throw error;
    }
    const exchange = this.#exchanges.get(reply.transactionId);
    if (exchange === undefined || exchange.from !== formatEndpoint(from)) return;
    if (reply.action === exchange.action || reply.action === "error") exchange.take(reply);
  }

  #socket(ipBytes: 4 | 16): Promise<UdpSocket> {
    let socket = this.#sockets.get(ipBytes);
    if (socket === undefined) {
      socket = this.#open(ipBytes);
      this.#sockets.set(ipBytes, socket);
    }
    return socket;
  }

  async #open(ipBytes: 4 | 16): Promise<UdpSocket> {
    const { net, bind } = this.#options;
    const any = ipBytes === 4 ? "0.0.0.0" : "::";
    const host = bind.length === 0 ? any : bind.find((address) => address.includes(":") === (ipBytes === 16));
    if (host === undefined) throw new OperationFailed(`no IPv${ipBytes === 4 ? 4 : 6} address to send from`);
    const socket = await net.openUdp({ host, port: 0 });
    socket.onDatagram((bytes, from) => this.#receive(bytes, from, ipBytes));
    return socket;
  }

  /** Unpredictable: it is what tells the tracker's answers from a stranger's. */
  #newTransactionId(): number {
    for (;;) {
      const bytes = this.#options.random.bytes(4);
      const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (!this.#exchanges.has(id)) return id;
    }
  }
}

/** The first address of each family. */
function targetsOf(addresses: readonly string[], port: number): Target[] {
  const targets: Target[] = [];
  for (const ipBytes of [4, 16] as const) {
    const host = addresses.find((address) => address.includes(":") === (ipBytes === 16));
    if (host === undefined) continue;
    const endpoint = { host, port };
    targets.push({ endpoint, key: formatEndpoint(endpoint), ipBytes });
  }
  return targets;
}

function refusal(reply: UdpReply): OperationFailed {
  const isRefusal = reply.action !== "connect" && reply.answer.kind === "refused";
  return new OperationFailed(isRefusal ? `it refuses: ${reply.answer.why}` : "it answers something else");
}
