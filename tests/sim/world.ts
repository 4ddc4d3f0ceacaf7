// An internet in one process, on virtual time: hosts with lines of a given rate and latency, TCP between them. Every
// host is a `Net`, so the real session runs on it. What a line carries at once goes over it one packet at a time, the
// connections in turn; what nobody reads fills a window, and then its sender waits.
//
//   writeAll -> unsent -> (uplink's rate) -> on the way (latency) -> (downlink's rate) -> unread -> read
//                              |_________ at most WINDOW_BYTES ______________________________|

import { OperationFailed } from "../../lib/errors.ts";
import type { Endpoint, Net, TcpConn, TcpListener } from "../../lib/ports.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** What a connection may have on the way: a usual receive window. */
const WINDOW_BYTES = 256 << 10;
/** The grain of sharing a line: some packets, so that a simulation does not drown in them. */
const PACKET_BYTES = 8 << 10;

export interface LineRates {
  /** Bytes per second; Infinity when not given. */
  readonly up?: number;
  readonly down?: number;
  /** One way, to the middle of the internet. */
  readonly latencyMs?: number;
}

export class World {
  readonly clock = new VirtualClock();
  readonly #hosts = new Map<string, SimHost>();
  readonly #failed: unknown[] = [];

  /** A new machine with an address of its own. */
  host(rates: LineRates = {}): SimHost {
    const number = this.#hosts.size + 1;
    const host = new SimHost(this, `10.0.${number >> 8}.${number & 255}`, rates);
    this.#hosts.set(host.address, host);
    return host;
  }

  find(address: string): SimHost | undefined {
    return this.#hosts.get(address);
  }

