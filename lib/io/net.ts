// Sockets. TCP is Deno's own: its read fills the caller's buffer, so that a block is copied once by the kernel and
// never again. UDP is node:dgram, the only stable datagram socket here.
//
// "::" listens for IPv4 as well (Deno has no IPv6-only switch), so one TCP port cannot be opened on "::" and on
// "0.0.0.0"; for UDP it can. Addresses of IPv4 strangers that come in over IPv6 are given in IPv4 form.

import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { formatEndpoint } from "../endpoint.ts";
import { OperationFailed, PathUnusable, PortTaken, type SnapError } from "../errors.ts";
import type { Endpoint, Net, TcpConn, TcpListener, UdpSocket } from "../ports.ts";
import { errnoOf, reasonOf } from "./os_error.ts";

export const systemNet: Net = {
  listenTcp(at) {
    try {
      return new DenoListener(Deno.listen({ hostname: at.host, port: at.port, transport: "tcp" }));
    } catch (error) {
      throw bindError("TCP", at, error);
    }
  },

  async dialTcp(to, { timeoutMs, signal }) {
    const attempt = new AbortController();
    const giveUp = () => attempt.abort();
    const timer = setTimeout(giveUp, timeoutMs);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    try {
      const connection = await Deno.connect({ hostname: to.host, port: to.port, signal: attempt.signal });
      if (attempt.signal.aborted) {
        connection.close();
        throw new OperationFailed("given up");
      }
      return new DenoConnection(connection);
    } catch (error) {
      const why = signal.aborted
        ? "given up"
        : attempt.signal.aborted
        ? `no answer in ${timeoutMs} ms`
        : reasonOf(error);
      throw new OperationFailed(`Cannot connect to ${formatEndpoint(to)}: ${why}`, { cause: error });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  },

  openUdp(at) {
    return new Promise((resolve, reject) => {
      // A larger receive buffer is not asked for: the runtime would then allocate one of that size for every
      // datagram (20,000 of 1000 bytes: 0.4 s with the default, 4.3 s with 4 MiB).
      const socket = isIP(at.host) === 6
        ? createSocket({ type: "udp6", ipv6Only: true })
        : createSocket({ type: "udp4" });
      const refuse = (error: Error) => {
        socket.close();
        reject(bindError("UDP", at, error));
      };
      socket.once("error", refuse);
      socket.bind(at.port, at.host, () => {
        socket.off("error", refuse);
        resolve(new NodeDatagrams(socket));
      });
    });
  },

  async resolve(host) {
    if (isIP(host) !== 0) return [host];
    try {
      const found = await lookup(host, { all: true });
      return found.sort((a, b) => a.family - b.family).map((one) => one.address);
    } catch {
      return [];
    }
  },
};

class DenoConnection implements TcpConn {
  readonly remote: Endpoint;
  readonly #connection: Deno.TcpConn;
  #closed = false;

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.remote = endpointOf(connection.remoteAddr);
    try {
      // Requests are small and latency is rate; the caller batches what belongs together.
      connection.setNoDelay(true);
    } catch {
      // The other side has gone already: the first read will say so.
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#closed) return null;
    try {
      return await this.#connection.read(into);
    } catch (error) {
      if (this.#closed) return null;
      throw this.#broken(error);
    }
  }

  async writeAll(bytes: Uint8Array): Promise<void> {
    try {
      let done = 0;
      while (done < bytes.length) {
        done += await this.#connection.write(done === 0 ? bytes : bytes.subarray(done));
      }
    } catch (error) {
      throw this.#broken(error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
  }

  #broken(error: unknown): SnapError {
    const why = this.#closed ? "closed" : reasonOf(error);
    return new OperationFailed(`The connection to ${formatEndpoint(this.remote)} broke: ${why}`, {
      cause: error,
    });
  }
}

class DenoListener implements TcpListener {
  readonly local: Endpoint;
  readonly #listener: Deno.TcpListener;
  #closed = false;

  constructor(listener: Deno.TcpListener) {
    this.#listener = listener;
    this.local = endpointOf(listener.addr);
  }

  async accept(): Promise<TcpConn | null> {
    while (!this.#closed) {
      try {
        return new DenoConnection(await this.#listener.accept());
      } catch {
        // One that was gone before we took it, or no descriptor left for it: neither ends the listening, and the
        // pause keeps the second from becoming a busy loop.
        if (!this.#closed) await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      }
    }
    return null;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
  }
}

/** A UDP socket of node:dgram, bound. */
export class NodeDatagrams implements UdpSocket {
  readonly local: Endpoint;
  readonly #socket: Socket;
  #closing: Promise<void> | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const { address, port } = socket.address();
    this.local = { host: address, port };
    // An ICMP refusal of something we sent surfaces here; UDP promises nothing, so nothing is lost.
    socket.on("error", () => {});
  }

  onDatagram(receive: (bytes: Uint8Array, from: Endpoint) => void): void {
    this.#socket.removeAllListeners("message");
    this.#socket.on("message", (message, from) => {
      // The runtime hands out the start of a 64 KiB buffer; a copy lets that go.
      receive(new Uint8Array(message), { host: plainAddress(from.address), port: from.port });
    });
  }

  send(bytes: Uint8Array, to: Endpoint): void {
    if (this.#closing !== undefined) return;
    try {
      this.#socket.send(bytes, to.port, to.host, () => {});
    } catch {
      // A stranger's address may have port 0 or a family that this socket lacks: lost, as UDP is.
    }
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#socket.close(() => resolve()));
    return this.#closing;
  }
}

function bindError(protocol: "TCP" | "UDP", at: Endpoint, error: unknown): SnapError {
  const host = at.host === "::" || at.host === "0.0.0.0" ? "this machine" : at.host;
  const what = `Cannot listen on ${protocol} port ${at.port} of ${host}`;
  switch (errnoOf(error)) {
    case "EADDRINUSE":
      return new PortTaken(`${what}: another program has it; --port 0 takes a free one`, { cause: error });
    case "EACCES":
    case "EPERM":
      return new PathUnusable(`${what}: permission denied (ports below 1024 need privileges)`, {
        cause: error,
      });
    case "EADDRNOTAVAIL":
      return new PathUnusable(`${what}: this machine has no such address`, { cause: error });
    default:
      return new OperationFailed(`${what}: ${reasonOf(error)}`, { cause: error });
  }
}

function endpointOf(address: Deno.Addr): Endpoint {
  const { hostname, port } = address as Deno.NetAddr;
  return { host: plainAddress(hostname), port };
}

/** IPv4 mapped into IPv6 (`::ffff:192.0.2.1`) as plain IPv4, so that one stranger has one address. */
function plainAddress(host: string): string {
  return MAPPED_IPV4.exec(host)?.[1] ?? host;
}

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const ACCEPT_PAUSE_MS = 50;
