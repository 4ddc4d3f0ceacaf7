// One connection's bytes, both ways: read into the peer's own buffer, which parses them there, and what waits for the
// peer written, one write at a time. Nothing more is read while the peer does not take what waits for it, while the
// disk is behind, or while the download limit is spent. What comes of it, and when it ends, is session.ts's.

import type { Clock, TcpConn } from "../ports.ts";
import { SEND_HIGH_WATER_BYTES } from "./limits.ts";
import type { PeerCore } from "./peer_core.ts";
import type { Swarm } from "./swarm.ts";
import type { TokenBucket } from "./token_bucket.ts";

/** With a download limit, the least that is worth a system call. */
const LEAST_READ_BYTES = 4096;

/** What a link needs of the session that has it. */
export interface LinkOwner {
  readonly clock: Clock;
  /** Ends a wait. */
  readonly signal: AbortSignal;
  /** Shared by all links; undefined for none. */
  readonly downLimit: TokenBucket | undefined;
  /** How many share it. */
  readonly linkCount: number;
  /** The peer has read what came: time to act on it. */
  onRead(link: Link): void;
  /** A write began: to be waited for before the session ends. */
  onWriting(task: Promise<void>): void;
  /** Nothing more can be written: to be closed. */
  onUnwritable(link: Link): void;
}

export class Link {
  readonly peer: PeerCore;
  /** Whose peer it is; undefined before it has said that. */
  swarm: Swarm | undefined;
  readonly #conn: TcpConn;
  readonly #owner: LinkOwner;
  /** The write under way; undefined when nothing is. */
  #writing: Promise<void> | undefined;
  #isClosed = false;
  #sentBytes = 0;

  constructor(conn: TcpConn, peer: PeerCore, swarm: Swarm | undefined, owner: LinkOwner) {
    this.#conn = conn;
    this.peer = peer;
    this.swarm = swarm;
    this.#owner = owner;
  }

  get isSource(): boolean {
    return this.swarm?.isSource(this.peer) === true;
  }

  get isStarted(): boolean {
    return this.swarm?.download !== undefined;
  }

  /** Blocks that came, and all that was written. */
  get movedBytes(): number {
    return this.peer.requests.rate.total + this.#sentBytes;
  }

  /**
   * Reads until the connection ends.
   *
   * @throws {WireFault} When the peer broke the protocol: it must be closed.
   * @throws {SnapError} When the disk does not take what came.
   */
  async readAll(): Promise<void> {
    const { peer } = this;
    const { clock, downLimit } = this.#owner;
    for (;;) {
      const count = await this.#conn.read(this.#readable()).catch(() => null);
      if (count === null || this.#isClosed) return;
      peer.received(count, clock.nowMs());
      this.#owner.onRead(this);
      const sink = this.swarm?.download?.sink;
      while (sink?.isBehind === true && !this.#isClosed) await sink.room();
      while (peer.out.pending > SEND_HIGH_WATER_BYTES && this.#writing !== undefined) await this.#writing;
      if (downLimit !== undefined) await this.#slowDown(downLimit, count);
    }
  }

  /** Begins to send what waits, if nothing is being sent. */
  write(): void {
    if (this.#writing !== undefined || this.#isClosed || this.peer.out.pending === 0) return;
    const task = this.#writeAll().finally(() => {
      this.#writing = undefined;
      // What came to wait after the last look of that loop.
      this.write();
    });
    this.#writing = task;
    this.#owner.onWriting(task);
  }

  /** @returns false when it was closed before. */
  close(): boolean {
    if (this.#isClosed) return false;
    this.#isClosed = true;
    this.#conn.close();
    return true;
  }

  /** Where the peer's next bytes go: with a limit no more at once than it lets pass to so many peers. */
  #readable(): Uint8Array {
    const { space } = this.peer;
    const { downLimit, linkCount } = this.#owner;
    if (downLimit === undefined) return space;
    const share = Math.max(LEAST_READ_BYTES, downLimit.chunkBytes / linkCount);
    return space.length > share ? space.subarray(0, share) : space;
  }

  /**
   * Waits until the limit has made up for what was read: meanwhile the sender's window closes. Not longer for what
   * others read after it, or all would read again at the same moment.
   */
  async #slowDown(limit: TokenBucket, count: number): Promise<void> {
    const { clock, signal } = this.#owner;
    limit.spend(count, clock.nowMs());
    await clock.sleep(limit.delayMs(clock.nowMs()), signal);
  }

  async #writeAll(): Promise<void> {
    const { peer } = this;
    for (let bytes = peer.out.take(); bytes !== undefined; bytes = peer.out.take()) {
      try {
        await this.#conn.writeAll(bytes);
      } catch {
        return this.#owner.onUnwritable(this);
      }
      peer.out.sent();
      this.#sentBytes += bytes.length;
      this.swarm?.onSent(peer, this.#owner.clock.nowMs());
    }
  }
}