  /** When it rejects, so does `run`. */
  mustNotFail(promise: Promise<unknown>): void {
    promise.catch((error) => this.#failed.push(error));
  }

  /** Lets the time run until `isOver`. @throws When it is not over in `limitMs` of virtual time. */
  async run(isOver: () => boolean, limitMs: number): Promise<void> {
    const isDone = await this.clock.run(() => this.#failed.length > 0 || isOver(), limitMs);
    if (this.#failed.length > 0) throw this.#failed[0];
    if (!isDone) throw new Error(`not over at ${this.clock.nowMs()} ms of ${limitMs}`);
  }

  /** Lets the time run on until then. */
  async runUntil(atMs: number): Promise<void> {
    let isThen = false;
    this.clock.at(atMs, () => isThen = true);
    await this.run(() => isThen, atMs);
  }
}

export class SimHost implements Net {
  readonly rates: Required<LineRates>;
  readonly #world: World;
  readonly #listeners = new Map<number, Listener>();
  readonly #waiting: Stream[] = [];
  #isSending = false;
  #receivingUntilMs = 0;
  #nextPort = 40_000;
  /** Connections that are open now. */
  connections = 0;
  /** Bytes that have left, and that have come. */
  sentBytes = 0;
  receivedBytes = 0;

  constructor(world: World, readonly address: string, rates: LineRates) {
    this.#world = world;
    this.rates = { up: Infinity, down: Infinity, latencyMs: 0, ...rates };
  }

  listenTcp(at: Endpoint): TcpListener {
    const listener = new Listener({ host: this.address, port: at.port }, () => {
      this.#listeners.delete(at.port);
    });
    this.#listeners.set(at.port, listener);
    return listener;
  }

  async dialTcp(to: Endpoint, options: { timeoutMs: number; signal: AbortSignal }): Promise<TcpConn> {
    const { clock } = this.#world;
    const host = this.#world.find(to.host);
    if (host === undefined) {
      await clock.sleep(options.timeoutMs, options.signal);
      throw new OperationFailed(`Cannot reach ${to.host}: nobody is there`);
    }
    const wayMs = this.rates.latencyMs + host.rates.latencyMs;
    await clock.sleep(wayMs, options.signal);
    const listener = host.#listeners.get(to.port);
    const from = { host: this.address, port: this.#nextPort++ };
    const there = new Stream(clock, this, host);
    const back = new Stream(clock, host, this);
    const accepted = listener !== undefined && !options.signal.aborted;
    if (accepted) {
      listener.take(new Conn(from, back, there, host));
    }
    await clock.sleep(wayMs, options.signal);
    if (!accepted) throw new OperationFailed(`Cannot reach ${to.host}:${to.port}: refused`);
    return new Conn(to, there, back, this);
  }

  openUdp(): never {
    throw new Error("this internet has no UDP");
  }

  resolve(host: string): Promise<string[]> {
    return Promise.resolve([host]);
  }

  /** The stream has something to send. */
  wake(stream: Stream): void {
    if (!this.#waiting.includes(stream)) this.#waiting.push(stream);
    if (!this.#isSending) this.#sendNext();
  }

  /** Bytes begin to come in. @returns When the last of them is here. */
  receiveBy(bytes: number): number {
    const startMs = Math.max(this.#world.clock.nowMs(), this.#receivingUntilMs);
    this.#receivingUntilMs = startMs + 1000 * bytes / this.rates.down;
    this.receivedBytes += bytes;
    return this.#receivingUntilMs;
  }

  #sendNext(): void {
    const stream = this.#waiting.shift();
    if (stream === undefined) return;
    const packet = stream.takePacket();
    if (packet === undefined) return this.#sendNext();
    this.#isSending = true;
    this.sentBytes += packet.length;
    const { clock } = this.#world;
    clock.at(clock.nowMs() + 1000 * packet.length / this.rates.up, () => {
      this.#isSending = false;
      stream.onSent(packet);
      if (stream.canSend) this.#waiting.push(stream);
      this.#sendNext();
    });
  }
}

class Listener implements TcpListener {
  readonly #backlog: TcpConn[] = [];
  readonly #onClose: () => void;
  #waiter: ((conn: TcpConn | null) => void) | undefined;
  #isClosed = false;

  constructor(readonly local: Endpoint, onClose: () => void) {
    this.#onClose = onClose;
  }

  take(conn: TcpConn): void {
    if (this.#waiter === undefined) this.#backlog.push(conn);
    this.#waiter?.(conn);
    this.#waiter = undefined;
  }

  accept(): Promise<TcpConn | null> {
    const conn = this.#backlog.shift();
    if (conn !== undefined || this.#isClosed) return Promise.resolve(conn ?? null);
    return new Promise((resolve) => this.#waiter = resolve);
  }

  close(): void {
    this.#isClosed = true;
    this.#onClose();
    this.#waiter?.(null);
  }
}

class Conn implements TcpConn {
  readonly #out: Stream;
  readonly #in: Stream;
  readonly #host: SimHost;
  #isClosed = false;

  constructor(readonly remote: Endpoint, out: Stream, into: Stream, host: SimHost) {
    this.#out = out;
    this.#in = into;
    this.#host = host;
    host.connections++;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#in.read(into);
  }

  writeAll(bytes: Uint8Array): Promise<void> {
    return this.#out.write(bytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host.connections--;
    this.#out.closeByWriter();
    this.#in.closeByReader();
  }
}

/** One direction of a connection. */
class Stream {
  readonly #clock: VirtualClock;
  readonly #from: SimHost;
  readonly #to: SimHost;
  #writing: { bytes: Uint8Array; done: () => void; fail: (error: Error) => void } | undefined;
  readonly #unread: Uint8Array[] = [];
  #reading: { into: Uint8Array; done: (count: number | null) => void } | undefined;
  /** Sent and not read. */
  #onTheWay = 0;
  #isWriterGone = false;
  #isReaderGone = false;
  #hasEnded = false;

  constructor(clock: VirtualClock, from: SimHost, to: SimHost) {
    this.#clock = clock;
    this.#from = from;
    this.#to = to;
  }

  get canSend(): boolean {
    return this.#writing !== undefined && this.#onTheWay < WINDOW_BYTES;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#isWriterGone || this.#isReaderGone) return Promise.reject(new Error("closed"));
    return new Promise((done, fail) => {
      this.#writing = { bytes, done, fail };
      if (this.canSend) this.#from.wake(this);
    });
  }

  /** A copy: the writer may use its buffer again once all of it was taken. */
  takePacket(): Uint8Array | undefined {
    const writing = this.#writing;
    if (writing === undefined || !this.canSend) return undefined;
    const packet = writing.bytes.slice(0, PACKET_BYTES);
    writing.bytes = writing.bytes.subarray(packet.length);
    this.#onTheWay += packet.length;
    return packet;
  }

  onSent(packet: Uint8Array): void {
    if (this.#writing?.bytes.length === 0) {
      this.#writing.done();
      this.#writing = undefined;
    }
    const hereMs = this.#clock.nowMs() + this.#wayMs();
    this.#clock.at(hereMs, () => {
      this.#clock.at(this.#to.receiveBy(packet.length), () => this.#arrive(packet));
    });
  }

  read(into: Uint8Array): Promise<number | null> {
    return new Promise((done) => {
      this.#reading = { into, done };
      this.#serveReader();
    });
  }

  closeByWriter(): void {
    this.#isWriterGone = true;
    this.#writing?.fail(new Error("closed"));
    this.#writing = undefined;
    this.#clock.at(this.#clock.nowMs() + this.#wayMs(), () => {
      this.#hasEnded = true;
      this.#serveReader();
    });
  }

  closeByReader(): void {
    this.#isReaderGone = true;
    this.#unread.length = 0;
    this.#serveReader();
    this.#clock.at(this.#clock.nowMs() + this.#wayMs(), () => {
      this.#writing?.fail(new Error("reset"));
      this.#writing = undefined;
    });
  }

  #wayMs(): number {
    return this.#from.rates.latencyMs + this.#to.rates.latencyMs;
  }

  #arrive(packet: Uint8Array): void {
    if (this.#isReaderGone) return;
    this.#unread.push(packet);
    this.#serveReader();
  }

  #serveReader(): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    let count = 0;
    for (let packet = this.#unread[0]; packet !== undefined && count < reading.into.length;) {
      const part = packet.subarray(0, reading.into.length - count);
      reading.into.set(part, count);
      count += part.length;
      if (part.length === packet.length) this.#unread.shift();
      else this.#unread[0] = packet.subarray(part.length);
      packet = this.#unread[0];
    }
    if (count === 0 && !this.#hasEnded && !this.#isReaderGone) return;
    this.#reading = undefined;
    this.#onTheWay -= count;
    if (this.canSend) this.#from.wake(this);
    reading.done(count === 0 ? null : count);
  }
}
