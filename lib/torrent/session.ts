// The driver: listens, dials, moves bytes between sockets and peers, and ticks. It decides nothing about pieces.
//
// Each connection is one loop: read into the peer's own buffer, let the peer parse it, write what that caused.
// While a peer does not take what waits for it, nothing more is read from it, and from nobody while the disk is
// behind. A stranger's fault ends its connection; a disk that takes no more is told to the owner of its torrent;
// anything else that is thrown (a bug) ends the session through `failed`.

import { SnapError, WireFault } from "../errors.ts";
import type { Clock, Endpoint, Net, TcpConn, TcpListener } from "../ports.ts";
import { equalBytes } from "../bytes.ts";
import { endpointKey, networkOf } from "./compact.ts";
import { BLOCK_BYTES } from "./layout.ts";
import {
  CROWD_BUFFER_BYTES,
  DIAL_TIMEOUT_MS,
  IDLE_MS,
  MANY_PEERS,
  MAX_HALF_OPEN,
  MAX_PORTS_PER_HOST,
  MUTE_MS,
  RECEIVE_BUFFER_BYTES,
  SEND_HIGH_WATER_BYTES,
} from "./limits.ts";
import { PeerCore } from "./peer_core.ts";
import type { Candidate } from "./peer_book.ts";
import type { PeerSource } from "./peer_owner.ts";
import type { Swarm } from "./swarm.ts";
import type { TokenBucket } from "./token_bucket.ts";

const TICK_MS = 500;
/** How often an upload limit is looked at: five times in its burst. */
const PUMP_MS = 20;
/** With a download limit, the least that is worth a system call. */
const LEAST_READ_BYTES = 4096;

interface Link {
  readonly conn: TcpConn;
  readonly peer: PeerCore;
  swarm: Swarm | undefined;
  /** The write under way; undefined when nothing is. */
  writing: Promise<void> | undefined;
  isClosed: boolean;
  readonly sinceMs: number;
  /** All bytes written to it. */
  sentBytes: number;
  /** When a block or more had last passed between us, and how much had passed until then. */
  activeMs: number;
  activeBytes: number;
}

export interface SessionOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly maxPeers: number;
  /** Shared by all connections; undefined for none. */
  readonly downLimit?: TokenBucket | undefined;
  readonly upLimit?: TokenBucket | undefined;
  /** Bound already: who cannot listen never gets this far. */
  readonly listeners: readonly TcpListener[];
  /** Words for a log: what ended a connection. */
  readonly onClosed?: (peer: PeerCore, why: string) => void;
  /** Somebody came in and asked for a torrent that is here. */
  readonly onIncoming?: (from: Endpoint) => void;
  /** Words for a log: who could not be reached. */
  readonly onDialFailed?: (why: string) => void;
}

