// The driver: listens, dials, gives connections their places, and ticks. It decides nothing about pieces.
//
// Each connection is a link (link.ts), whose bytes the peer parses; who has a place when there are more than may be is
// places.ts's. A stranger's fault ends its connection; a disk that takes no more is told to the owner of its torrent;
// anything else that is thrown (a bug) ends the session through `failed`.

import { SnapError, WireFault } from "../errors.ts";
import type { Clock, Endpoint, Net, TcpConn, TcpListener } from "../ports.ts";
import { equalBytes } from "../bytes.ts";
import { endpointKey } from "./compact.ts";
import type { Handshake } from "./handshake.ts";
import {
  CROWD_BUFFER_BYTES,
  DIAL_TIMEOUT_MS,
  MANY_PEERS,
  MAX_HALF_OPEN,
  RECEIVE_BUFFER_BYTES,
} from "./limits.ts";
import { Link, type LinkOwner } from "./link.ts";
import { PeerCore } from "./peer_core.ts";
import type { Candidate } from "./peer_book.ts";
import type { PeerSource } from "./peer_owner.ts";
import { Places } from "./places.ts";
import type { Swarm } from "./swarm.ts";
import type { TokenBucket } from "./token_bucket.ts";

const TICK_MS = 500;
/** How often an upload limit is looked at: five times in its burst. */
const PUMP_MS = 20;

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
  readonly #places: Places<Link>;
  readonly #linkOwner: LinkOwner;
  /** Those with something to send: a word to one of many idle peers costs nothing at the others. */
  readonly #waiting = new Set<Link>();
  readonly #stop = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  readonly #failed = Promise.withResolvers<never>();
  #halfOpen = 0;
  #nextNumber = 1;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#places = new Places(options.maxPeers);
    this.#linkOwner = this.#ownLinks();
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

  /** Connections at once. When there are to be fewer, the least useful are closed. */
  get maxPeers(): number {
    return this.#places.most;
  }

  set maxPeers(most: number) {
    this.#places.most = most;
    const tooMany = this.#places.surplus(this.#options.clock.nowMs());
    for (const link of tooMany) this.#close(link, `is one too many: there are to be ${most} at most`);
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
    for (const link of this.#places.guests()) if (link.swarm === swarm) this.#close(link, "torrent removed");
  }

  /** Learns of a peer and dials it if there is room. */
  learn(swarm: Swarm, endpoint: Endpoint, source: PeerSource): void {
    if (swarm.learn(endpoint, source, this.#options.clock.nowMs())) this.#dialMore();
  }

  /** Sends what is waiting at any peer: to be called after the swarm was told something from outside. */
  flush(): void {
    for (const link of this.#waiting) link.write();
    this.#waiting.clear();
  }

  /** Closes everything and waits until all of it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const listener of this.#options.listeners) listener.close();
    for (const link of this.#places.guests()) this.#close(link, "stopped");
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
          const swarm = this.#swarmOf(handshake);
          if (swarm === undefined) return undefined;
          this.#places.get(peer.number)!.swarm = swarm;
          swarm.join(peer);
          this.#options.onIncoming?.(conn.remote);
          return swarm;
        },
      });
      this.#spawn(this.#serve(conn, peer, undefined));
    }
  }

  #swarmOf({ infoHash }: Handshake): Swarm | undefined {
    return this.#swarms.values().find(({ introduction: { hashes } }) =>
      [hashes.v1, hashes.v2Short].some((hash) => hash !== undefined && equalBytes(hash, infoHash))
    );
  }

  #isUnwelcome(host: string): boolean {
    if (this.#places.isCrowded(host, this.#swarms.size)) return true;
    if ([...this.#swarms].some((swarm) => swarm.book.isBanned(host))) return true;
    return !this.#makeRoom();
  }

  /** Whether there is a place, if need be one that another must leave. */
  #makeRoom(): boolean {
    if (!this.#places.isFull) return true;
    const leaver = this.#places.toLeave(this.#options.clock.nowMs());
    if (leaver === undefined) return false;
    this.#close(leaver.guest, `was ${leaver.is}, and another wants its place`);
    return !this.#places.isFull;
  }

  #dialMore(): void {
    if (this.#stop.signal.aborted) return;
    for (const swarm of this.#swarms) {
      // Those who want something of a seed come by themselves, unless only we can reach them.
      const isSeeding = swarm.download?.isComplete === true;
      const most = isSeeding ? this.maxPeers / 2 : this.maxPeers;
      while (this.#halfOpen < MAX_HALF_OPEN) {
        const nowMs = this.#options.clock.nowMs();
        const free = most - this.#places.size - this.#halfOpen;
        // An idle one's place is for somebody new, not for who has lost it just now.
        const isNew = free <= 0;
        if (isNew && (isSeeding || free + this.#places.idleCount(nowMs) <= 0)) break;
        const candidate = swarm.book.next(nowMs, { isSeeding, isNew });
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
    const link = new Link(conn, peer, swarm, this.#linkOwner);
    this.#places.enter(link, this.#options.clock.nowMs());
    peer.out.onWaiting = () => this.#waiting.add(link);
    let why = "closed by the peer";
    try {
      link.write();
      await link.readAll();
    } catch (error) {
      if (error instanceof WireFault) {
        why = error.message;
        // Before its handshake it may be somebody who meant another torrent, or speaks in cipher first.
        if (peer.isGreeted) link.swarm?.onBroken(peer);
      } else if (this.#tell(link.swarm, error)) why = `sends what cannot be kept: ${error.message}`;
      else throw error;
    } finally {
      this.#close(link, why);
    }
  }

  #ownLinks(): LinkOwner {
    const { clock, downLimit } = this.#options;
    const places = this.#places;
    return {
      clock,
      downLimit,
      signal: this.#stop.signal,
      get linkCount() {
        return places.size;
      },
      onRead: (link) => {
        if (link.swarm !== undefined) this.#collect(link.swarm);
        link.swarm?.refill(link.peer);
        this.#settle();
      },
      onWriting: (task) => this.#spawn(task),
      onUnwritable: (link) => this.#close(link, "cannot be written to"),
    };
  }

  /** For who comes now. */
  get #bufferBytes(): number {
    return this.#places.size < MANY_PEERS ? RECEIVE_BUFFER_BYTES : CROWD_BUFFER_BYTES;
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
  #tell(swarm: Swarm | undefined, error: unknown): error is SnapError {
    const onTrouble = swarm === undefined ? undefined : this.#troubleOf.get(swarm);
    if (onTrouble === undefined || !(error instanceof SnapError)) return false;
    onTrouble(error);
    return true;
  }

  /** After something happened: close whom the swarms condemned, and send what is waiting. */
  #settle(): void {
    for (const swarm of this.#swarms) {
      for (const { peer, why } of swarm.takeCondemned()) {
        const link = this.#places.get(peer.number);
        if (link !== undefined) this.#close(link, why);
      }
    }
    this.flush();
  }

  #close(link: Link, why: string): void {
    if (!link.close()) return;
    this.#places.leave(link);
    this.#waiting.delete(link);
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
      for (const link of this.#places.guests()) {
        try {
          link.peer.tick(nowMs);
        } catch (error) {
          if (!(error instanceof WireFault)) throw error;
          this.#close(link, error.message);
        }
      }
      this.#places.look(nowMs);
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
