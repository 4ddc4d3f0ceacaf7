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
/** Packets' memory that is kept to be used again. */
const MAX_SPARE = 10_000;
/** Not worth one of those. */
const SMALL_BYTES = 256;

export interface LineRates {
  /** Bytes per second; Infinity when not given. */
  readonly up?: number;
  readonly down?: number;
  /** One way, to the middle of the internet. */
  readonly latencyMs?: number;
}

export class World {
  readonly clock: VirtualClock;
  readonly packetBytes: number;
  readonly #spare: Uint8Array[] = [];
  readonly #hosts = new Map<string, SimHost>();
  readonly #failed: unknown[] = [];

  /**
   * @param options.stepMs For a crowd: time goes on in steps. Lines keep their rates; what passes in a step passes at
   * its end.
   * @param options.packetBytes For a crowd: a whole block at once.
   */
  constructor(options: { readonly stepMs?: number; readonly packetBytes?: number } = {}) {
    this.clock = new VirtualClock(options.stepMs);
    this.packetBytes = options.packetBytes ?? PACKET_BYTES;
  }

  /** A new machine with an address of its own. */
  host(rates: LineRates = {}): SimHost {
    const number = this.#hosts.size + 1;
    const host = new SimHost(this, `10.0.${number >> 8}.${number & 255}`, rates);
    this.#hosts.set(host.address, host);
    return host;
  }

  /** A copy of the bytes, at most one packet's. */
  packet(bytes: Uint8Array): Packet {
    const memory = bytes.length <= SMALL_BYTES
      ? undefined
      : this.#spare.pop() ?? new Uint8Array(this.packetBytes);
    if (memory === undefined) return { bytes: bytes.slice(), memory };
    const copy = memory.subarray(0, bytes.length);
    copy.set(bytes);
    return { bytes: copy, memory };
  }