export class Session implements AsyncDisposable {
  readonly #options: SessionOptions;
  readonly #swarms = new Set<Swarm>();
  readonly #troubleOf = new WeakMap<Swarm, (error: SnapError) => void>();
  readonly #links = new Map<number, Link>();
  /** Those with something to send: a word to one of many idle peers costs nothing at the others. */
  readonly #waiting = new Set<Link>();
  readonly #stop = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  readonly #failed = Promise.withResolvers<never>();
  #maxPeers: number;
  #halfOpen = 0;
  #nextNumber = 1;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#maxPeers = options.maxPeers;
    // Whoever does not wait for it must not be killed by it.
    this.#failed.promise.catch(() => {});
    for (const listener of options.listeners) this.#spawn(this.#accept(listener));
    this.#spawn(this.#tickForEver());
    if (options.upLimit !== undefined) this.#spawn(this.#pumpForEver(options.upLimit));
  }

  /** Rejects when the session cannot go on: a bug, or a full disk where nobody else wants to know. Never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  get halfOpen(): number {
    return this.#halfOpen;
  }

  /** Connections at once. With fewer than before nobody is sent away: others just do not come. */
  get maxPeers(): number {
    return this.#maxPeers;
  }

  set maxPeers(most: number) {
    this.#maxPeers = most;
  }

  /**
   * Begins to connect it with its peers.
   *
   * @param onTrouble Told when what its peers send cannot be kept; without it such a thing ends the session.
   */
  add(swarm: Swarm, onTrouble?: (error: SnapError) => void): void {
    this.#swarms.add(swarm);
    if (onTrouble !== undefined) this.#troubleOf.set(swarm, onTrouble);
    swarm.onWake = () => this.#attend(swarm);
    this.#dialMore();
  }

  /** Closes the swarm's connections. */
  remove(swarm: Swarm): void {
    this.#swarms.delete(swarm);
    swarm.onWake = () => {};
    for (const link of this.#links.values()) if (link.swarm === swarm) this.#close(link, "torrent removed");
  }

  /** Learns of a peer and dials it if there is room. */
  learn(swarm: Swarm, endpoint: Endpoint, source: PeerSource): void {
    if (swarm.learn(endpoint, source, this.#options.clock.nowMs())) this.#dialMore();
  }

  /** Sends what is waiting at any peer: to be called after the swarm was told something from outside. */
  flush(): void {
    for (const link of this.#waiting) this.#write(link);
    this.#waiting.clear();
  }

  /** Closes everything and waits until all of it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const listener of this.#options.listeners) listener.close();
    for (const link of this.#links.values()) this.#close(link, "stopped");
    await Promise.all(this.#tasks);
  }

  #spawn(task: Promise<void>): void {
    const watched = task.catch((error) => this.#failed.reject(error)).finally(() =>
      this.#tasks.delete(watched)
    );
    this.#tasks.add(watched);
  }

  async #accept(listener: TcpListener): Promise<void> {
    for (;;) {
      const conn = await listener.accept();
      if (conn === null) return;
      if (this.#isUnwelcome(conn.remote.host)) {
        conn.close();
        continue;
      }
      const peer: PeerCore = new PeerCore({
        number: this.#nextNumber++,
        endpoint: conn.remote,
        source: "incoming",
        nowMs: this.#options.clock.nowMs(),
        bufferBytes: this.#bufferBytes,
        findOwner: (handshake) => {
          for (const swarm of this.#swarms) {
            const { v1, v2Short } = swarm.introduction.hashes;
            const isIts = [v1, v2Short].some((hash) =>
              hash !== undefined && equalBytes(hash, handshake.infoHash)
            );
            if (!isIts) continue;
            this.#links.get(peer.number)!.swarm = swarm;
            swarm.join(peer);
            this.#options.onIncoming?.(conn.remote);
            return swarm;
          }
          return undefined;
        },
      });
      this.#spawn(this.#serve(conn, peer, undefined));
    }
  }

  #isUnwelcome(host: string): boolean {
    const network = networkOf(host);
    let fromHost = 0;
    for (const { conn } of this.#links.values()) if (networkOf(conn.remote.host) === network) fromHost++;
    if (fromHost >= MAX_PORTS_PER_HOST * this.#swarms.size) return true;
    if ([...this.#swarms].some((swarm) => swarm.book.isBanned(host))) return true;
    return !this.#makeRoom();
  }

  /**
   * Whether there is a place: when all are taken, who came in and has not said who it is for a moment gives its own to a
   * new one, or else whoever has been idle the longest.
   */
  #makeRoom(): boolean {
    if (this.#links.size < this.#maxPeers) return true;
    const mute = longestOf(this.#mute());
    const gone = mute ?? longestOf(this.#idle());
    if (gone === undefined) return false;
    this.#close(gone, `was ${mute === undefined ? "idle" : "mute"}, and another wants its place`);
    return this.#links.size < this.#maxPeers;
  }

  /** Those who came in and might never say what for. */
  *#mute(): Generator<Link> {
    const nowMs = this.#options.clock.nowMs();
    for (const link of this.#links.values()) {
      const { source, isGreeted } = link.peer;
      if (source === "incoming" && !isGreeted && nowMs - link.sinceMs > MUTE_MS) yield link;
    }
  }

  /** Those with whom nothing was shared for long, though something could be: they may only be here to be here. */
  *#idle(): Generator<Link> {
    const nowMs = this.#options.clock.nowMs();
    for (const link of this.#links.values()) {
      if (link.peer.source !== "user" && nowMs - link.activeMs > IDLE_MS) yield link;
    }
  }

  #dialMore(): void {
    if (this.#stop.signal.aborted) return;
    for (const swarm of this.#swarms) {
      // Those who want something of a seed come by themselves, unless only we can reach them.
      const isSeeding = swarm.download?.isComplete === true;
      const most = isSeeding ? this.#maxPeers / 2 : this.#maxPeers;
      while (this.#halfOpen < MAX_HALF_OPEN) {
        const free = most - this.#links.size - this.#halfOpen;
        // An idle one's place is for somebody new, not for who has lost it just now.
        const isNew = free <= 0;
        if (isNew && (isSeeding || free + [...this.#idle()].length <= 0)) break;
        const candidate = swarm.book.next(this.#options.clock.nowMs(), { isSeeding, isNew });
        if (candidate === undefined) break;
        this.#halfOpen++;
        this.#spawn(this.#dial(swarm, candidate));
      }
    }
  }

  async #dial(swarm: Swarm, { endpoint, source }: Candidate): Promise<void> {
    const { net, clock } = this.#options;
    let conn: TcpConn;
    try {
      conn = await net.dialTcp(endpoint, { timeoutMs: DIAL_TIMEOUT_MS, signal: this.#stop.signal });
    } catch (error) {
      // Most addresses are dead: the book remembers, and only who debugs wants to know.
      this.#options.onDialFailed?.(error instanceof Error ? error.message : String(error));
      swarm.book.ended(endpoint, { wasUseful: false, nowMs: clock.nowMs() });
      return;
    } finally {
      this.#halfOpen--;
    }
    if (this.#stop.signal.aborted || !this.#swarms.has(swarm) || swarm.book.isBanned(endpoint.host)) {
      return conn.close();
    }
    const nowMs = clock.nowMs();
    if (!this.#makeRoom()) {
      // Others came in meanwhile.
      swarm.book.ended(endpoint, { wasUseful: false, nowMs });
      return conn.close();
    }
    const bufferBytes = this.#bufferBytes;
    const peer = new PeerCore({
      number: this.#nextNumber++,
      endpoint,
      source,
      nowMs,
      owner: swarm,
      bufferBytes,
    });
    swarm.join(peer);
    await this.#serve(conn, peer, swarm);
  }

  /** One connection, from the first byte to the last. */
  async #serve(conn: TcpConn, peer: PeerCore, swarm: Swarm | undefined): Promise<void> {
    const activeMs = this.#options.clock.nowMs();
    const link: Link = {
      conn,
      peer,
      swarm,
      writing: undefined,
      isClosed: false,
      sinceMs: activeMs,
      sentBytes: 0,
      activeMs,
      activeBytes: 0,
    };
    this.#links.set(peer.number, link);
    peer.out.onWaiting = () => this.#waiting.add(link);
    let why = "closed by the peer";
    try {
      this.#write(link);
      for (;;) {
        const count = await conn.read(this.#readable(peer)).catch(() => null);
        if (count === null || link.isClosed) break;
        peer.received(count, this.#options.clock.nowMs());
        if (link.swarm !== undefined) this.#collect(link.swarm);
        link.swarm?.refill(peer);
        this.#settle();
        const sink = link.swarm?.download?.sink;
        while (sink?.isBehind === true && !link.isClosed) await sink.room();
        while (peer.out.pending > SEND_HIGH_WATER_BYTES && link.writing !== undefined) await link.writing;
        if (this.#options.downLimit !== undefined) await this.#slowDown(this.#options.downLimit, count);
      }
    } catch (error) {
      if (error instanceof WireFault) {
        why = error.message;
        // Before its handshake it may be somebody who meant another torrent, or speaks in cipher first.
        if (peer.isGreeted) link.swarm?.onBroken(peer);
      } else if (!this.#tell(link.swarm, error)) throw error;
    } finally {
      this.#close(link, why);
    }
  }

  /** For who comes now. */
  get #bufferBytes(): number {
    return this.#links.size < MANY_PEERS ? RECEIVE_BUFFER_BYTES : CROWD_BUFFER_BYTES;
  }

  /** Where the peer's next bytes go: with a limit no more at once than it lets pass to so many peers. */
  #readable(peer: PeerCore): Uint8Array {
    const { space } = peer;
    const { downLimit } = this.#options;
    if (downLimit === undefined) return space;
    const share = Math.max(LEAST_READ_BYTES, downLimit.chunkBytes / this.#links.size);
    return space.length > share ? space.subarray(0, share) : space;
  }

  /**
   * Waits until the limit has made up for what was read: meanwhile the sender's window closes. Not longer for what
   * others read after it, or all would read again at the same moment.
   */
  async #slowDown(limit: TokenBucket, count: number): Promise<void> {
    const { clock } = this.#options;
    limit.spend(count, clock.nowMs());
    await clock.sleep(limit.delayMs(clock.nowMs()), this.#stop.signal);
  }

  /** The disk has taken something of what a swarm's peers sent. */
  #attend(swarm: Swarm): void {
    try {
      this.#collect(swarm);
      this.#settle();
    } catch (error) {
      this.#failed.reject(error);
    }
  }

  #collect(swarm: Swarm): void {
    try {
      swarm.collect();
    } catch (error) {
      if (!this.#tell(swarm, error)) throw error;
    }
  }

  /** @returns Whether somebody takes care of it. */
  #tell(swarm: Swarm | undefined, error: unknown): boolean {
    const onTrouble = swarm === undefined ? undefined : this.#troubleOf.get(swarm);
    if (onTrouble === undefined || !(error instanceof SnapError)) return false;
    onTrouble(error);
    return true;
  }

  /** After something happened: close whom the swarms condemned, and send what is waiting. */
  #settle(): void {
    for (const swarm of this.#swarms) {
      for (const { peer, why } of swarm.takeCondemned()) {
        const link = this.#links.get(peer.number);
        if (link !== undefined) this.#close(link, why);
      }
    }
    this.flush();
  }

  #write(link: Link): void {
    if (link.writing !== undefined || link.isClosed || link.peer.out.pending === 0) return;
    const task = this.#writeAll(link).finally(() => {
      link.writing = undefined;
      // What came to wait after the last look of that loop.
      this.#write(link);
    });
    link.writing = task;
    this.#spawn(task);
  }

  async #writeAll(link: Link): Promise<void> {
    const { conn, peer } = link;
    for (let bytes = peer.out.take(); bytes !== undefined; bytes = peer.out.take()) {
      try {
        await conn.writeAll(bytes);
      } catch {
        return this.#close(link, "cannot be written to");
      }
      peer.out.sent();
      link.sentBytes += bytes.length;
      link.swarm?.onSent(peer, this.#options.clock.nowMs());
    }
  }

  #close(link: Link, why: string): void {
    if (link.isClosed) return;
    link.isClosed = true;
    this.#links.delete(link.peer.number);
    this.#waiting.delete(link);
    link.conn.close();
    link.swarm?.leave(link.peer, this.#options.clock.nowMs());
    this.#options.onClosed?.(link.peer, `${endpointKey(link.peer.endpoint)} ${why}`);
    this.flush();
    if (!this.#stop.signal.aborted) this.#dialMore();
  }

  /** With an upload limit, what waits is sent as the limit opens. */
  async #pumpForEver(limit: TokenBucket): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      await clock.sleep(Math.max(limit.delayMs(clock.nowMs()), PUMP_MS), this.#stop.signal);
      for (const swarm of this.#swarms) swarm.pumpAll(clock.nowMs());
      this.flush();
    }
  }

  async #tickForEver(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      const nowMs = clock.nowMs();
      for (const link of this.#links.values()) {
        try {
          link.peer.tick(nowMs);
        } catch (error) {
          if (!(error instanceof WireFault)) throw error;
          this.#close(link, error.message);
        }
        const bytes = link.peer.requests.rate.total + link.sentBytes;
        // Until we know what is here, nothing can be shared.
        const isStarted = link.swarm?.download !== undefined;
        if (isStarted && bytes - link.activeBytes < BLOCK_BYTES) continue;
        link.activeBytes = bytes;
        link.activeMs = nowMs;
      }
      for (const swarm of this.#swarms) {
        this.#collect(swarm);
        swarm.tick(nowMs);
      }
      this.#settle();
      this.#dialMore();
      await clock.sleep(TICK_MS, this.#stop.signal);
    }
  }
}

/** The one with whom nothing was shared for the longest time. */
function longestOf(links: Iterable<Link>): Link | undefined {
  let longest: Link | undefined;
  for (const link of links) if (longest === undefined || link.activeMs < longest.activeMs) longest = link;
  return longest;
}