  /** Nobody needs the packet any more. */
  free({ memory }: Packet): void {
    if (memory !== undefined && this.#spare.length < MAX_SPARE) this.#spare.push(memory);
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

interface Packet {
  /** What is left to be read of it. */
  bytes: Uint8Array;
  readonly memory: Uint8Array | undefined;
}

interface Sent {
  readonly stream: Stream;
  readonly packet: Packet;
}

export class SimHost implements Net {
  readonly rates: Required<LineRates>;
  readonly #world: World;
  readonly #listeners = new Map<number, Listener>();
  readonly #waiting: Stream[] = [];
  /** What is going out, and when the last of it will have gone; what begins in one step ends together. */
  #sending: Sent[] = [];
  #sendingUntilMs = 0;
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
    const there = new Stream(this.#world, this, host);
    const back = new Stream(this.#world, host, this);
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
    if (stream.isWaiting) return;
    stream.isWaiting = true;
    this.#waiting.push(stream);
    if (this.#sending.length > 0) return;
    this.#sendingUntilMs = Math.max(this.#sendingUntilMs, this.#world.clock.nowMs());
    this.#sendNext();
  }

  /** Bytes begin to come in. @returns When the last of them is here. */
  receiveBy(bytes: number): number {
    const startMs = Math.max(this.#world.clock.nowMs(), this.#receivingUntilMs);
    this.#receivingUntilMs = startMs + 1000 * bytes / this.rates.down;
    this.receivedBytes += bytes;
    return this.#receivingUntilMs;
  }

  /** What left at once and has the same way is here at once. */
  #arriveTogether(sent: readonly Sent[]): void {
    const { clock } = this.#world;
    for (let from = 0; from < sent.length;) {
      const { wayMs } = sent[from]!.stream;
      let to = from + 1;
      while (sent[to]?.stream.wayMs === wayMs) to++;
      const group = from === 0 && to === sent.length ? sent : sent.slice(from, to);
      clock.at(clock.nowMs() + wayMs, () => {
        for (const { stream, packet } of group) stream.onHere(packet);
      });
      from = to;
    }
  }

  /** As much as begins before the next step. */
  #sendNext(): void {
    const { clock } = this.#world;
    const endMs = Math.max(clock.nowMs() + clock.stepMs, this.#sendingUntilMs);
    while (this.#sending.length === 0 || this.#sendingUntilMs < endMs) {
      const stream = this.#waiting.shift();
      if (stream === undefined) break;
      stream.isWaiting = false;
      const packet = stream.takePacket();
      if (packet === undefined) continue;
      this.sentBytes += packet.bytes.length;
      this.#sendingUntilMs += 1000 * packet.bytes.length / this.rates.up;
      this.#sending.push({ stream, packet });
    }
    if (this.#sending.length === 0) return;
    clock.at(this.#sendingUntilMs, () => {
      const sent = this.#sending;
      this.#sending = [];
      for (const { stream } of sent) {
        stream.onSent();
        if (!stream.canSend || stream.isWaiting) continue;
        stream.isWaiting = true;
        this.#waiting.push(stream);
      }
      this.#arriveTogether(sent);
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
  /** Its host will ask it for a packet. */
  isWaiting = false;
  readonly wayMs: number;
  readonly #world: World;
  readonly #clock: VirtualClock;
  readonly #from: SimHost;
  readonly #to: SimHost;
  #writing: { bytes: Uint8Array; done: () => void; fail: (error: Error) => void } | undefined;
  readonly #unread: Packet[] = [];
  #reading: { into: Uint8Array; done: (count: number | null) => void } | undefined;
  /** Packets that come in now, one after the other. */
  #arriving = 0;
  /** Sent and not read. */
  #onTheWay = 0;
  #isWriterGone = false;
  #isReaderGone = false;
  #hasEnded = false;

  constructor(world: World, from: SimHost, to: SimHost) {
    this.#world = world;
    this.#clock = world.clock;
    this.#from = from;
    this.#to = to;
    this.wayMs = from.rates.latencyMs + to.rates.latencyMs;
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
  takePacket(): Packet | undefined {
    const writing = this.#writing;
    if (writing === undefined || !this.canSend || writing.bytes.length === 0) return undefined;
    const packet = this.#world.packet(writing.bytes.subarray(0, this.#world.packetBytes));
    writing.bytes = writing.bytes.subarray(packet.bytes.length);
    this.#onTheWay += packet.bytes.length;
    return packet;
  }

  /** A packet of it has left. */
  onSent(): void {
    if (this.#writing?.bytes.length !== 0) return;
    this.#writing.done();
    this.#writing = undefined;
  }

  /** A packet is at the other end's line. */
  onHere(packet: Packet): void {
    const hereMs = this.#to.receiveBy(packet.bytes.length);
    const inStepMs = hereMs - this.#clock.nowMs();
    if (this.#arriving === 0 && inStepMs < this.#clock.stepMs) return this.#arrive(packet);
    this.#arriving++;
    this.#clock.at(hereMs, () => {
      this.#arriving--;
      this.#arrive(packet);
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
    this.#clock.at(this.#clock.nowMs() + this.wayMs, () => {
      this.#hasEnded = true;
      this.#serveReader();
    });
  }

  closeByReader(): void {
    this.#isReaderGone = true;
    this.#unread.length = 0;
    this.#serveReader();
    this.#clock.at(this.#clock.nowMs() + this.wayMs, () => {
      this.#writing?.fail(new Error("reset"));
      this.#writing = undefined;
    });
  }

  #arrive(packet: Packet): void {
    if (this.#isReaderGone) return this.#world.free(packet);
    this.#unread.push(packet);
    this.#serveReader();
  }

  #serveReader(): void {
    const reading = this.#reading;
    if (reading === undefined) return;
    let count = 0;
    for (let packet = this.#unread[0]; packet !== undefined && count < reading.into.length;) {
      const part = packet.bytes.subarray(0, reading.into.length - count);
      reading.into.set(part, count);
      count += part.length;
      packet.bytes = packet.bytes.subarray(part.length);
      if (packet.bytes.length === 0) this.#world.free(this.#unread.shift()!);
      packet = this.#unread[0];
    }
    if (count === 0 && !this.#hasEnded && !this.#isReaderGone) return;
    this.#reading = undefined;
    this.#onTheWay -= count;
    if (this.canSend) this.#from.wake(this);
    reading.done(count === 0 ? null : count);
  }
}
